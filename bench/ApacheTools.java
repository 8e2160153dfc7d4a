///usr/bin/env jbang "$0" "$@" ; exit $?
//JAVA 17+
//DEPS org.apache.kafka:kafka-tools:4.3.1
//DESCRIPTION Prints the class path of Apache Kafka's own command line tools

/** The tools have no 4.4.0 on Maven Central; apart from Bench.java because its class path is of another Kafka version. */
class ApacheTools {
    public static void main(String... args) {
        System.out.println(System.getProperty("java.class.path"));
    }
}
