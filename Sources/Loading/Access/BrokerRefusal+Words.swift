import Kafka

extension BrokerRefusal {
    /// What is the matter, as the beginning of a sentence.
    package var what: String {
        switch self {
        case .unknownAuthority: "a broker's certificate is of an authority that is not trusted here"
        case .otherHost: "a broker's certificate is for another host"
        case .certificateExpired: "a broker's certificate has expired"
        case .certificateNotYetValid: "a broker's certificate is not valid yet"
        case .certificate: "a broker's certificate is not to be trusted"
        case .ownCertificateMissing: "the brokers want a certificate of the loader, and get none that they take"
        case .ownCertificateExpired: "the brokers refuse the loader's certificate, which has expired"
        case .ownCertificate: "the brokers refuse the loader's certificate"
        case .credentials: "the brokers refuse this user, or its password"
        case .token: "the brokers refuse the loader's token"
        case .noToken: "there is no token for the brokers"
        case .mechanism: "the brokers take other SASL mechanisms"
        case .wantsTLS: "the brokers speak TLS, and the loader does not"
        case .speaksNoTLS: "the loader speaks TLS, and the brokers do not"
        case .wantsSASL: "the brokers want SASL, and the loader does not say who it is"
        case .speaksNoSASL: "the loader speaks SASL, and the brokers do not"
        case .noCommonTLS: "the brokers and the loader have no version of TLS in common"
        case .topicRight: "the brokers do not give this user its right to the topic"
        case .groupRight: "the brokers do not give this user its right to the group"
        case .clusterRight: "the brokers do not let this user write"
        case .transactionRight: "the brokers do not let this user use the transactional id"
        }
    }
}
