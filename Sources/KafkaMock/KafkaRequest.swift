/// A kind of request of the Kafka protocol: its "API key".
///
/// https://kafka.apache.org/protocol#protocol_api_keys
public enum KafkaRequest: Int16, CaseIterable, Sendable {
    case produce = 0
    case fetch = 1
    case listOffsets = 2
    case metadata = 3
    case offsetCommit = 8
    case offsetFetch = 9
    case findCoordinator = 10
    case joinGroup = 11
    case heartbeat = 12
    case leaveGroup = 13
    case syncGroup = 14
    case apiVersions = 18
    case initProducerID = 22
    case addPartitionsToTransaction = 24
    case addOffsetsToTransaction = 25
    case endTransaction = 26
    case transactionalOffsetCommit = 28

    /// The name in Kafka's documentation, e.g. `OffsetCommit`.
    public var name: String {
        switch self {
        case .initProducerID: "InitProducerId"
        case .addPartitionsToTransaction: "AddPartitionsToTxn"
        case .addOffsetsToTransaction: "AddOffsetsToTxn"
        case .endTransaction: "EndTxn"
        case .transactionalOffsetCommit: "TxnOffsetCommit"
        default: "\(self)".prefix(1).uppercased() + "\(self)".dropFirst()
        }
    }

    /// Reads a name, whatever its case, or a number.
    public init?(_ text: String) {
        guard
            let request = Self.allCases.first(where: {
                $0.name.lowercased() == text.lowercased() || String($0.rawValue) == text
            })
        else { return nil }
        self = request
    }
}
