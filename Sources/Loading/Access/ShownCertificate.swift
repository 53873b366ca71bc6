import Credentials
import Foundation
import Postgres
import Schemas

/// A certificate that was shown last, by whom the loader connects to or by itself. Once it has ended, no connection comes about
/// any more.
public struct ShownCertificate: Sendable, Hashable {
    public enum Place: String, Sendable, CaseIterable {
        case brokers, database
        case schemaRegistry = "schema_registry"
    }

    public enum Owner: String, Sendable, CaseIterable { case server, loader }

    /// Whose it is, and to whom it was shown.
    public struct Role: Sendable, Hashable {
        public var place: Place
        public var owner: Owner

        public init(_ place: Place, _ owner: Owner) { (self.place, self.owner) = (place, owner) }

        public static let all = Place.allCases.flatMap { place in Owner.allCases.map { Role(place, $0) } }
    }

    /// `CN=kafka-1.example.com`
    public var subject: String
    public var end: Date

    /// How long before its end it is worth a warning.
    public static let notice: TimeInterval = 14 * 86_400

    public init(subject: String, end: Date) { (self.subject, self.end) = (subject, end) }

    init(_ certificate: Certificate) { self.init(subject: certificate.subject, end: certificate.notAfter) }

    init(_ certificate: ConnectionSecurity.Certificate) {
        self.init(subject: certificate.subject, end: certificate.ends)
    }

    /// Whether somebody should know.
    public func endsSoon(at now: Date) -> Bool { end < now + Self.notice }
}

extension ShownCertificate {
    /// The loader's own for the brokers; nil where there is none, or one in a file that holds more than PEM.
    ///
    /// - Parameter properties: librdkafka's.
    package static func ownCertificate(_ properties: [String: String]) -> Certificate? {
        let text =
            properties["ssl.certificate.pem"].map { Data($0.utf8) }
            ?? properties["ssl.certificate.location"].flatMap { FileManager.default.contents(atPath: $0) }
        return text.flatMap { Certificate(pem: Array($0)) }
    }
}

extension LoadingStatistics {
    /// Takes note of the certificates of connections to the registry.
    func saw(_ certificates: RegistryCertificates) {
        update { state in
            state.certificates[.init(.schemaRegistry, .server)] = certificates.server.map { ShownCertificate($0) }
            state.certificates[.init(.schemaRegistry, .loader)] = certificates.own.map { ShownCertificate($0) }
        }
    }

    /// Takes note of the certificates of a connection to the database.
    func saw(_ security: ConnectionSecurity?) {
        update { state in
            state.certificates[.init(.database, .server)] = security?.certificate.map { ShownCertificate($0) }
            state.certificates[.init(.database, .loader)] = security?.ownCertificate.map { ShownCertificate($0) }
        }
    }
}
