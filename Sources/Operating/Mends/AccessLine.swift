import Foundation
import Loading

/// The line that gives the loader's user a right on the brokers, for somebody who may alter their ACLs.
struct AccessLine {
    enum Resource {
        case topic(String)
        case group(String)
        case cluster
    }

    let brokers: String
    /// As the brokers call this user; nil where it is nobody, whose rights need no line of their own.
    let principal: String?
    /// Policies of AWS's say what may be done, and no line.
    let isOfMSK: Bool

    /// What stands where only the brokers know who a token is.
    static let unnamed = "User:NAME"

    init(_ options: LoadingOptions) {
        brokers = options.brokers
        isOfMSK = options.tokens?.isOfMSK ?? false
        principal = isOfMSK ? nil : Self.principal(options.currentProperties, hasTokens: options.tokens != nil)
    }

    init(brokers: String, principal: String?, isOfMSK: Bool = false) {
        (self.brokers, self.principal, self.isOfMSK) = (brokers, principal, isOfMSK)
    }

    /// What gives the right: the line, or where there is none a file to look into.
    func words(_ operations: [String], on resource: Resource) -> String {
        if let line = text(operations, on: resource) { return line }
        guard isOfMSK else { return "deploy/kafka/acls.sh does" }
        return "deploy/aws/msk-\(operations.contains("Write") ? "dead-letters-" : "")policy.json does"
    }

    /// - Parameter operations: as Kafka's own tool has them, `Read`.
    func text(_ operations: [String], on resource: Resource) -> String? {
        guard let principal else { return nil }
        let place =
            switch resource {
            case .topic(let name): "--topic \(Self.quoted(name))"
            case .group(let name): "--group \(Self.quoted(name))"
            case .cluster: "--cluster"
            }
        let wanted = operations.map { "--operation \($0)" }.joined(separator: " ")
        return "`kafka-acls.sh --bootstrap-server \(brokers) --command-config admin.properties --add "
            + "--allow-principal \(Self.quoted(principal)) \(wanted) \(place)`"
    }

    /// Who this user is by what brokers go by unless they are told otherwise.
    static func principal(_ properties: [String: String], hasTokens: Bool) -> String? {
        if hasTokens { return unnamed }
        if properties["security.protocol"]?.uppercased().hasPrefix("SASL") ?? false {
            if let user = properties["sasl.username"] { return "User:\(user)" }
            // Of loader/host@REALM brokers take the first part.
            let name = properties["sasl.kerberos.principal"]?.prefix { $0 != "/" && $0 != "@" }
            return name.map { "User:\($0)" } ?? unnamed
        }
        return ShownCertificate.ownCertificate(properties).map { "User:\($0.subject)" }
    }

    /// For a shell.
    private static func quoted(_ text: String) -> String {
        let isPlain = text.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: ":"), UInt8(ascii: "."), UInt8(ascii: "_"),
                UInt8(ascii: "-"), UInt8(ascii: "="), UInt8(ascii: ","), UInt8(ascii: "@"):
                true
            default: false
            }
        }
        return isPlain ? text : "'\(text.replacing("'", with: #"'\''"#))'"
    }
}
