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
    let service: BrokerService

    /// What stands where only the brokers know who a token is.
    static let unnamed = "User:NAME"

    init(_ options: LoadingOptions) {
        brokers = options.brokers
        service = options.brokerService
        principal = Self.principal(options.currentProperties, brokers: brokers, hasTokens: options.tokens != nil)
    }

    init(brokers: String, principal: String?, service: BrokerService = .kafka) {
        (self.brokers, self.principal, self.service) = (brokers, principal, service)
    }

    /// What gives the right: the line, or where there is none what does it there, or a file to look into.
    func words(_ operations: [String], on resource: Resource) -> String {
        let writes = operations.contains("Write")
        switch service {
        case .kafka: return text(operations, on: resource) ?? "deploy/kafka/acls.sh does"
        case .msk: return "deploy/aws/msk-\(writes ? "dead-letters-" : "")policy.json does"
        case .eventHubs:
            return
                "the role Azure Event Hubs Data \(writes ? "Sender" : "Receiver") does, or a policy of the namespace with "
                + (writes ? "Send" : "Listen")
        }
    }

    /// - Parameter operations: as Kafka's own tool has them, `Read`.
    func text(_ operations: [String], on resource: Resource) -> String? {
        guard service == .kafka, let principal else { return nil }
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
    static func principal(_ properties: [String: String], brokers: String = "", hasTokens: Bool) -> String? {
        // There an API key belongs to a service account, which alone is somebody.
        if hasTokens || brokers.contains(".confluent.cloud") { return unnamed }
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
