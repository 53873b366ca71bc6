import Credentials
import Foundation
import Kafka
import Loading

/// How the loader gets into its cluster: over what, whom it trusts, and who it is.
struct BrokerAccess {
    let properties: [String: String]
    /// What a broker has shown; nil without TLS.
    let broker: Certificate?
    /// The loader's own; nil where it has none, or in a file that holds more than PEM.
    let own: Certificate?
    let token: Token?
    let tokenPlace: String?

    init(_ options: LoadingOptions, _ certificate: BrokerCertificate?) {
        properties = options.currentProperties
        broker = certificate.flatMap { Certificate(der: $0.der) }
        own = ShownCertificate.ownCertificate(properties)
        token = options.tokens?.current
        tokenPlace = options.tokens?.place
    }

    private var transport: String { properties["security.protocol"]?.uppercased() ?? "PLAINTEXT" }

    private var mechanism: String {
        (properties["sasl.mechanism"] ?? properties["sasl.mechanisms"] ?? "GSSAPI").uppercased()
    }

    /// `TLS, a broker's certificate of CN=kafka-1 until 2027-01-31; SCRAM-SHA-512 as loader`.
    var words: String {
        var words: [String] = []
        if transport.hasSuffix("SSL") {
            words.append(
                "TLS"
                    + (broker.map { ", a broker's certificate of \($0.subject) until \(Self.day($0.notAfter))" } ?? ""))
            if let own { words.append("the loader's certificate of \(own.subject) until \(Self.day(own.notAfter))") }
        } else {
            words.append("no TLS")
        }
        if transport.hasPrefix("SASL") { words.append(mechanism + who) }
        return words.joined(separator: "; ")
    }

    private var who: String {
        guard mechanism == "OAUTHBEARER" else {
            let name = properties["sasl.username"] ?? properties["sasl.kerberos.principal"]
            return name.map { " as \($0)" } ?? ""
        }
        let whose = token?.principal.map { " for \($0)" } ?? ""
        let until = token?.expires.map { " until \(Self.time($0))" } ?? ""
        return tokenPlace.map { " by a token of \($0)\(whose)\(until)" } ?? ""
    }

    /// What is about to end, or has.
    func problems(at now: Date = Date()) -> [SetupProblem] {
        let ownPlace = "kafka.properties.ssl.certificate.location"
        return [
            SetupProblem(ending: own, .init(.brokers, .loader), "the loader's certificate", at: ownPlace, now),
            SetupProblem(ending: broker, .init(.brokers, .server), "the certificate", at: "kafka.brokers", now),
        ].compactMap(\.self)
    }

    private static func day(_ date: Date) -> String { String(date.ISO8601Format().prefix(10)) }
    private static func time(_ date: Date) -> String { date.ISO8601Format() }
}
