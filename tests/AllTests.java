///usr/bin/env jbang "$0" "$@" ; exit $?
//JAVA 17+
//DEPS org.junit.platform:junit-platform-console-standalone:1.13.4
//SOURCES *Test.java
//SOURCES TestCluster.java OddCluster.java TestEngine.java Browser.java Terminal.java
//SOURCES ../scripts/Lab.java ../scripts/Nodes.java ../scripts/FindController.java ../scripts/ProbeCluster.java ../scripts/MergeLatency.java ../scripts/FindMaxRate.java ../scripts/CompareSettings.java ../scripts/WatchLeaders.java ../scripts/Outages.java ../scripts/FailoverMatrix.java ../scripts/Dashboard.java ../scripts/CheckTopic.java ../scripts/Completion.java
//DESCRIPTION Runs all tests of kraft-lab

import static org.junit.platform.engine.discovery.ClassNameFilter.includeClassNamePatterns;
import static org.junit.platform.engine.discovery.DiscoverySelectors.selectClasspathRoots;

import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Path;
import java.util.*;
import org.junit.platform.engine.TestExecutionResult;
import org.junit.platform.launcher.*;
import org.junit.platform.launcher.core.*;

/**
 * Runs every test class, or those whose name contains one of the arguments, and prints a line for each test as it ends.
 * The last line is {@code N passed, N failed, N skipped}; a skip names its reason. Exit 0 only if some passed and none failed.
 *
 * <pre>./jbang test
 * ./jbang test Checker Contract</pre>
 */
class AllTests {
    public static void main(String... args) throws Exception {
        Path jar = Path.of(AllTests.class.getProtectionDomain().getCodeSource().getLocation().toURI());
        String pattern = args.length == 0 ? ".*Test" : "(?i).*(" + String.join("|", args) + ").*Test";
        LauncherDiscoveryRequest request = LauncherDiscoveryRequestBuilder.request().selectors(selectClasspathRoots(Set.of(jar)))
                .filters(includeClassNamePatterns(pattern))
                .configurationParameter("junit.jupiter.testclass.order.default", "org.junit.jupiter.api.ClassOrderer$OrderAnnotation")
                .configurationParameter("junit.jupiter.testmethod.order.default", "org.junit.jupiter.api.MethodOrderer$OrderAnnotation")
                .configurationParameter("junit.jupiter.execution.timeout.default", "10 m").build();
        Progress progress = new Progress();
        LauncherFactory.create().execute(request, progress);
        System.out.printf("%d passed, %d failed, %d skipped%n", progress.passed, progress.failed, progress.skipped);
        System.exit(progress.failed == 0 && progress.passed > 0 ? 0 : 1);
    }

    private static class Progress implements TestExecutionListener {
        int passed, failed, skipped;
        private final Map<String, Long> began = new HashMap<>();
        private TestPlan plan;

        @Override public void testPlanExecutionStarted(TestPlan plan) { this.plan = plan; }
        @Override public void executionStarted(TestIdentifier id) { began.put(id.getUniqueId(), System.nanoTime()); }

        @Override public void executionSkipped(TestIdentifier id, String reason) {
            // A class that is skipped stands for its tests.
            int tests = id.isTest() ? 1 : (int) plan.getDescendants(id).stream().filter(TestIdentifier::isTest).count();
            skipped += tests;
            print("SKIP", id, reason);
        }

        @Override public void executionFinished(TestIdentifier id, TestExecutionResult result) {
            Throwable problem = result.getThrowable().orElse(null);
            switch (result.getStatus()) {
                case SUCCESSFUL -> { if (id.isTest()) { passed++; print("ok", id, ""); } }
                case ABORTED -> {
                    skipped += id.isTest() ? 1 : (int) plan.getDescendants(id).stream().filter(TestIdentifier::isTest).count();
                    print("SKIP", id, problem == null ? "" : problem.getMessage());
                }
                case FAILED -> {
                    failed++;
                    StringWriter trace = new StringWriter();
                    if (problem != null) problem.printStackTrace(new PrintWriter(trace));
                    String[] lines = trace.toString().split("\n");
                    print("FAIL", id, "\n" + String.join("\n", Arrays.copyOf(lines, Math.min(lines.length, 30))));
                }
            }
        }

        private void print(String what, TestIdentifier id, String more) {
            String parent = plan.getParent(id).filter(p -> !p.getParentIdObject().isEmpty()).map(p -> p.getDisplayName() + ".").orElse("");
            long ms = (System.nanoTime() - began.getOrDefault(id.getUniqueId(), System.nanoTime())) / 1_000_000;
            System.out.printf(Locale.ROOT, "%-4s %7.1f s  %s%s  %s%n", what, ms / 1e3, parent, id.getDisplayName(), more);
        }
    }
}
