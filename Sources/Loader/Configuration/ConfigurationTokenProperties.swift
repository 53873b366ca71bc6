extension ConfigurationSettings {
    /// What librdkafka calls that which a client of OpenID Connect needs, and what it is called here.
    private static let tokenProperties = [
        "sasl.oauthbearer.method": "source", "sasl.oauthbearer.token.endpoint.url": "url",
        "sasl.oauthbearer.client.id": "client_id", "sasl.oauthbearer.client.secret": "client_secret",
        "sasl.oauthbearer.scope": "scope", "sasl.oauthbearer.extensions": "extensions", "https.ca.location": "ca",
    ]

    /// Takes librdkafka's own names for tokens of a token server for ours. Older ones of it can get none, and none of them
    /// can say as truly why there is none; so whatever this one can, it has its tokens from us.
    mutating func takeTokenProperties() {
        takeMSKMechanism()
        guard var method = self[property("sasl.oauthbearer.method")], case .text(let text) = method.value,
            text.lowercased() == "oidc"
        else { return }
        method.value = .text("oidc")
        put(method)
        move(
            Dictionary(
                uniqueKeysWithValues: Self.tokenProperties.map { name, key in
                    (property(name), ConfigurationPath([.name("kafka"), .name("token"), .name(key)]))
                }))
    }

    /// What Amazon's own library for Java calls the mechanism is OAUTHBEARER with tokens that are signed for MSK.
    private mutating func takeMSKMechanism() {
        let source = ConfigurationPath([.name("kafka"), .name("token"), .name("source")])
        for name in ["sasl.mechanism", "sasl.mechanisms"] {
            guard var mechanism = self[property(name)], case .text(let text) = mechanism.value,
                text.uppercased() == "AWS_MSK_IAM", self[source].map({ $0.value == .text("msk_iam") }) ?? true
            else { continue }
            put(ConfigurationSetting(path: source, value: .text("msk_iam"), origin: mechanism.origin))
            mechanism.value = .text("OAUTHBEARER")
            put(mechanism)
        }
    }

    private func property(_ name: String) -> ConfigurationPath {
        ConfigurationPath([.name("kafka"), .name("properties"), .name(name)])
    }
}
