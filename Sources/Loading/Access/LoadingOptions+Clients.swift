import Kafka

extension LoadingOptions {
    /// librdkafka's properties for the consumer: our defaults, then the user's, which win.
    package var consumerProperties: ClientProperties {
        var defaults: [(String, String)] = [
            ("bootstrap.servers", brokers), ("group.id", group), ("client.id", "loader"),
            // A message that arrives damaged must not become a row.
            ("check.crcs", "true"),
            ("isolation.level", "read_committed"),
            ("socket.keepalive.enable", "true"), ("socket.nagle.disable", "true"),
            // Brokers that are back should not wait ten seconds for the loader.
            ("reconnect.backoff.max.ms", "2000"),
            // Small, because the fetches are kept going while it is full; see `FetchWaker`. An answer is compressed as a rule,
            // and comes on top of what is queued, with all that it unpacks to.
            ("queued.max.messages.kbytes", "6144"), ("fetch.max.bytes", "2097152"),
            // A new topic of a regular expression is to be found within ten seconds, a new partition within a minute: the
            // first costs the brokers a list of all topics each time.
            ("topic.metadata.refresh.interval.ms", hasExpressions ? "9000" : "60000"),
        ]
        if KafkaLibrary.supports(property: "fetch.queue.backoff.ms") {
            defaults.append(("fetch.queue.backoff.ms", "20"))
        }
        let current = currentProperties
        let all = defaults.filter { current[$0.0] == nil } + current.sorted { $0.key < $1.key }
        return ClientProperties(all, tokens: tokens)
    }

    /// librdkafka's properties of the configuration, with what files hold by now.
    package var currentProperties: [String: String] { secrets?.current(properties) ?? properties }

    private var hasExpressions: Bool {
        routes.contains { route in
            route.topics.contains { if case .expression = $0 { true } else { false } }
        }
    }

    /// How long the group bears a member that does not poll: librdkafka's `max.poll.interval.ms`, 5 minutes by default.
    public var maxPollInterval: Duration {
        .milliseconds(properties["max.poll.interval.ms"].flatMap { Int64($0) } ?? 300_000)
    }

    /// For the producer of dead letters. Whatever a consumer could fetch should go back, so its messages may be as large as a
    /// broker takes a request (`socket.request.max.bytes`, 100 MiB by default), and they are compressed.
    package var letterProperties: ClientProperties {
        [("message.max.bytes", "100000000"), ("compression.type", "lz4")] + clientProperties
    }

    /// For whoever is no consumer: how to reach the brokers, and nothing of what a consumer alone knows.
    public var clientProperties: ClientProperties {
        let shared = currentProperties.filter { name, _ in
            [
                "security.", "sasl.", "ssl.", "socket.", "broker.", "enable.ssl", "enable.sasl", "client.dns",
                "reconnect.", "connections.", "metadata.max.age", "message.max", "debug",
            ]
            .contains { name.hasPrefix($0) }
        }
        let own = [("bootstrap.servers", brokers), ("client.id", "loader")]
        return ClientProperties(own + shared.sorted { $0.key < $1.key }, tokens: tokens)
    }
}
