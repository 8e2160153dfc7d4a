/** What check-topic finds, in the order in which it is printed; docs/verifier.md defines each kind. */
enum Finding {
    DUPLICATE("duplicates", "an identity a second time", Weight.PROVED),
    REORDERED("reordered", "a number after a later one", Weight.PROVED),
    EPOCH("epochs", "leader epoch goes back", Weight.PROVED),
    GAP("gaps", "offsets without a record", Weight.OPEN),
    MISSING("missing", "numbers in no record", Weight.OPEN),
    REPEATED("repeatedKeys", "a key again (an update?)", Weight.REPORTED),
    CLOCK("clock", "timestamp before the last one's", Weight.REPORTED);

    private enum Weight {
        PROVED,
        OPEN,
        REPORTED
    }

    /** The name in JSON. */
    final String field;
    /** What follows a number in a sentence. */
    final String words;

    private final Weight weight;

    Finding(String field, String words, Weight weight) {
        this.field = field;
        this.words = words;
        this.weight = weight;
    }

    /** Returns whether it cannot be right. */
    boolean isProved() {
        return weight == Weight.PROVED;
    }

    /** Returns whether it may have its reason, or not. */
    boolean isOpen() {
        return weight == Weight.OPEN;
    }
}
