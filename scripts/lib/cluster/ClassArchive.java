//SOURCES OwnFiles.java LocalProcess.java LocalNode.java

import java.io.*;
import java.net.URISyntaxException;
import java.nio.channels.*;
import java.nio.file.*;
import java.time.*;
import java.util.*;
import java.util.stream.*;

/**
 * The CDS archive of the broker's classes, one for each Java and Kafka version: with it, nodes start in half the time.
 *
 * <p>Without one, a first node lists the classes that it loads. When all nodes are down, a JVM of the lowest priority
 * creates the archive from that list, in the background. A start of nodes ends that JVM, so that it never competes with
 * a run, and the end of the run starts it again.
 */
final class ClassArchive {
    private static final String MARK = "-Dkraft-lab.archive=";
    /** Among the last classes that a starting broker loads: a list without it is of one that did not get that far. */
    private static final String LATE_CLASS = "\nkafka/server/KafkaApis";
    /** Moves the archive into place. After a signal it is tried again soon; any other failure leaves an empty file. */
    private static final String CREATE =
            "\"$@\" && mv -f \"$0.new\" \"$0\" || { e=$?; rm -f \"$0.new\"; [ $e -gt 128 ]; } || : > \"$0\"";
    /** After a failure, such as a full disk, it is tried again. */
    private static final Duration RETRY = Duration.ofDays(1);

    private final Path archive;
    private final Path classes;
    private final Path classPath;

    /** Uses the given folder, or the other one where others can write to it. */
    ClassArchive(Path cache, Path otherwise, String kafkaVersion) throws IOException {
        Path folder = OwnFiles.canKeep(cache) ? cache : otherwise;
        OwnFiles.makeFolders(folder);
        String key = "kafka-" + kafkaVersion + "-java-" + System.getProperty("java.vm.version") + "-"
                + Integer.toHexString(java().hashCode());
        Path real = folder.toRealPath(); // of one archive, all processes have the same mark
        archive = real.resolve(key + ".jsa");
        classes = real.resolve(key + ".classes");
        classPath = real.resolve(key + ".args");
    }

    static String java() {
        return Path.of(System.getProperty("java.home"), "bin", "java").toString();
    }

    boolean isMissing() throws IOException {
        return !Files.exists(archive) || Files.size(archive) == 0 && isOld(archive);
    }

    private static boolean isOld(Path file) throws IOException {
        return Files.getLastModifiedTime(file)
                .toInstant()
                .isBefore(Instant.now().minus(RETRY));
    }

    boolean isBeingCreated() {
        return creators().findAny().isPresent();
    }

    private Stream<ProcessHandle> creators() {
        return LocalProcess.jvmsWith(MARK)
                .filter(p -> LocalProcess.argument(p, MARK).orElse("").equals(archive.toString()));
    }

    private static Path listOf(LocalNode node) {
        return node.folder.resolve("classes.list");
    }

    // ---- Used by a node ----

    /** Returns what concerns the classes of a node's JVM: the class path, and the archive or the list to write. */
    List<String> options(LocalNode node) throws IOException {
        List<String> options = new ArrayList<>();
        if (Files.exists(archive) && Files.size(archive) > 0) {
            // Without a word about an archive that does not fit: the node then starts without it.
            options.addAll(List.of("-Xlog:disable", "-Xlog:all=error:stderr", "-XX:SharedArchiveFile=" + archive));
        } else if (isMissing() && !Files.exists(classes) && node.id == 1) {
            options.add("-XX:DumpLoadedClassList=" + listOf(node));
        }
        // A file: some 4 KiB of class path on the command line would hide the rest of it from ps and ProcessHandle.
        options.add("@" + classPath);
        return options;
    }

    /** Chooses the class path: an archive fits just one, so all scripts use that of the first while its jars exist. */
    void settleClassPath() throws IOException {
        String known = Files.exists(classPath) ? Files.readString(classPath).replaceAll("-cp \"|\"\\s*", "") : "";
        boolean isUsable = !known.isEmpty()
                && Stream.of(known.split(File.pathSeparator)).allMatch(jar -> Files.exists(Path.of(jar)));
        if (!isUsable) {
            Files.deleteIfExists(archive);
            OwnFiles.replace(classPath, "-cp \"" + jarsOfLibraries() + "\"\n");
        }
    }

    private static String jarsOfLibraries() {
        try {
            var own = ClassArchive.class.getProtectionDomain().getCodeSource().getLocation();
            String script = Path.of(own.toURI()).toString();
            return Stream.of(System.getProperty("java.class.path").split(File.pathSeparator))
                    .filter(jar -> jar.endsWith(".jar") && !jar.equals(script))
                    .collect(Collectors.joining(File.pathSeparator));
        } catch (URISyntaxException e) {
            throw new IllegalStateException(e);
        }
    }

    // ---- Creation ----

    /** Ends its creation, if it is going on. */
    void abandon() throws IOException {
        if (isMissing()) {
            List<ProcessHandle> creators = creators().toList();
            creators.forEach(ProcessHandle::destroyForcibly);
            if (LocalProcess.awaitEnd(creators)) {
                Thread.currentThread().interrupt();
            }
        }
    }

    /** Starts its creation if there is none, the classes are known and no node runs. Returns whether it did. */
    boolean createInBackground(LocalNode node) throws IOException {
        if (isMissing()) {
            keepList(listOf(node));
        }
        if (!isMissing() || !Files.exists(classes) || !Files.exists(classPath)) {
            return false;
        }
        try (FileChannel channel = FileChannel.open(classes, StandardOpenOption.WRITE);
                FileLock lock = OwnFiles.tryLock(channel)) {
            boolean isBusy = lock == null
                    || isBeingCreated()
                    || LocalProcess.jvmsWith(LocalNode.MARK).findAny().isPresent();
            return !isBusy && startCreation();
        }
    }

    /** Takes the list of a node that got far enough; the last line of one that was killed may be half of one. */
    private void keepList(Path list) throws IOException {
        if (!Files.isRegularFile(list, LinkOption.NOFOLLOW_LINKS)) {
            return;
        }
        String text = Files.readString(list);
        if (text.contains(LATE_CLASS)) {
            OwnFiles.replace(classes, text.substring(0, text.lastIndexOf('\n') + 1));
        }
        Files.delete(list);
    }

    private boolean startCreation() throws IOException {
        List<String> command = new ArrayList<>(LocalProcess.detached());
        command.addAll(List.of("sh", "-c", CREATE, archive.toString(), "nice", "-n", "19", java()));
        // By G1, the only collector that also archives objects; the serial collector can load them.
        command.addAll(List.of("-Xshare:dump", "-XX:+UseG1GC", "-XX:SharedClassListFile=" + classes));
        command.addAll(
                List.of("-XX:SharedArchiveFile=" + archive + ".new", "-Xlog:disable", MARK + archive, "@" + classPath));
        Process process = new ProcessBuilder(command)
                .redirectInput(new File("/dev/null"))
                .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                .redirectError(ProcessBuilder.Redirect.DISCARD)
                .start();
        // Others see it by its mark, so the lock is held until it has that.
        while (process.isAlive() && !isBeingCreated()) {
            try {
                Thread.sleep(10);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                return true;
            }
        }
        return true;
    }
}
