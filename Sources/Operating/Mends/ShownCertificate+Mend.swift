import Loading

extension ShownCertificate.Role {
    /// How one that ends is renewed.
    var renewal: String {
        switch (place, owner) {
        case (.brokers, .server): "renew the brokers' certificates"
        case (.brokers, .loader):
            "renew the file of ssl.certificate.location in kafka.properties; a running loader takes it up"
        case (.database, .server): "have the server's renewed"
        case (.database, .loader): "renew the file of sslcert in postgres.url: it is read at each connection"
        case (.schemaRegistry, .server): "have the registry's renewed"
        case (.schemaRegistry, .loader): "renew the file of schema_registry.certificate: it is read at each connection"
        }
    }
}
