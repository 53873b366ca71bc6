/// Why a broker that is there and this client do not come together, or what it does not let the client do. None of it passes
/// by itself.
///
/// Brokers and librdkafka say most of it in words alone: its codes are the same for a wrong password and an outage. The words
/// are those of librdkafka 2.0 to 2.16, of OpenSSL 3 and of Apache Kafka's; docs/security.md lists them.
public enum BrokerRefusal: String, Sendable, Hashable, CaseIterable {
    // What this client does not trust.
    case unknownAuthority = "unknown_authority"
    case otherHost = "other_host"
    case certificateExpired = "certificate_expired"
    case certificateNotYetValid = "certificate_not_yet_valid"
    /// Anything else that is wrong with a broker's certificate.
    case certificate

    // What a broker does not trust.
    case ownCertificateMissing = "own_certificate_missing"
    case ownCertificateExpired = "own_certificate_expired"
    case ownCertificate = "own_certificate"
    case credentials
    case token
    /// There is no token to show.
    case noToken = "no_token"

    // How they speak to each other.
    case mechanism
    case wantsTLS = "wants_tls"
    case speaksNoTLS = "speaks_no_tls"
    case wantsSASL = "wants_sasl"
    case speaksNoSASL = "speaks_no_sasl"
    /// No version of TLS, or no cipher, that both know.
    case noCommonTLS = "no_common_tls"

    // Rights.
    case topicRight = "topic_right"
    case groupRight = "group_right"
    case clusterRight = "cluster_right"
    case transactionRight = "transaction_right"
}

extension BrokerRefusal {
    /// - Parameters:
    ///   - reason: librdkafka's words.
    ///   - verification: OpenSSL's number for what is wrong with the broker's certificate (`X509_V_ERR_…`), if it was asked.
    init?(_ code: KafkaErrorCode, reason: String, verification: Int32? = nil) {
        switch code {
        case .topicAuthorizationFailed: self = .topicRight
        case .groupAuthorizationFailed: self = .groupRight
        case .clusterAuthorizationFailed: self = .clusterRight
        case .transactionAuthorizationFailed: self = .transactionRight
        case .unsupportedMechanism: self = .mechanism
        case .illegalSASLState: self = .speaksNoSASL
        // A broker that goes in the middle of a handshake has refused nothing.
        case _ where Self.goesAway.contains(where: { reason.contains($0) }): return nil
        default:
            guard let refusal = Self.inWords(reason, verification) ?? Self.byCode(code, reason) else { return nil }
            self = refusal
        }
    }

    private static let goesAway = ["Local: Broker transport failure", "Local: Timed out"]

    private static func inWords(_ reason: String, _ verification: Int32?) -> BrokerRefusal? {
        if reason.contains("certificate verify failed") { return verification.map(ofVerification) ?? .unknownAuthority }
        if let alert = tlsAlert(in: reason) { return alert }
        let words: [(String, BrokerRefusal)] = [
            ("connecting to a SSL listener", .wantsTLS),
            ("connecting to a PLAINTEXT broker listener", .speaksNoTLS),
            ("wrong version number", .speaksNoTLS),
            ("broker might require SASL authentication", .wantsSASL),
            // Before the mechanisms: a broker that has no SASL at all names none.
            ("not valid in current SASL state", .speaksNoSASL),
            ("supported mechanisms: ", .mechanism),
            ("Unsupported SASL mechanism", .mechanism),
            ("Failed to acquire SASL OAUTHBEARER token", .noToken),
            ("invalid_token", .token),
        ]
        if reason.contains("SSL handshake failed"), reason.contains("unexpected eof while reading") {
            return .speaksNoTLS
        }
        return words.first { reason.contains($0.0) }?.1 ?? ofClose(reason)
    }

    /// What it is a sign of that a broker closes a connection as soon as it is there, which librdkafka itself has said only before 2.12:
    /// "Disconnected: connection closed by peer: receive 0 after POLLIN (after 1ms in state APIVERSION_QUERY)".
    static func ofClose(_ reason: String) -> BrokerRefusal? {
        guard reason.contains("Disconnected: "), reason.contains("closed by peer"),
            let after = reason.firstRange(of: "(after "), let state = reason.firstRange(of: "ms in state "),
            after.upperBound < state.lowerBound, let age = Int(reason[after.upperBound..<state.lowerBound])
        else { return nil }
        switch reason[state.upperBound...].prefix(while: { $0.isLetter || $0 == "_" }) {
        case "APIVERSION_QUERY": return reason.contains("ssl://") ? nil : .wantsTLS
        // A connection that has served for longer ends for another reason.
        case "UP" where age < 2000: return reason.contains("sasl_") ? nil : .wantsSASL
        default: return nil
        }
    }

    private static func byCode(_ code: KafkaErrorCode, _ reason: String) -> BrokerRefusal? {
        switch code {
        case .saslAuthenticationFailed, .authentication: reason.contains("OAUTHBEARER") ? .token : .credentials
        default: nil
        }
    }

    /// TLS's alerts (RFC 8446, 6): what a broker says of this client's certificate before it closes.
    private static func tlsAlert(in reason: String) -> BrokerRefusal? {
        guard let found = reason.firstRange(of: "SSL alert number ") else {
            return reason.contains("certificate required") ? .ownCertificateMissing : nil
        }
        switch Int(reason[found.upperBound...].prefix { $0.isNumber }) {
        case 42, 116: return .ownCertificateMissing
        case 43, 44, 46, 48: return .ownCertificate
        case 45: return .ownCertificateExpired
        case 40, 70, 71: return .noCommonTLS
        default: return nil
        }
    }

    private static func ofVerification(_ number: Int32) -> BrokerRefusal {
        switch number {
        case 9: .certificateNotYetValid
        case 10: .certificateExpired
        case 2, 18, 19, 20, 21: .unknownAuthority
        case 62, 63, 64: .otherHost
        default: .certificate
        }
    }

    /// Whether the words alone leave open that nobody is there: a broker that goes closes a connection just so, and what stands
    /// before it, when there is none behind. `RefusalProof` knows.
    public var isInDoubt: Bool { [.wantsTLS, .speaksNoTLS, .wantsSASL].contains(self) }
}

extension KafkaError {
    /// What is refused, as far as is known; nil for what is away, or about something else.
    public var refusal: BrokerRefusal? { suspicion.flatMap { $0.isInDoubt && !isProven ? nil : $0 } }

    /// What is refused by the words alone.
    public var suspicion: BrokerRefusal? { BrokerRefusal(code, reason: reason, verification: verification) }
}
