import Foundation
import Testing

/// Holds what deploy/aws allows to what the loader does, as AWS documents it: "Semantics of IAM authorization policy actions and
/// resources" in MSK's developer guide.
@Suite("AWS's policies")
struct PolicyTests {
    private struct Policy: Decodable {
        struct Statement: Decodable {
            var effect: String
            var action: [String]
            var resource: [String]

            private enum CodingKeys: String, CodingKey {
                case effect = "Effect"
                case action = "Action"
                case resource = "Resource"
            }
        }

        var version: String
        var statement: [Statement]

        private enum CodingKeys: String, CodingKey {
            case version = "Version"
            case statement = "Statement"
        }

        /// Actions by what they are allowed on: `topic/CLUSTER/UUID/orders`, or `*`.
        var actions: [String: Set<String>] {
            statement.reduce(into: [:]) { actions, statement in
                for resource in statement.resource {
                    let name = resource.split(separator: ":").dropFirst(5).joined(separator: ":")
                    actions[resource == "*" ? "*" : name, default: []].formUnion(statement.action)
                }
            }
        }
    }

    private func policy(_ name: String) throws -> Policy {
        let file = SourceTree.root.appending(path: "deploy/aws/\(name)-policy.json")
        return try JSONDecoder().decode(Policy.self, from: try Data(contentsOf: file))
    }

    /// What consumers do, what idempotent producers do, and what a replay of dead letters does.
    private static let needed: [String: [String: Set<String>]] = [
        "msk": [
            "cluster/CLUSTER/UUID": ["kafka-cluster:Connect"],
            "topic/CLUSTER/UUID/orders": ["kafka-cluster:DescribeTopic", "kafka-cluster:ReadData"],
            "group/CLUSTER/UUID/orders-loader": ["kafka-cluster:DescribeGroup", "kafka-cluster:AlterGroup"],
        ],
        "msk-dead-letters": [
            "cluster/CLUSTER/UUID": ["kafka-cluster:Connect", "kafka-cluster:WriteDataIdempotently"],
            "topic/CLUSTER/UUID/orders-dead-letters": [
                "kafka-cluster:DescribeTopic", "kafka-cluster:WriteData", "kafka-cluster:ReadData",
            ],
            "group/CLUSTER/UUID/orders-loader-dead-letters": [
                "kafka-cluster:DescribeGroup", "kafka-cluster:AlterGroup",
            ],
        ],
        "rds": ["dbuser:RESOURCE_ID/loader_app": ["rds-db:connect"]],
        "glue": ["*": ["glue:GetSchemaVersion"]],
    ]

    @Test("each allows what the loader does, and nothing more", arguments: needed.keys.sorted())
    func actions(name: String) throws {
        let policy = try policy(name)
        #expect(policy.version == "2012-10-17")
        #expect(policy.statement.allSatisfy { $0.effect == "Allow" })
        #expect(policy.actions == Self.needed[name])
    }

    @Test("each file is one of these, and the page on security names it")
    func files() throws {
        let folder = SourceTree.root.appending(path: "deploy/aws").path()
        let files = try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
        #expect(files == Self.needed.keys.map { "\($0)-policy.json" }.sorted())
        let pages = try SourceTree.pages.get().map(\.text).joined()
        for file in files { #expect(pages.contains("deploy/aws/\(file)"), "\(file)") }
    }

    @Test("what AWS wants beside an action is allowed beside it")
    func dependencies() throws {
        let required: [String: Set<String>] = [
            "kafka-cluster:ReadData": [
                "kafka-cluster:Connect", "kafka-cluster:DescribeTopic", "kafka-cluster:AlterGroup",
            ],
            "kafka-cluster:AlterGroup": ["kafka-cluster:Connect", "kafka-cluster:DescribeGroup"],
            "kafka-cluster:DescribeTopic": ["kafka-cluster:Connect"],
            "kafka-cluster:DescribeGroup": ["kafka-cluster:Connect"],
            "kafka-cluster:WriteData": ["kafka-cluster:Connect", "kafka-cluster:DescribeTopic"],
            "kafka-cluster:WriteDataIdempotently": ["kafka-cluster:Connect", "kafka-cluster:WriteData"],
        ]
        for name in ["msk", "msk-dead-letters"] {
            let all = try policy(name).actions.values.reduce(into: Set()) { $0.formUnion($1) }
            for action in all { #expect(all.isSuperset(of: required[action] ?? []), "\(name): \(action)") }
        }
    }
}
