import static org.junit.jupiter.api.Assertions.*;

import java.util.*;
import org.apache.kafka.common.Node;
import org.apache.kafka.common.message.DescribeQuorumResponseData;
import org.apache.kafka.common.message.DescribeQuorumResponseData.*;
import org.apache.kafka.common.protocol.*;
import org.apache.kafka.common.requests.*;
import org.junit.jupiter.api.*;

/** Tests which answers of brokers about the active controller are trusted. They are planted in the order of arrival. */
@Order(15)
class WatchLeadersTest {
    private final WatchLeaders watch = new WatchLeaders();
    private final List<Object> seen = new ArrayList<>();
    private final LeaderLink one, two, three;

    WatchLeadersTest() {
        watch.common.configure(watch, TestCluster.quiet(), TestCluster.quiet());
        watch.common.listener = e -> seen.add(e.get("controller"));
        one = broker(1);
        two = broker(2);
        three = broker(3);
    }

    private LeaderLink broker(int id) {
        LeaderLink link = new LeaderLink(LeaderLink.Kind.BY_BROKER, new Node(id, "localhost", 1), watch);
        link.live = true;
        link.askedAt = System.nanoTime();
        watch.links.add(link);
        return link;
    }

    private static DescribeQuorumResponseData names(int controller, int epoch) {
        PartitionData partition = new PartitionData().setLeaderId(controller).setLeaderEpoch(epoch);
        return new DescribeQuorumResponseData()
                .setTopics(List.of(
                        new TopicData().setTopicName("__cluster_metadata").setPartitions(List.of(partition))));
    }

    private static DescribeQuorumResponseData error() {
        return new DescribeQuorumResponseData().setErrorCode(Errors.REQUEST_TIMED_OUT.code());
    }

    private static RequestHeader asking() {
        return new RequestHeader(ApiKeys.DESCRIBE_QUORUM, (short) 0, "t", 1);
    }

    /** The request was sent before the election, and its broker gave up on the dead controller. */
    @Test
    void aLateErrorOfOneBrokerDoesNotUndoAnElectionThatAnotherHasReported() {
        watch.see(one, names(2, 8));
        watch.see(two, error());
        watch.see(one, names(2, 8));
        watch.see(three, error());
        assertEquals(List.of(2), seen);
    }

    @Test
    void whenNoBrokerNamesItAnyMoreThereIsNoController() {
        watch.see(one, names(2, 8));
        watch.see(two, names(2, 8));
        watch.see(three, error());
        watch.see(one, error());
        assertEquals(List.of(2), seen, "one broker still names it");
        watch.see(two, error());
        assertEquals(List.of(2, -1), seen);
        watch.see(three, names(3, 9));
        watch.see(one, error());
        assertEquals(List.of(2, -1, 3), seen);
    }

    /** The request to a broker that itself waits for the dead controller hangs: its earlier answer no longer counts. */
    @Test
    void aBrokerThatDoesNotAnswerNoLongerCounts() {
        watch.see(one, names(2, 8));
        one.pending = asking();
        one.askedAt = System.nanoTime() - 2_000_000_000L;
        watch.see(two, error());
        assertEquals(List.of(2, -1), seen);
    }

    @Test
    void aBrokerWhoseConnectionEndedNoLongerCounts() {
        watch.see(one, names(2, 8));
        one.live = false;
        watch.see(two, error());
        assertEquals(List.of(2, -1), seen);
    }

    @Test
    void aBrokerThatNamesTheFormerControllerDoesNotCount() {
        watch.see(one, names(1, 7));
        watch.see(two, names(2, 8));
        watch.see(two, error());
        assertEquals(List.of(1, 2, -1), seen, "broker 1 speaks of epoch 7");
    }
}
