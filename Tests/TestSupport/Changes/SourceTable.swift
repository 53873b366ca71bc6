/// A table of the tests' own whose changes are written as events: the first columns are its primary key.
public struct SourceTable: Sendable, CustomStringConvertible {
    public struct Column: Sendable {
        public var name: String
        public var type: SourceType
        public var isNullable: Bool

        public init(_ name: String, _ type: SourceType, isNullable: Bool = false) {
            self.name = name
            self.type = type
            self.isNullable = isNullable
        }
    }

    public var columns: [Column]
    public var keyCount: Int

    public init(columns: [Column], keyCount: Int) {
        self.columns = columns
        self.keyCount = keyCount
    }

    /// A table with any key of up to three columns, and some columns of any type.
    ///
    /// - Parameters:
    ///   - width: how many columns there are besides the key.
    ///   - types: what the columns besides the key are of.
    public init(
        width: ClosedRange<Int>, of types: [SourceType] = SourceType.all, using generator: inout SeededGenerator
    ) {
        let keys = SourceType.ofKeys.shuffled(using: &generator).prefix(
            [1, 1, 1, 2, 2, 3].randomElement(using: &generator) ?? 1)
        columns = keys.enumerated().map { Column("k\($0)", $1) }
        keyCount = keys.count
        let types = types.shuffled(using: &generator).prefix(Int.random(in: width, using: &generator))
        for (index, type) in types.enumerated() {
            let isNullable = Int.random(in: 0..<4, using: &generator) > 0
            columns.append(Column(Self.name(index), type, isNullable: isNullable))
        }
    }

    /// A table with a column of each of these types.
    public init(ofEach types: [SourceType]) {
        columns =
            [Column("k0", .int8)] + types.enumerated().map { Column(Self.name($0), $1, isNullable: true) }
        keyCount = 1
    }

    /// The same, with columns that may all be null but the key's.
    public var loose: SourceTable {
        var table = self
        for column in keyCount..<columns.count { table.columns[column].isNullable = true }
        return table
    }

    private static func name(_ index: Int) -> String { index == 3 ? "order" : "c\(index)" }

    public var keyNames: [String] { columns.prefix(keyCount).map(\.name) }

    /// - Parameters:
    ///   - more: what stands behind the table's own columns.
    ///   - constraint: in place of the primary key.
    public func definition(_ name: String, more: [String] = [], constraint: String? = nil) -> String {
        let lines = columns.map { "\"\($0.name)\" \($0.type.sql)" + ($0.isNullable ? "" : " NOT NULL") }
        let key = keyNames.map { "\"\($0)\"" }.joined(separator: ", ")
        let all = lines + more + [constraint ?? "PRIMARY KEY (\(key))"]
        return "CREATE TABLE \(name) (" + all.joined(separator: ", ") + ")"
    }

    public var description: String {
        columns.map { "\($0.name) \($0.type.sql)" + ($0.isNullable ? "" : " NOT NULL") }.joined(separator: ", ")
            + "; key: \(keyNames.joined(separator: ", "))"
    }

    // MARK: Random rows

    func key(using generator: inout SeededGenerator, _ modes: ChangeModes) -> [SourceValue] {
        columns.prefix(keyCount).map { $0.type.value(using: &generator, modes) }
    }

    /// A row's value in one column: null now and then where it may be.
    func value(_ column: Int, using generator: inout SeededGenerator, _ modes: ChangeModes) -> SourceValue {
        let column = columns[column]
        if column.isNullable, Int.random(in: 0..<6, using: &generator) == 0 { return .null }
        return column.type.value(using: &generator, modes)
    }

    func row(_ key: [SourceValue], using generator: inout SeededGenerator, _ modes: ChangeModes) -> [SourceValue] {
        var row = key
        for column in keyCount..<columns.count { row.append(value(column, using: &generator, modes)) }
        return row
    }
}
