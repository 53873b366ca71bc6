import CRdKafka

/// Where librdkafka's callbacks of one handle lead: the object behind its opaque pointer, and so their one way into Swift.
///
/// Each closure is called where its handle is served, by the thread that serves it, and by none of librdkafka's own; only
/// tokens are asked for, and closed connections noted, by those.
final class KafkaCallbacks: @unchecked Sendable {
    // Unchecked: the closures are set by the client's owner before it serves the handle for the first time, and not changed
    // after it.

    /// Something that librdkafka goes on retrying by itself, or a fatal error that it does not.
    var failed: ((KafkaError) -> Void)?
    /// The group gives or takes partitions, or cannot.
    var rebalanced: ((rd_kafka_resp_err_t, UnsafeMutablePointer<rd_kafka_topic_partition_list_t>) -> Void)?
    /// The answer to a commit.
    var committed: ((rd_kafka_resp_err_t, UnsafeMutablePointer<rd_kafka_topic_partition_list_t>?) -> Void)?

    /// librdkafka's statistics, a JSON document.
    var counted: ((String) -> Void)?

    /// Where the handle's tokens come from; nil: it needs none.
    let tokens: TokenSink?
    /// Of the brokers, as TLS shows them.
    let certificates = CertificateWatch()
    /// Nil: nobody asks for them. librdkafka's own threads add to it.
    let closed: ClosedConnections?

    init(tokens: TokenSink?, closed: ClosedConnections? = nil) {
        self.tokens = tokens
        self.closed = closed
    }

    /// Unretained: the client owns this until its handle is gone.
    private var opaque: UnsafeMutableRawPointer { Unmanaged.passUnretained(self).toOpaque() }

    static func behind(_ opaque: UnsafeMutableRawPointer?) -> KafkaCallbacks? {
        opaque.map { Unmanaged<KafkaCallbacks>.fromOpaque($0).takeUnretainedValue() }
    }

    /// Has librdkafka call back what a handle's role wants told; nobody would serve the rest.
    func register(in configuration: OpaquePointer, for role: KafkaClient.Role) {
        rd_kafka_conf_set_opaque(configuration, opaque)
        CertificateWatch.register(in: configuration)
        if tokens != nil {
            rd_kafka_conf_enable_sasl_queue(configuration, 1)
            rd_kafka_conf_set_oauthbearer_token_refresh_cb(configuration) { handle, _, opaque in
                guard let handle else { return }
                KafkaCallbacks.behind(opaque)?.tokens?.ask(for: handle)
            }
        }
        switch role {
        case .member:
            registerErrors(in: configuration)
            rd_kafka_conf_set_rebalance_cb(configuration) { _, code, partitions, opaque in
                guard let partitions else { return }
                KafkaCallbacks.behind(opaque)?.rebalanced?(code, partitions)
            }
        case .admin: registerErrors(in: configuration)
        case .reader: break
        case .writeProbe:
            rd_kafka_conf_set_stats_cb(configuration) { _, text, length, opaque in
                guard let text else { return 0 }
                let bytes = UnsafeRawBufferPointer(start: text, count: length)
                KafkaCallbacks.behind(opaque)?.counted?(String(decoding: bytes, as: UTF8.self))
                return 0
            }
        case .producer:
            rd_kafka_conf_set_dr_msg_cb(configuration) { _, message, _ in
                // librdkafka reports each message that it has taken once, whatever becomes of it.
                guard let message = message?.pointee, let ticket = message._private else { return }
                Unmanaged<Ticket>.fromOpaque(ticket).takeRetainedValue().settle(message)
            }
        }
    }

    private func registerErrors(in configuration: OpaquePointer) {
        rd_kafka_conf_set_error_cb(configuration) { handle, code, reason, opaque in
            guard let callbacks = KafkaCallbacks.behind(opaque) else { return }
            let code = rd_kafka_resp_err_t(code)
            let reason = reason.map { String(cString: $0) } ?? ""
            callbacks.watchTokens(KafkaErrorCode(code), reason)
            guard let failed = callbacks.failed else { return }
            // The code says only that it is fatal; what it was has to be asked for.
            let fatal =
                code == RD_KAFKA_RESP_ERR__FATAL
                ? KafkaClient.fatalError(of: handle, operation: KafkaCallbacks.connecting) : nil
            failed(fatal ?? callbacks.connectionError(KafkaErrorCode(code), reason))
        }
    }

    /// Brokers refuse a token in words of their own, in which not always is one.
    private func watchTokens(_ code: KafkaErrorCode, _ reason: String) {
        guard let tokens, let refusal = BrokerRefusal(code, reason: reason) else { return }
        if [.token, .credentials].contains(refusal) { tokens.replaceRefused() }
    }

    /// What librdkafka tells of a connection, with what OpenSSL has against the certificate. Whatever the code is: a
    /// handshake that is over at its first step is told as `_TRANSPORT`, and not as `_SSL`.
    func connectionError(_ code: KafkaErrorCode, _ reason: String) -> KafkaError {
        KafkaError(code: code, operation: Self.connecting, reason: reason, verification: certificates.trouble)
    }

    private static let connecting = "connection to the brokers"

    /// Has the offsets committed for the group; the answer comes to `committed` when the queue is served.
    func commit(_ offsets: PartitionList, by client: KafkaClient, answerTo queue: KafkaQueue) throws(KafkaError) {
        let code = rd_kafka_commit_queue(
            client.handle, offsets.pointer, queue.pointer,
            { _, code, offsets, opaque in KafkaCallbacks.behind(opaque)?.committed?(code, offsets) }, opaque)
        if let error = KafkaError(code, operation: "commit") { throw error }
    }
}
