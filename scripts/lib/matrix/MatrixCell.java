//SOURCES ../cli/Cli.java

import java.time.Duration;
import java.util.*;
import java.util.stream.Stream;
import picocli.CommandLine.Option;

/** One combination of settings and fault. */
record MatrixCell(String acks, int minIsr, boolean idempotent, Fault fault, String timeouts) {
    /** What is done to the cluster. The leader is one of the run's partitions that is not the active controller. */
    enum Fault {
        KILL_LEADER("kill"),
        KILL_CONTROLLER("kill"),
        STOP_LEADER("stop"),
        PAUSE_LEADER("pause"),
        DISCONNECT_LEADER("disconnect"),
        TWO_OF_THREE("kill");

        final String mode;

        Fault(String mode) {
            this.mode = mode;
        }

        static Fault of(String name) {
            return valueOf(name.toUpperCase(Locale.ROOT).replace('-', '_'));
        }

        @Override
        public String toString() {
            return name().toLowerCase(Locale.ROOT).replace('_', '-');
        }
    }

    boolean acksAll() {
        return acks.equals("all");
    }

    MatrixCell withIdempotence() {
        return new MatrixCell(acks, minIsr, true, fault, timeouts);
    }

    MatrixCell withFault(Fault other) {
        return new MatrixCell(acks, minIsr, idempotent, other, timeouts);
    }

    MatrixCell withTimeouts(String other) {
        return new MatrixCell(acks, minIsr, idempotent, fault, other);
    }

    /** Returns the settings as a part of a sentence. */
    String settings() {
        String idempotence = idempotent ? " and idempotence" : " and no idempotence";
        return "acks=" + acks + ", min ISR " + minIsr + (acksAll() ? idempotence : "");
    }

    /** Returns the combination as a part of a sentence. */
    String name() {
        return settings() + " under " + fault + (timeouts.equals("default") ? " (default timeouts)" : "");
    }

    @Override
    public String toString() {
        String idempotence = idempotent ? " idempotent" : " not-idempotent";
        return "acks=" + acks + " min-isr=" + minIsr + (acksAll() ? idempotence : "") + " " + fault + " " + timeouts;
    }

    /** The options that choose the combinations and the runs. */
    static class Choice {
        private static final List<MatrixCell> DEFAULT = List.of(
                new MatrixCell("0", 1, false, Fault.KILL_LEADER, null),
                new MatrixCell("1", 1, false, Fault.KILL_LEADER, null),
                new MatrixCell("1", 1, false, Fault.PAUSE_LEADER, null),
                new MatrixCell("all", 1, true, Fault.KILL_LEADER, null),
                new MatrixCell("all", 2, true, Fault.KILL_LEADER, null),
                new MatrixCell("all", 2, true, Fault.KILL_CONTROLLER, null),
                new MatrixCell("all", 2, true, Fault.STOP_LEADER, null),
                new MatrixCell("all", 2, true, Fault.PAUSE_LEADER, null),
                new MatrixCell("all", 2, false, Fault.PAUSE_LEADER, null),
                new MatrixCell("all", 2, true, Fault.TWO_OF_THREE, null));

        @Option(
                names = "--acks",
                split = ",",
                paramLabel = "0|1|all",
                description = "Required acknowledgements: a list with commas, as in the next four (default: all).")
        List<String> acks;

        @Option(
                names = "--min-isr",
                split = ",",
                paramLabel = "N",
                description = "The topic's min.insync.replicas (default: 2).")
        List<Integer> minIsrs;

        @Option(
                names = "--idempotence",
                arity = "1",
                split = ",",
                paramLabel = "true|false",
                description = "The producer's enable.idempotence, with acks=all only (default: true).")
        List<Boolean> idempotence;

        @Option(
                names = "--fault",
                split = ",",
                paramLabel = "FAULT",
                description = "${COMPLETION-CANDIDATES}; disconnect needs Docker (default: kill-leader).")
        List<Fault> faults;

        @Option(
                names = "--repeat",
                paramLabel = "N",
                defaultValue = "1",
                description = "Runs of each combination (default: ${DEFAULT-VALUE}).")
        int repeat;

        @Option(
                names = "--rate",
                paramLabel = "N",
                defaultValue = "2000",
                description = "Records per second (default: ${DEFAULT-VALUE}).")
        double rate;

        @Option(
                names = "--fault-duration",
                paramLabel = "DURATION",
                description = "How long a fault lasts after it has taken effect (default: 2s).")
        Duration faultDuration = Duration.ofSeconds(2); // a default of picocli's would override --hold

        /** The name of an earlier version. */
        @Option(names = "--hold", hidden = true, description = "Deprecated: use --fault-duration.")
        void hold(Duration duration) {
            faultDuration = duration;
        }

        /** Returns the combinations that are possible; without any option, the ten most instructive ones. */
        List<MatrixCell> cells(String timeouts) {
            if (Stream.of(acks, minIsrs, idempotence, faults).allMatch(Objects::isNull)) {
                return DEFAULT.stream().map(cell -> cell.withTimeouts(timeouts)).toList();
            }
            List<MatrixCell> cells = new ArrayList<>();
            for (String ack : Objects.requireNonNullElse(acks, List.of("all"))) {
                for (int minIsr : Objects.requireNonNullElse(minIsrs, List.of(2))) {
                    for (Fault fault : Objects.requireNonNullElse(faults, List.of(Fault.KILL_LEADER))) {
                        requirePossible(ack, minIsr, fault);
                        idempotenceWith(ack)
                                .forEach(value -> cells.add(new MatrixCell(ack, minIsr, value, fault, timeouts)));
                    }
                }
            }
            return cells.stream().distinct().toList();
        }

        private List<Boolean> idempotenceWith(String ack) {
            return ack.equals("all") ? Objects.requireNonNullElse(idempotence, List.of(true)) : List.of(false);
        }

        private static void requirePossible(String acks, int minIsr, Fault fault) {
            if (!List.of("0", "1", "all").contains(acks)) {
                throw new Cli.Exit(2, "--acks is 0, 1 or all, not '" + acks + "'.");
            }
            if (minIsr < 1 || minIsr > 3) {
                throw new Cli.Exit(2, "--min-isr is 1, 2 or 3: the topics have three replicas.");
            }
            boolean writesStop = acks.equals("all") && minIsr == 3;
            boolean waitsForWrites = fault != Fault.PAUSE_LEADER && fault != Fault.TWO_OF_THREE;
            if (writesStop && waitsForWrites) {
                throw new Cli.Exit(
                        2,
                        "With acks=all and --min-isr 3 nothing is written while a node is gone, and " + fault
                                + " waits for writes to flow again: choose pause-leader or two-of-three, or a lower min"
                                + " ISR.");
            }
        }
    }
}
