///usr/bin/env jbang "$0" "$@" ; exit $?
//JAVA 17+
//DEPS org.apache.kafka:kafka-tools:4.3.1
//DESCRIPTION Prints the class path of Apache Kafka's own command line tools

/**
 * Prints the class path. It is apart from Bench.java because the tools have no release 4.4.0 on Maven Central, so that
 * their class path has another Kafka version.
 */
class ApacheTools {
    public static void main(String... args) {
        System.out.println(System.getProperty("java.class.path"));
    }
}
