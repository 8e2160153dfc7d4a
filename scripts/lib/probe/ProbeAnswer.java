//SOURCES ../cli/EventFields.java

import java.util.Locale;

/**
 * One question's answer.
 *
 * @param node the broker that was asked, or 0
 */
record ProbeAnswer(String question, int node, Result result, long ms, Offsets offsets) {
    enum Outcome {
        OK,
        FAILS,
        HANGS,
        NOT_ASKED;

        @Override
        public String toString() {
            return name().toLowerCase(Locale.ROOT).replace('_', '-');
        }
    }

    /** @param error the exception's name, if it fails */
    record Result(Outcome outcome, String error, String detail) {}

    /**
     * The offset of the acknowledged record, and the high watermark of its partition as reading found it; -1: unknown.
     */
    record Offsets(long acknowledged, long highWatermark) {
        static final Offsets NONE = new Offsets(-1, -1);

        boolean areKnown() {
            return acknowledged >= 0 && highWatermark >= 0;
        }
    }

    static ProbeAnswer notAsked(String question, String why) {
        return new ProbeAnswer(question, 0, new Result(Outcome.NOT_ASKED, null, why), 0, Offsets.NONE);
    }

    ProbeAnswer withDetail(String detail) {
        return new ProbeAnswer(question, node, new Result(outcome(), error(), detail), ms, offsets);
    }

    ProbeAnswer withOffsets(long acknowledged, long highWatermark) {
        return new ProbeAnswer(question, node, result, ms, new Offsets(acknowledged, highWatermark));
    }

    Outcome outcome() {
        return result.outcome;
    }

    boolean isOk() {
        return outcome() == Outcome.OK;
    }

    String error() {
        return result.error;
    }

    /** Returns whether it failed with an exception of this beginning or end of its name. */
    boolean failedWith(String part) {
        return error() != null && (error().startsWith(part) || error().endsWith(part));
    }

    String detail() {
        return result.detail;
    }

    /** Returns whether a record was acknowledged that no consumer may see yet. */
    boolean isInvisible() {
        return offsets.areKnown() && offsets.acknowledged >= offsets.highWatermark;
    }

    /** Returns the fields of the event {@code probe}. */
    Object[] fields() {
        return new EventFields()
                .with("question", question)
                .with("node", node == 0 ? null : node)
                .with("outcome", outcome().toString())
                .with("error", error())
                .with("ms", ms)
                .with("detail", detail())
                .with("offset", known(offsets.acknowledged))
                .with("highWatermark", known(offsets.highWatermark))
                .with("visible", offsets.areKnown() ? !isInvisible() : null)
                .toArray();
    }

    private static Long known(long offset) {
        return offset < 0 ? null : (Long) offset;
    }
}
