///usr/bin/env jbang "$0" "$@" ; exit $?
//JAVA 17+
//DEPS org.junit.platform:junit-platform-console-standalone:1.13.4
//SOURCES *Test.java
//SOURCES TestLane.java SourceForm.java TestCluster.java OddCluster.java KnownServer.java TestEngine.java Browser.java Terminal.java
//SOURCES OutageEvents.java KnownProducer.java
//SOURCES CheckerFixture.java DeliveryFixture.java LauncherFixture.java
//SOURCES ../scripts/Lab.java ../scripts/Nodes.java ../scripts/FindController.java ../scripts/ProbeCluster.java ../scripts/MergeLatency.java ../scripts/FindMaxRate.java ../scripts/CompareSettings.java ../scripts/WatchLeaders.java ../scripts/Outages.java ../scripts/FailoverMatrix.java ../scripts/Dashboard.java ../scripts/CheckTopic.java ../scripts/Completion.java
//JAVAC_OPTIONS -J-XX:TieredStopAtLevel=1 -J-XX:+UseSerialGC
//DESCRIPTION Runs the tests of kraft-lab

import static org.junit.platform.engine.discovery.ClassNameFilter.includeClassNamePatterns;
import static org.junit.platform.engine.discovery.DiscoverySelectors.selectClasspathRoots;

import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Path;
import java.util.*;
import java.util.stream.Stream;
import org.junit.platform.engine.TestExecutionResult;
import org.junit.platform.launcher.*;
import org.junit.platform.launcher.core.*;
import org.opentest4j.TestAbortedException;

/**
 * Runs every test class, or those whose name contains one of the arguments, and prints a line for each test as it ends.
 * The last line is {@code N passed, N failed, N skipped}; a skip prints its reason. Exits with 0 only if at least one
 * test passed and none failed.
 *
 * <pre>./jbang test
 * ./jbang test Checker Contract
 * ./jbang test --fast   # leaves out what needs a cluster, Docker or a browser, or is tagged "slow"
 * ./jbang test --soak   # runs only what is tagged "soak", as bench soak does</pre>
 *
 * <p>Where {@link TestLane}s are available, tests run side by side in them; otherwise they run one after the other.
 */
class AllTests {
    /** Whether tests that need a cluster, Docker or a browser are left out. */
    static boolean fast;

    private static final String LEFT_OUT = "With --fast there is no ";

    /** Aborts a test that needs one of them. */
    static void needs(String what) {
        if (fast) throw new TestAbortedException(LEFT_OUT + what + ".");
    }

    public static void main(String... args) throws Exception {
        List<String> options = Stream.of(args).filter(a -> a.startsWith("--")).toList();
        List<String> patterns = Stream.of(args).filter(a -> !a.startsWith("--")).toList();
        fast = options.contains("--fast");
        Progress progress = new Progress();
        String lane = options.stream()
                .filter(o -> o.startsWith(TestLane.OPTION))
                .map(o -> o.substring(TestLane.OPTION.length()))
                .findFirst()
                .orElse(null);
        List<PostDiscoveryFilter> filters = new ArrayList<>();
        if (fast) filters.add(TagFilter.excludeTags("slow"));
        boolean soak = options.contains("--soak");
        filters.add(soak ? TagFilter.includeTags(TestLane.SOAK) : TagFilter.excludeTags(TestLane.SOAK));
        if (lane != null) {
            filters.add(TagFilter.includeTags(lane));
            execute(patterns, filters, progress);
            TestLane.tell(progress.counts, progress.seconds);
            System.exit(0);
        }
        Queue<String> tags = TestLane.tags(tag -> contains(patterns, with(filters, TagFilter.includeTags(tag))));
        if (tags.isEmpty()) execute(patterns, filters, progress);
        else TestLane.run(tags, List.of(args), progress.counts, progress.seconds);
        progress.printSlowest();
        Counts n = progress.counts;
        System.out.printf("%d passed, %d failed, %d skipped%n", n.passed, n.failed, n.skipped);
        System.exit(n.failed == 0 && n.passed > 0 ? 0 : 1);
    }

    private static List<PostDiscoveryFilter> with(List<PostDiscoveryFilter> filters, PostDiscoveryFilter one) {
        List<PostDiscoveryFilter> all = new ArrayList<>(filters);
        all.add(one);
        return all;
    }

    private static LauncherDiscoveryRequest request(List<String> patterns, List<PostDiscoveryFilter> tags)
            throws Exception {
        Path jar = Path.of(AllTests.class
                .getProtectionDomain()
                .getCodeSource()
                .getLocation()
                .toURI());
        String pattern = patterns.isEmpty() ? ".*Test" : "(?i).*(" + String.join("|", patterns) + ").*Test";
        return LauncherDiscoveryRequestBuilder.request()
                .selectors(selectClasspathRoots(Set.of(jar)))
                .filters(includeClassNamePatterns(pattern))
                .filters(tags.toArray(PostDiscoveryFilter[]::new))
                .configurationParameter(
                        "junit.jupiter.testclass.order.default", "org.junit.jupiter.api.ClassOrderer$OrderAnnotation")
                .configurationParameter(
                        "junit.jupiter.testmethod.order.default", "org.junit.jupiter.api.MethodOrderer$OrderAnnotation")
                .configurationParameter("junit.jupiter.execution.timeout.default", "10 m")
                .build();
    }

    private static boolean contains(List<String> patterns, List<PostDiscoveryFilter> tags) throws Exception {
        return LauncherFactory.create().discover(request(patterns, tags)).containsTests();
    }

    private static void execute(List<String> patterns, List<PostDiscoveryFilter> tags, Progress progress)
            throws Exception {
        LauncherFactory.create().execute(request(patterns, tags), progress);
    }

    static class Counts {
        int passed;
        int failed;
        int skipped;
    }

    private static class Progress implements TestExecutionListener {
        final Counts counts = new Counts();
        /** Seconds spent in each class, by class name. */
        final Map<String, Double> seconds = new TreeMap<>();

        private final Map<String, Long> began = new HashMap<>();
        private TestPlan plan;

        @Override
        public void testPlanExecutionStarted(TestPlan plan) {
            this.plan = plan;
        }

        @Override
        public void executionStarted(TestIdentifier id) {
            began.put(id.getUniqueId(), System.nanoTime());
        }

        @Override
        public void executionSkipped(TestIdentifier id, String reason) {
            counts.skipped += tests(id);
            print("SKIP", id, reason);
        }

        @Override
        public void executionFinished(TestIdentifier id, TestExecutionResult result) {
            if (isClass(id)) seconds.merge(id.getDisplayName(), seconds(id), Double::sum);
            Throwable problem = result.getThrowable().orElse(null);
            switch (result.getStatus()) {
                case SUCCESSFUL -> passed(id);
                case ABORTED -> skipped(id, problem);
                case FAILED -> failed(id, problem);
            }
        }

        private void passed(TestIdentifier id) {
            if (!id.isTest()) return;
            counts.passed++;
            print("ok", id, "");
        }

        private void skipped(TestIdentifier id, Throwable problem) {
            counts.skipped += tests(id);
            String reason = problem == null ? "" : problem.getMessage();
            if (!reason.startsWith(LEFT_OUT)) print("SKIP", id, reason);
        }

        private void failed(TestIdentifier id, Throwable problem) {
            counts.failed++;
            StringWriter trace = new StringWriter();
            if (problem != null) problem.printStackTrace(new PrintWriter(trace));
            List<String> lines = trace.toString().lines().limit(120).toList();
            print("FAIL", id, "\n" + String.join("\n", lines));
        }

        /** Returns the number of tests; a skipped class counts as its tests. */
        private int tests(TestIdentifier id) {
            return id.isTest()
                    ? 1
                    : (int) plan.getDescendants(id).stream()
                            .filter(TestIdentifier::isTest)
                            .count();
        }

        private boolean isClass(TestIdentifier id) {
            return plan.getParent(id)
                    .map(parent -> parent.getParentIdObject().isEmpty())
                    .orElse(false);
        }

        private double seconds(TestIdentifier id) {
            long now = System.nanoTime();
            return (now - began.getOrDefault(id.getUniqueId(), now)) / 1e9;
        }

        /** Prints in one write, so that the output of parallel lanes does not mix within a line. */
        private void print(String what, TestIdentifier id, String more) {
            String parent = plan.getParent(id)
                    .filter(p -> !p.getParentIdObject().isEmpty())
                    .map(p -> p.getDisplayName() + ".")
                    .orElse("");
            System.out.print(String.format(
                    Locale.ROOT, "%-4s %7.1f s  %s%s  %s%n", what, seconds(id), parent, id.getDisplayName(), more));
        }

        /** Prints the classes to speed up first if the tests take too long. */
        void printSlowest() {
            System.err.println("The slowest classes:");
            seconds.entrySet().stream()
                    .sorted(Map.Entry.<String, Double>comparingByValue().reversed())
                    .limit(10)
                    .forEach(e -> System.err.printf(Locale.ROOT, "%7.1f s  %s%n", e.getValue(), e.getKey()));
        }
    }
}
