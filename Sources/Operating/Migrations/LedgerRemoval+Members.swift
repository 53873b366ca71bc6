import Kafka
import Loading

extension LedgerRemoval {
    /// Who is in the groups that would lose their positions; nobody where no brokers are configured.
    package func members(_ options: LoadingOptions) throws(KafkaError) -> [String] {
        guard !options.brokers.isEmpty, !groups.isEmpty else { return [] }
        let admin = try Admin(properties: options.clientProperties)
        var members: [String] = []
        for name in groups.map(\.name) {
            let group = try admin.group(name, timeout: .seconds(10))
            members += group.members.map { "\($0.clientID) at \($0.host) in the group \(name)" }
            if group.isRunning, group.members.isEmpty { members.append("the group \(name), \(group.state)") }
        }
        return members
    }
}
