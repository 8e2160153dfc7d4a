//SOURCES ../cli/Cli.java

import java.io.*;
import java.nio.channels.*;
import java.nio.charset.StandardCharsets;
import java.nio.file.*;
import java.nio.file.attribute.*;
import java.util.*;
import java.util.stream.Stream;

/**
 * Files and folders of kraft-lab: folders are created for this user alone and marked, files are replaced as a whole
 * and never through a link, and what others can write is not trusted.
 */
class OwnFiles {
    private static final String MARKER = ".kraft-lab";
    private static final String LINE = "This folder is of kraft-lab: ";

    /** Writes what the folder is, what made it, and what becomes of it: a person who wonders finds that, too. */
    static void mark(Path folder, String what, String madeBy, String fate) throws IOException {
        replace(folder.resolve(MARKER), LINE + what + ", made by '" + madeBy + "'; " + fate + ".\n");
    }

    static boolean isMarked(Path folder, String what) {
        return begins(folder.resolve(MARKER), LINE + what + ", ");
    }

    /** Returns whether it is a regular file, not a link to one, that begins so. */
    static boolean begins(Path file, String beginning) {
        if (!Files.isRegularFile(file, LinkOption.NOFOLLOW_LINKS)) {
            return false;
        }
        byte[] wanted = beginning.getBytes(StandardCharsets.UTF_8);
        try (InputStream in = Files.newInputStream(file)) {
            return Arrays.equals(wanted, in.readNBytes(wanted.length));
        } catch (IOException unreadable) {
            return false;
        }
    }

    static boolean isEmpty(Path folder) throws IOException {
        if (!Files.isDirectory(folder, LinkOption.NOFOLLOW_LINKS)) {
            return false;
        }
        try (Stream<Path> files = Files.list(folder)) {
            return files.findAny().isEmpty();
        }
    }

    /** Creates the folders that are missing, for this user alone. */
    static void makeFolders(Path folder) throws IOException {
        if (Files.isDirectory(folder)) {
            return;
        }
        if (isPosix(folder)) {
            Set<PosixFilePermission> ours = PosixFilePermissions.fromString("rwx------");
            Files.createDirectories(folder, PosixFilePermissions.asFileAttribute(ours));
        } else {
            Files.createDirectories(folder);
        }
    }

    static void replace(Path file, String text) throws IOException {
        Path fresh = file.resolveSibling(file.getFileName() + ".new");
        Files.deleteIfExists(fresh);
        Files.writeString(fresh, text, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE);
        if (isPosix(fresh)) {
            Files.setPosixFilePermissions(fresh, PosixFilePermissions.fromString("rw-r--r--"));
        }
        Files.move(fresh, file, StandardCopyOption.REPLACE_EXISTING, StandardCopyOption.ATOMIC_MOVE);
    }

    /** Deletes a folder of ours. Links are not followed; its mark goes last, so that the rest is known as ours. */
    static void delete(Path folder) throws IOException {
        if (!Files.exists(folder)) {
            return;
        }
        try (Stream<Path> files = Files.walk(folder)) {
            for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
                Files.delete(file);
            }
        }
    }

    /** Refuses a path that somebody else may have written. */
    static void requireAlone(Path path) throws IOException {
        String why = whyNotAlone(path);
        if (why != null) {
            throw new Cli.Exit(
                    Cli.REFUSED,
                    path + " " + why + ", and what is kept there decides what is run and signalled: correct that"
                            + " (chown, chmod go-w), or name another folder with --data-dir.");
        }
    }

    /** Returns whether what is run later can be kept there, where only this user writes; creates the folder. */
    static boolean canKeep(Path folder) {
        try {
            makeFolders(folder);
            return Files.isWritable(folder) && whyNotAlone(folder.toRealPath()) == null;
        } catch (IOException cannot) {
            return false;
        }
    }

    private static String whyNotAlone(Path path) throws IOException {
        if (Files.isSymbolicLink(path)) {
            return "is a symbolic link";
        }
        if (!path.getFileSystem().supportedFileAttributeViews().contains("unix")) {
            return null;
        }
        int owner = (Integer) Files.getAttribute(path, "unix:uid");
        long user = new com.sun.security.auth.module.UnixSystem().getUid();
        if (owner != user) {
            String name = Cli.printable(Files.getOwner(path));
            return "belongs to " + name + " (uid " + owner + "), while this runs as uid " + user;
        }
        int mode = (Integer) Files.getAttribute(path, "unix:mode");
        boolean othersWrite = (mode & 0022) != 0;
        return othersWrite ? String.format(Locale.ROOT, "can be written by others (mode %03o)", mode & 0777) : null;
    }

    private static boolean isPosix(Path path) {
        return path.getFileSystem().supportedFileAttributeViews().contains("posix");
    }

    /** Returns null when the lock is held, by this process or another. */
    static FileLock tryLock(FileChannel channel) throws IOException {
        try {
            return channel.tryLock();
        } catch (OverlappingFileLockException heldInThisJvm) {
            return null;
        }
    }

    /** Says why a file could not be written. */
    static String reason(IOException e) {
        if (e instanceof AccessDeniedException) {
            return "not allowed";
        }
        if (e instanceof FileAlreadyExistsException) {
            return "there is a file of that name";
        }
        if (e instanceof NoSuchFileException) {
            return "there is no such folder";
        }
        boolean hasReason = e instanceof FileSystemException f && f.getReason() != null;
        return hasReason ? ((FileSystemException) e).getReason() : String.valueOf(e.getMessage());
    }
}
