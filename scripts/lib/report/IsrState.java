/** What an {@code isr} event says of all replicas at one moment. */
record IsrState(long inSync, long replicas, long underReplicated, Online online, long frozenSince, long brokers) {
    /** Partitions that have a leader, of how many. */
    record Online(long partitions, long of) {
        boolean isAll() {
            return partitions == of;
        }
    }

    /**
     * Reads an event. Frozen metadata is of a moment of which watch-isr says more after a space; 0: it is not frozen.
     */
    static IsrState of(RunEvent event) {
        return new IsrState(
                event.whole("inSync"),
                event.whole("replicas"),
                event.whole("underReplicated"),
                new Online(event.whole("online"), event.whole("partitions")),
                event.get("frozenSince") instanceof String since ? EventTime.micros(since.split(" ")[0]) : 0,
                event.bits("brokers"));
    }

    boolean hasBroker(long id) {
        return id >= Long.SIZE || (brokers >> id & 1) == 1;
    }

    /** Returns whether a replica is missing, whatever the metadata's age. */
    boolean hasShrunk() {
        return inSync < replicas;
    }

    boolean isAllInSync() {
        return inSync == replicas && replicas > 0 && frozenSince == 0;
    }

    /** Orders states from bad to good: an offline partition counts more than any number of replicas. */
    long goodness() {
        return inSync - 1_000_000 * (online.of() - online.partitions());
    }
}
