/// A COPY on its way in.
final class CopyRun {
    private let session: Session
    private let table: SimulatedTable
    private let columns: [Int]
    private let isBinary: Bool
    private let execution: Execution
    private var bytes: [UInt8] = []
    private var place = 0
    private var hasHeader = false
    private var isOver = false
    /// Read, but not in yet: the server puts rows in by the thousand.
    private var waiting: [(line: Int, values: [SQLValue])] = []
    private var line = 0
    private var count = 0
    private var isChecking = false

    private static let most = 1000

    init(_ statement: SQLCopy, _ session: Session, _ transaction: Transaction) throws {
        self.session = session
        table = try session.table(statement.table)
        let all = Array(table.definition.columns.indices)
        columns = try statement.columns.map { try Planner(session).places($0, session.table(statement.table)) } ?? all
        isBinary = statement.isBinary
        try transaction.lock(table, .rowExclusive)
        transaction.statement += 1
        execution = Execution(session, transaction, [])
        session.answer(.copyIn)
    }

    /// - Returns: the rows that have come in; nil while more may come.
    func advance() throws -> Int? {
        while !isOver {
            guard let message = session.messages.first else { return nil }
            switch message {
            case .copyData(let data):
                // A message is done once all its rows are.
                if !isChecking { bytes += data }
                isChecking = true
                try read()
                isChecking = false
                session.messages.removeFirst()
                compact()
            case .copyDone:
                session.messages.removeFirst()
                isOver = true
            case .copyFail(let reason):
                session.messages.removeFirst()
                throw SQLFailure("57014", "COPY from stdin failed: \(reason)").with {
                    $0.context = context(line + 1)
                }
            case .simple, .statement, .sync: throw SQLFailure("08P01", "unexpected message type during COPY from stdin")
            }
        }
        try bringIn()
        try execution.checkReferences()
        return count
    }

    private func compact() {
        bytes.removeFirst(place)
        place = 0
    }

    private func context(_ line: Int, _ column: String? = nil) -> String {
        "COPY \(table.definition.name), line \(line)" + (column.map { ", column \($0)" } ?? "")
    }

    private func read() throws {
        if isBinary, !hasHeader {
            guard bytes.count >= 19 else { return }
            guard Array(bytes[..<11]) == Self.signature else {
                throw SQLFailure("22P04", "COPY file signature not recognized")
            }
            (place, hasHeader) = (19, true)
        }
        while true {
            if waiting.count >= Self.most { try bringIn() }
            let before = place
            guard let fields = isBinary ? try binaryRow() : textRow() else {
                place = before
                return
            }
            line += 1
            try take(fields)
        }
    }

    private func take(_ fields: [ArraySlice<UInt8>?]) throws {
        guard fields.count == columns.count else {
            let problem =
                isBinary
                ? "row field count is \(fields.count), expected \(columns.count)"
                : fields.count < columns.count
                    ? "missing data for column \"\(table.definition.columns[columns[fields.count]].name)\""
                    : "extra data after last expected column"
            throw SQLFailure("22P04", problem).with { $0.context = context(line) }
        }
        var given: [SQLValue] = []
        given.reserveCapacity(fields.count)
        for (field, column) in zip(fields, columns) {
            let definition = table.definition.columns[column]
            do {
                guard let field else {
                    given.append(.null)
                    continue
                }
                let value =
                    isBinary
                    ? try definition.type.receive(field) : try definition.type.read(SQLType.utf8(field))
                given.append(try execution.assigned(value, definition))
            } catch let failure as SQLFailure where failure.state != SQLFailure.unknownState {
                throw failure.with { $0.context = context(line, definition.name) }
            }
        }
        do {
            let values = try execution.row(of: table, columns, given)
            try execution.require(values, table)
            waiting.append((line, values))
        } catch let failure as SQLFailure where failure.state != SQLFailure.unknownState {
            throw failure.with { $0.context = context(line) }
        }
    }

    private func bringIn() throws {
        while let row = waiting.first {
            do {
                _ = try execution.step {
                    guard case .inserted(let version) = try execution.insert(row.values, into: table) else {
                        return .nothing
                    }
                    return .row(version)
                }
            } catch let failure as SQLFailure where failure.state != SQLFailure.unknownState {
                throw failure.with { $0.context = context(row.line) }
            }
            waiting.removeFirst()
            count += 1
        }
    }

    // MARK: Formats

    private static let signature: [UInt8] = Array("PGCOPY\n".utf8) + [0xFF, 0x0D, 0x0A, 0x00]

    /// - Returns: nil where the row, or the end, has not come yet.
    private func binaryRow() throws -> [ArraySlice<UInt8>?]? {
        func number(_ size: Int) -> Int? {
            guard place + size <= bytes.count else { return nil }
            defer { place += size }
            let value = bytes[place..<place + size].reduce(Int64(0)) { $0 << 8 | Int64($1) }
            return size == 2 ? Int(Int16(truncatingIfNeeded: value)) : Int(Int32(truncatingIfNeeded: value))
        }
        guard let count = number(2), count >= 0 else { return nil }
        var fields: [ArraySlice<UInt8>?] = []
        for _ in 0..<count {
            guard let length = number(4) else { return nil }
            guard length >= 0 else {
                fields.append(nil)
                continue
            }
            guard place + length <= bytes.count else { return nil }
            fields.append(bytes[place..<place + length])
            place += length
        }
        return fields
    }

    private func textRow() -> [ArraySlice<UInt8>?]? {
        guard let end = bytes[place...].firstIndex(of: 0x0A) else { return nil }
        let row = bytes[place..<end]
        place = end + 1
        if row.elementsEqual("\\.".utf8) { return nil }
        return row.split(separator: 0x09, omittingEmptySubsequences: false).map { field in
            field.elementsEqual("\\N".utf8) ? nil : Self.unescaped(field)
        }
    }

    private static func unescaped(_ field: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        guard field.contains(UInt8(ascii: "\\")) else { return field }
        var plain: [UInt8] = []
        var isEscaped = false
        for byte in field {
            if isEscaped {
                isEscaped = false
                switch byte {
                case UInt8(ascii: "n"): plain.append(0x0A)
                case UInt8(ascii: "t"): plain.append(0x09)
                case UInt8(ascii: "r"): plain.append(0x0D)
                case UInt8(ascii: "b"): plain.append(0x08)
                case UInt8(ascii: "f"): plain.append(0x0C)
                case UInt8(ascii: "v"): plain.append(0x0B)
                default: plain.append(byte)
                }
            } else if byte == UInt8(ascii: "\\") {
                isEscaped = true
            } else {
                plain.append(byte)
            }
        }
        return plain[...]
    }
}
