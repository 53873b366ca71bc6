import CRdKafka

/// The owner of librdkafka's configuration object, until a client takes it over.
struct KafkaConfiguration: ~Copyable {
    /// For the callback setters (`rd_kafka_conf_set_rebalance_cb` and the like). Valid as long as this value lives.
    let pointer: OpaquePointer

    /// Sets each property in order, so that a later one wins.
    ///
    /// - Throws: for the first property that librdkafka does not know or whose value it refuses.
    init(_ properties: [(name: String, value: String)]) throws(KafkaError) {
        guard let pointer = rd_kafka_conf_new() else {
            throw KafkaError(code: .systemResource, operation: "configuration")
        }
        for (name, value) in properties {
            if let problem = Self.set(pointer, name, value) {
                rd_kafka_conf_destroy(pointer)
                throw problem
            }
        }
        self.pointer = pointer
    }

    deinit {
        rd_kafka_conf_destroy(pointer)
    }

    /// Starts a client, which takes this configuration over.
    ///
    /// - Returns: the client's handle. The caller owns it and ends it with `rd_kafka_destroy`.
    /// - Throws: when librdkafka refuses the properties taken together, or cannot read a file that one names.
    consuming func makeClient(_ type: rd_kafka_type_t) throws(KafkaError) -> OpaquePointer {
        var reason = ReasonBuffer()
        guard let client = reason.fill({ rd_kafka_new(type, pointer, $0, $1) }) else {
            let code = KafkaErrorCode(rd_kafka_last_error())
            _ = consume self  // librdkafka has left the configuration to us
            throw KafkaError(code: code, operation: "start of the Kafka client", reason: reason.text)
        }
        discard self
        return client
    }

    private static func set(_ pointer: OpaquePointer, _ name: String, _ value: String) -> KafkaError? {
        var reason = ReasonBuffer()
        let result = reason.fill { rd_kafka_conf_set(pointer, name, value, $0, $1) }
        guard result != RD_KAFKA_CONF_OK else { return nil }
        return KafkaError(
            code: .invalidArgument, operation: "configuration property \(name)", reason: reason.text)
    }

    /// What librdkafka has against a user's properties, each looked at by itself, in the order of their names.
    static func problems(in properties: [String: String]) -> [KafkaError] {
        guard let pointer = rd_kafka_conf_new() else { return [] }
        defer { rd_kafka_conf_destroy(pointer) }
        return properties.sorted { $0.key < $1.key }.compactMap { set(pointer, $0.key, $0.value) }
    }
}

extension KafkaLibrary {
    /// What librdkafka has against these properties: names it does not know, values it refuses. Empty when all is well.
    ///
    /// Each is looked at by itself, in the order of their names. How they go together shows only when a client starts.
    public static func problems(in properties: [String: String]) -> [KafkaError] {
        KafkaConfiguration.problems(in: properties)
    }
}

/// Room for the explanation that several C calls write into memory of their caller.
struct ReasonBuffer: ~Copyable {
    private(set) var text = ""

    /// Runs the call with the room and keeps what it wrote.
    mutating func fill<Result>(_ call: (UnsafeMutablePointer<CChar>?, Int) -> Result) -> Result {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: 512) { room in
            room.initialize(repeating: 0)
            let result = call(room.baseAddress, room.count)
            text = room.withMemoryRebound(to: UInt8.self) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            return result
        }
    }
}
