/// Writes changes as an application might that sends only what has changed: plain JSON, without a schema or an envelope.
public struct PatchWriter: Sendable {
    public let table: SourceTable
    public let partitions: Int

    public init(_ table: SourceTable, partitions: Int) {
        self.table = table
        self.partitions = partitions
    }

    /// Types that a plain document of this kind has a value for.
    public static let types = SourceType.all.filter { $0 != .point && $0 != .hstore }

    /// The message of a change; nil for what is none of a row.
    ///
    /// - Parameter event: of a table with full identity: an update has all of the row before it.
    public func message(_ event: ChangeEvent) -> TestMessage? {
        guard let key = event.key else { return nil }
        let members = key.indices.map { member($0, key[$0]) }
        let partition = DebeziumWriter.partition(of: key, partitions: partitions)
        let text = "{" + members.joined(separator: ",") + "}"
        switch event.kind {
        case .delete: return TestMessage(partition: partition, key: text, value: nil)
        case .create, .read, .update: break
        default: return nil
        }
        guard let after = event.after else { return nil }
        var changed: [String] = []
        for column in table.keyCount..<after.count {
            if event.kind == .update, let before = event.before, before[column] == after[column] { continue }
            changed.append(member(column, after[column]))
        }
        return TestMessage(
            partition: partition, key: text, value: "{" + (members + changed).joined(separator: ",") + "}")
    }

    private func member(_ column: Int, _ value: SourceValue) -> String {
        ConnectJSON.text(table.columns[column].name) + ":" + text(value)
    }

    private func text(_ value: SourceValue) -> String {
        switch value {
        case .null, .unavailable: "null"
        case .bool(let flag): flag ? "true" : "false"
        case .int(let number): "\(number)"
        case .decimal(let number): number.description
        case .texts(let texts): "[" + texts.map { $0.map(ConnectJSON.text) ?? "null" }.joined(separator: ",") + "]"
        case .ints(let numbers): "[" + numbers.map { $0.map { "\($0)" } ?? "null" }.joined(separator: ",") + "]"
        case .uuids(let uuids):
            "[" + uuids.map { $0.map { "\"\(SourceValue.uuidText($0))\"" } ?? "null" }.joined(separator: ",") + "]"
        default: ConnectJSON.text(value.literal ?? "")
        }
    }
}
