import java.util.Locale;

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
}
