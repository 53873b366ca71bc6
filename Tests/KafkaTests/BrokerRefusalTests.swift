import Testing

@testable import Kafka

@Suite("Refusals in librdkafka's words")
struct BrokerRefusalTests {
    /// As librdkafka 2.0.2 says them of Apache Kafka 4.3.1, but where another is named.
    static let lines: [(KafkaErrorCode, String, BrokerRefusal)] = [
        (
            .ssl,
            "ssl://h:1/bootstrap: SSL handshake failed: error:0A000086:SSL routines::certificate verify failed: broker "
                + "certificate could not be verified, verify that ssl.ca.location is correctly configured",
            .unknownAuthority
        ),
        (
            .transport, "Receive failed: error:0A000412:SSL routines::sslv3 alert bad certificate: SSL alert number 42",
            .ownCertificateMissing
        ),
        (
            .transport, "error:0A00045C:SSL routines::tlsv13 alert certificate required: SSL alert number 116",
            .ownCertificateMissing
        ),
        (
            .transport,
            "Receive failed: error:0A000416:SSL routines::sslv3 alert certificate unknown: SSL alert number 46",
            .ownCertificate
        ),
        (.transport, "error:0A000418:SSL routines::tlsv1 alert unknown ca: SSL alert number 48", .ownCertificate),
        (
            .transport, "error:0A000415:SSL routines::sslv3 alert certificate expired: SSL alert number 45",
            .ownCertificateExpired
        ),
        (
            .ssl,
            "SSL handshake failed: error:0A00042E:SSL routines::tlsv1 alert protocol version: SSL alert number 70",
            .noCommonTLS
        ),
        (
            .authentication, "SASL authentication error: Authentication failed: Invalid username or password",
            .credentials
        ),
        (
            .authentication,
            "SASL PLAIN mechanism handshake failed: Broker: Unsupported SASL mechanism: broker's supported "
                + "mechanisms: OAUTHBEARER", .mechanism
        ),
        (
            .authentication,
            "SASL PLAIN mechanism handshake failed: Broker: Request not valid in current SASL state: broker's "
                + "supported mechanisms: ", .speaksNoSASL
        ),
        (
            .transport,
            "Disconnected while requesting ApiVersion: might be caused by incorrect security.protocol configuration "
                + "(connecting to a SSL listener?) or broker version is < 0.10", .wantsTLS
        ),
        (.ssl, "SSL handshake failed: error:0A000126:SSL routines::unexpected eof while reading", .speaksNoTLS),
        (
            .transport,
            "Disconnected: verify that security.protocol is correctly configured, broker might require SASL "
                + "authentication", .wantsSASL
        ),
        // 2.16.0, in its log.
        (
            .transport,
            "h:1/bootstrap: Disconnected: connection closed by peer: receive 0 after POLLIN (after 0ms in state "
                + "APIVERSION_QUERY)", .wantsTLS
        ),
        (
            .transport,
            "h:1/bootstrap: Disconnected: connection closed by peer: receive 0 after POLLIN (after 8ms in state UP, 2 "
                + "identical error(s) suppressed)", .wantsSASL
        ),
        (
            .transport, "ssl://h:1/bootstrap: Disconnected: SSL connection closed by peer (after 4ms in state UP)",
            .wantsSASL
        ),
        (
            .transport,
            "ssl://h:1/bootstrap: SSL handshake failed: Disconnected: SSL connection closed by peer: connecting to a "
                + "PLAINTEXT broker listener? (after 0ms in state SSL_HANDSHAKE)", .speaksNoTLS
        ),
        (.authentication, "SASL authentication error: {\"status\":\"invalid_token\"}", .token),
        (.authentication, "Failed to acquire SASL OAUTHBEARER token: no answer", .noToken),
        (.topicAuthorizationFailed, "Broker: Topic authorization failed", .topicRight),
        (.groupAuthorizationFailed, "Broker: Group authorization failed", .groupRight),
        (.clusterAuthorizationFailed, "Failed to acquire idempotence PID", .clusterRight),
        (.transactionAuthorizationFailed, "Broker: Transactional Id authorization failed", .transactionRight),
    ]

    @Test("each line is known for what it says", arguments: lines)
    func known(code: KafkaErrorCode, reason: String, refusal: BrokerRefusal) {
        #expect(KafkaError(code: code, operation: "connection", reason: reason).suspicion == refusal)
    }

    @Test("what is away is refused by nobody")
    func away() {
        for (code, reason) in [
            (.transport, "Connect to ipv4#127.0.0.1:1 failed: Connection refused"), (.resolve, "Failed to resolve 'h'"),
            (.allBrokersDown, "1/1 brokers are down"), (.timedOut, "ApiVersionRequest failed: Local: Timed out"),
            (.ssl, "SSL handshake failed: Disconnected"),
            (
                .authentication,
                "SASL PLAIN mechanism handshake failed: Local: Broker transport failure: broker's supported mechanisms: "
            ),
            (.authentication, "SASL authentication error: SaslAuthenticateRequest failed: Local: Timed out"),
            (
                .transport,
                "h:1/1: Disconnected: connection closed by peer: receive 0 after POLLIN (after 2000ms in state UP)"
            ),
            (
                .transport,
                "ssl://h:1/1: Disconnected: SSL connection closed by peer (after 3ms in state APIVERSION_QUERY)"
            ),
            (.transport, "sasl_ssl://h:1/1: Disconnected: SSL connection closed by peer (after 3ms in state UP)"),
            (.transport, "h:1/1: Disconnected: connection closed by peer: receive 0 after POLLIN"),
        ] as [(KafkaErrorCode, String)] {
            #expect(KafkaError(code: code, operation: "connection", reason: reason).suspicion == nil, "\(reason)")
        }
    }

    @Test(
        "what is wrong with a certificate is told of a handshake that ends at its first step, too")
    func firstStep() {
        let callbacks = KafkaCallbacks(tokens: nil)
        let nothing = UnsafeRawBufferPointer(start: nil, count: 0)
        #expect(!callbacks.certificates.see(nothing, of: "h:1", depth: 0, error: 62))
        let reason = "ssl://h:1/bootstrap: error:0A000086:SSL routines::certificate verify failed"
        for code in [KafkaErrorCode.ssl, .transport] {
            #expect(callbacks.connectionError(code, reason).refusal == .otherHost)
        }
    }

    @Test("what OpenSSL has against a certificate tells more than librdkafka's words")
    func verification() {
        let kinds: [(Int32, BrokerRefusal)] = [
            (9, .certificateNotYetValid), (10, .certificateExpired), (18, .unknownAuthority), (19, .unknownAuthority),
            (20, .unknownAuthority), (62, .otherHost), (64, .otherHost), (26, .certificate),
        ]
        for (number, refusal) in kinds {
            #expect(BrokerRefusal(.ssl, reason: "certificate verify failed", verification: number) == refusal)
        }
    }

    @Test("of what is logged of closed connections the last is kept that says why no broker answers")
    func closed() {
        let closed = ClosedConnections()
        closed.add("[thrd:h:1/bootstrap]: h:1/bootstrap: Connect to ipv4#127.0.0.1:1 failed: Connection refused")
        #expect(closed.last == nil)
        let line =
            "h:1/bootstrap: Disconnected: connection closed by peer: receive 0 after POLLIN (after 1ms in state UP)"
        closed.add("[thrd:h:1/bootstrap]: \(line)")
        closed.add(
            "[thrd:h:1/1]: h:1/1: Disconnected: connection closed by peer: receive 0 after POLLIN (after 60000ms in state UP)"
        )
        #expect(closed.last?.reason == line && closed.last?.suspicion == .wantsSASL)
    }
}
