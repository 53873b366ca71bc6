import Credentials
import Foundation
import Kafka

/// Tells of certificates that end soon: when that is first seen, once a day, and when another has taken its place.
struct CertificateTerms {
    /// What is to be told.
    enum Telling: Equatable {
        case ends(ShownCertificate.Role, ShownCertificate)
        case over(ShownCertificate.Role)
    }

    private static let reminder: TimeInterval = 86_400
    /// How often it is looked at.
    static let interval = Duration.seconds(10)
    /// How often the registry is connected to for one that ends soon: nobody else may do it for weeks.
    static let registryInterval = Duration.seconds(3600)

    private var told: [ShownCertificate.Role: (certificate: ShownCertificate, time: Date)] = [:]
    private var nextLook: ContinuousClock.Instant?
    private var broker: BrokerCertificate?

    /// What there is to say of those that were shown last.
    mutating func take(_ shown: [ShownCertificate.Role: ShownCertificate], at now: Date) -> [Telling] {
        var tellings: [Telling] = []
        for role in ShownCertificate.Role.all {
            guard let certificate = shown[role], certificate.endsSoon(at: now) else {
                if told.removeValue(forKey: role) != nil { tellings.append(.over(role)) }
                continue
            }
            if let last = told[role], last.certificate == certificate, now < last.time + Self.reminder { continue }
            told[role] = (certificate, now)
            tellings.append(.ends(role, certificate))
        }
        return tellings
    }

    /// Whether it is time to look.
    mutating func isDue(_ now: ContinuousClock.Instant) -> Bool {
        if let nextLook, now < nextLook { return false }
        nextLook = now + Self.interval
        return true
    }

    /// What a broker has shown last, read once for each that is another.
    ///
    /// - Returns: whether it is another than before.
    mutating func read(_ certificate: BrokerCertificate?) -> (isNew: Bool, ShownCertificate?) {
        guard certificate != broker else { return (false, nil) }
        broker = certificate
        return (true, certificate.flatMap { Certificate(der: $0.der) }.map { ShownCertificate($0) })
    }
}

extension ShownCertificate.Role {
    /// What is told of one that ends, the same each time.
    var words: String {
        let whose =
            switch (place, owner) {
            case (.brokers, .server): "a broker's certificate"
            case (.brokers, .loader): "the loader's certificate for the brokers"
            case (.database, .server): "the database's certificate"
            case (.database, .loader): "the loader's certificate for the database"
            case (.schemaRegistry, .server): "the schema registry's certificate"
            case (.schemaRegistry, .loader): "the loader's certificate for the schema registry"
            }
        return "\(whose) ends, and then no connection comes about any more"
    }

    var cause: Incident.Cause { .named("certificate \(place.rawValue) \(owner.rawValue)") }

    func incident(_ certificate: ShownCertificate, at now: Date) -> Incident {
        let day = certificate.end.ISO8601Format().prefix(10)
        return Incident(
            .warning, words, code: "certificate",
            error: "\(certificate.subject) \(certificate.end < now ? "has ended" : "ends") on \(day)",
            mend: .certificate(self), until: cause)
    }
}
