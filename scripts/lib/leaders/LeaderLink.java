import java.io.EOFException;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.StandardSocketOptions;
import java.nio.ByteBuffer;
import java.nio.channels.*;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.Collection;
import java.util.List;
import org.apache.kafka.common.Node;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.requests.*;

/**
 * A connection to a node, with one request at a time: for the leader of the quorum, or for a broker's metadata. Not
 * Kafka's clients: they retry, wait for dead nodes and do not show which node answered what.
 */
final class LeaderLink {
    static final long MS = 1_000_000;
    static final long CALM = 250 * MS;
    static final long DOUBT = 100 * MS;
    /** A node that has not answered for this long counts as dead. */
    static final long SILENT = 500 * MS;

    private static final long RECONNECT = 100 * MS;
    private static final long CONNECT_TIMEOUT = 1000 * MS;
    private static final int LARGEST_ANSWER = 64 << 20;
    private static final TopicPartition METADATA_LOG = new TopicPartition("__cluster_metadata", 0);

    /** What is asked: a controller, or a broker that forwards, for the quorum's leader; a broker for metadata. */
    enum Kind {
        CONTROLLER,
        BROKER,
        BY_BROKER
    }

    /** What owns the links and takes their answers. */
    interface Owner {
        Selector selector();

        /** Returns the topics to ask for; empty: all. */
        Collection<String> topics();

        void answered(LeaderLink link, AbstractResponse response);

        void lost(LeaderLink link);
    }

    final Kind kind;
    final Node node;
    /** The request that has no answer yet. */
    RequestHeader pending;
    /** Whether it has answered on this connection, the last request in time. */
    boolean live;
    /** Whether it has ever answered. */
    boolean answered;

    long askedAt;
    /** The active controller by its last answer, or -1. */
    int named = -1;

    int requests;

    private final Owner owner;
    private final ByteBuffer size = ByteBuffer.allocate(4);
    private SocketChannel channel;
    private ByteBuffer answer;
    private boolean connected;
    private long openAt;

    LeaderLink(Kind kind, Node node, Owner owner) {
        this.kind = kind;
        this.node = node;
        this.owner = owner;
    }

    /** Opens, asks or closes, as due. Returns the latest time for the next call. */
    long tick(long now, long every) throws IOException {
        boolean connecting = channel != null && !connected;
        if (channel == null && now >= openAt) {
            open(now);
        } else if (connecting && now - askedAt > CONNECT_TIMEOUT) {
            close(now + RECONNECT); // the host is gone, as in Docker
        }
        if (connected && pending == null && now - askedAt >= every) {
            ask(now);
        }
        if (!connected) {
            return now + RECONNECT;
        }
        if (pending == null) {
            return askedAt + every;
        }
        if (kind == Kind.BY_BROKER) {
            return now + CALM; // a broker takes long while it looks for the controller itself
        }
        if (live && isSilent(now)) {
            lost();
        }
        if (now - askedAt > 20 * SILENT) {
            close(now);
        }
        return now + DOUBT;
    }

    boolean isSilent(long now) {
        return pending != null && now - askedAt > SILENT;
    }

    private void open(long now) throws IOException {
        askedAt = now;
        try {
            channel = SocketChannel.open();
            channel.configureBlocking(false);
            channel.setOption(StandardSocketOptions.TCP_NODELAY, true);
            SelectionKey key = channel.register(owner.selector(), SelectionKey.OP_CONNECT, this);
            if (channel.connect(new InetSocketAddress(node.host(), node.port()))) {
                connected(key);
            }
        } catch (ClosedByInterruptException e) {
            throw e;
        } catch (IOException | UnresolvedAddressException e) {
            close(now + RECONNECT);
        }
    }

    private void connected(SelectionKey key) {
        connected = true;
        askedAt = System.nanoTime() - CALM; // due at once
        key.interestOps(SelectionKey.OP_READ);
    }

    private void ask(long now) throws IOException {
        AbstractRequest request = request();
        pending = new RequestHeader(request.apiKey(), request.version(), "watch-leaders", ++requests);
        askedAt = now;
        ByteBuffer body = request.serializeWithHeader(pending);
        ByteBuffer frame = ByteBuffer.allocate(4 + body.remaining());
        frame.putInt(body.remaining()).put(body).flip();
        try {
            while (frame.hasRemaining()) {
                channel.write(frame); // a few hundred bytes, and nothing is in flight before them
            }
        } catch (ClosedByInterruptException e) {
            throw e;
        } catch (IOException ended) {
            close(now + RECONNECT);
        }
    }

    private AbstractRequest request() {
        if (kind == Kind.BROKER) {
            List<String> topics = owner.topics().isEmpty() ? null : List.copyOf(owner.topics());
            return new MetadataRequest.Builder(topics, false).build((short) 12);
        }
        return new DescribeQuorumRequest.Builder(DescribeQuorumRequest.singletonRequest(METADATA_LOG)).build((short) 0);
    }

    /** Continues when the connection is made or closed, or there is something to read. */
    void ready() {
        try {
            if (!connected && channel.finishConnect()) {
                connected(channel.keyFor(owner.selector()));
            }
            boolean more = connected;
            while (more) {
                more = read() && connected;
            }
        } catch (IOException | RuntimeException ended) {
            close(System.nanoTime() + RECONNECT);
        }
    }

    /** Reads the size of an answer, or the answer. Returns whether there may be more to read. */
    private boolean read() throws IOException {
        ByteBuffer into = answer == null ? size : answer;
        if (channel.read(into) < 0) {
            throw new EOFException();
        }
        if (into.hasRemaining()) {
            return false;
        }
        into.flip();
        if (answer != null) {
            take();
            return true;
        }
        int length = size.getInt();
        if (length < 4 || length > LARGEST_ANSWER) {
            throw new IOException("not Kafka's protocol");
        }
        answer = ByteBuffer.allocate(length);
        size.clear();
        return true;
    }

    private void take() {
        AbstractResponse response = AbstractResponse.parseResponse(answer, pending);
        answer = null;
        pending = null;
        live = true;
        answered = true;
        owner.answered(this, response);
    }

    /**
     * Returns when the pending request was sent; null if that says nothing: a broker, or a paused node, may hold a
     * request for long.
     */
    Instant asked() {
        long nanos = System.nanoTime() - askedAt;
        if (kind != Kind.CONTROLLER || nanos >= SILENT) {
            return null;
        }
        return Instant.now().minusNanos(nanos).truncatedTo(ChronoUnit.MICROS);
    }

    private void lost() {
        live = false;
        owner.lost(this);
    }

    private void close(long reopenAt) {
        end();
        openAt = reopenAt;
        lost();
    }

    /** Closes the connection for good. */
    void end() {
        try {
            if (channel != null) {
                channel.close();
            }
        } catch (IOException e) {
            // it has ended
        }
        channel = null;
        answer = null;
        pending = null;
        connected = false;
        size.clear();
    }
}
