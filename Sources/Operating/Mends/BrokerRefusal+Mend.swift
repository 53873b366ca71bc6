import Kafka
import Loading

extension BrokerRefusal {
    /// What to type.
    ///
    /// - Parameters:
    ///   - topic: which may not be written to.
    ///   - service: whose brokers they are.
    package func mend(topic: String? = nil, on service: BrokerService = .kafka) -> String {
        switch self {
        case .unknownAuthority:
            "set ssl.ca.location in kafka.properties to the PEM file of the authority that signed the brokers' certificates, or "
                + "install the package ca-certificates for public ones"
        case .otherHost:
            "use in kafka.brokers the names that the brokers' certificates are for, also in their advertised.listeners; the "
                + "certificate names them: `openssl s_client -connect HOST:PORT | openssl x509 -noout -ext subjectAltName`"
        case .certificateExpired: "renew the brokers' certificates"
        case .certificateNotYetValid: "set this machine's clock, or wait until they are valid"
        case .certificate: "see why with `openssl s_client -connect HOST:PORT -CAfile CA.pem`"
        case .ownCertificateMissing:
            "set ssl.certificate.location and ssl.key.location in kafka.properties, of an authority that the brokers trust"
        case .ownCertificateExpired: "renew the file of ssl.certificate.location; the loader takes it up by itself"
        case .ownCertificate:
            "see in the brokers' log why; the file of ssl.certificate.location must be valid, for clients, and of an authority "
                + "in the brokers' truststore"
        case .credentials: KafkaErrorCode.authenticationMend()
        case .token:
            "see in the brokers' log why: the token's audience, issuer, scope or end, its principal's rights, or this machine's "
                + "clock"
        case .noToken: "see what is said of kafka.token"
        case .mechanism: "set sasl.mechanisms in kafka.properties to one that the error names as supported"
        case .wantsTLS: "set security.protocol in kafka.properties to SSL, or to SASL_SSL if the brokers want a user"
        case .speaksNoTLS:
            "use the brokers' listener with TLS in kafka.brokers, or set security.protocol in kafka.properties to PLAINTEXT or "
                + "SASL_PLAINTEXT"
        case .wantsSASL:
            "set security.protocol in kafka.properties to SASL_SSL (SASL_PLAINTEXT without TLS), sasl.mechanisms, and the user "
                + "and password, or kafka.token"
        case .speaksNoSASL: "set security.protocol in kafka.properties to SSL, or use the brokers' listener with SASL"
        case .noCommonTLS: "let the brokers speak TLS 1.2 or newer, with ssl.enabled.protocols and ssl.cipher.suites"
        case .topicRight:
            topic.map { Self.writeRight($0, service) }
                ?? "give this user READ and DESCRIBE on the routes' topics, and WRITE on dead_letters.topic: `loader check` says "
                + "what does"
        case .groupRight: "give this user READ on the group (kafka.group): `loader check` has the line for it"
        case .clusterRight:
            (topic.map { Self.writeRight($0, service) } ?? "give this user WRITE on the topic")
                + (service == .kafka ? "; brokers older than 2.8 want IDEMPOTENT_WRITE on the cluster as well" : "")
        case .transactionRight: "give this user WRITE and DESCRIBE on the transactional id"
        }
    }

    private static func writeRight(_ topic: String, _ service: BrokerService) -> String {
        let access = AccessLine(brokers: "", principal: nil, service: service)
        return "give this user WRITE on \(topic): " + access.words(["Write"], on: .topic(topic))
    }
}
