import Foundation

/// What a column's default comes to where that is the same for each row: `DEFAULT 7`, but not `now()` or a serial's next
/// value. Whoever inserts such a row may as well send the value.
public enum ConstantDefault: Sendable, Hashable {
    case null
    /// As the type writes it; `binary` is nil for a type that cannot.
    case value(text: String, binary: [UInt8]?)

    /// A field of COPY in binary, with its length, or in text, with what has to be escaped; nil where there is no such form.
    public func field(isBinary: Bool) -> [UInt8]? {
        var buffer = CopyBuffer(capacity: 64)
        switch self {
        case .null where isBinary: buffer.append(-1 as Int32)
        case .null: return Array(#"\N"#.utf8)
        case .value(_, let binary) where isBinary:
            guard let binary else { return nil }
            buffer.append(Int32(truncatingIfNeeded: binary.count))
            binary.withUnsafeBytes { buffer.append($0) }
        case .value(var text, _):
            text.withUTF8 { buffer.append(UnsafeRawBufferPointer($0)) }
            buffer.escapeForCopy(from: 0)
        }
        return Array(buffer.bytes)
    }

    /// A default of which only the server can tell whether it is a constant.
    struct Candidate {
        /// As SQL, of the column's type without modifier and domain.
        var value: String
        /// The function that writes the type's values in binary, as SQL.
        var send: String?
    }

    /// A longer one would cost the network more than it saves the server.
    private static let mostBytes = 1024
    /// A SELECT has at most 1664 columns, and each takes two.
    private static let mostAtOnce = 400

    /// Asks the server which defaults are constants, and what they come to.
    ///
    /// In a transaction it is not asked, for a default that fails would end it.
    ///
    /// - Returns: for each candidate its value; nil where it may be another one for another row.
    static func found(
        among candidates: [Candidate], on connection: Connection
    ) throws(PostgresError) -> [ConstantDefault?] {
        guard connection.transactionStatus == .idle else { return candidates.map { _ in nil } }
        var found: [ConstantDefault?] = []
        for start in stride(from: 0, to: candidates.count, by: mostAtOnce) {
            found += try constants(candidates[start..<min(start + mostAtOnce, candidates.count)], on: connection)
        }
        return found
    }

    private static func constants(
        _ candidates: ArraySlice<Candidate>, on connection: Connection
    ) throws(PostgresError) -> [ConstantDefault?] {
        do throws(PostgresError) {
            let proven = try provenConstant(candidates, on: connection)
            let values = try values(zip(candidates, proven).filter { $1 }.map(\.0), on: connection)
            var next = values.makeIterator()
            return proven.map { $0 ? next.next() ?? nil : nil }
        } catch {
            guard connection.isOpen, !error.isConnectionLoss else { throw error }
            // One that fails, as 1/0 does, is none, and is found by halves.
            guard candidates.count > 1 else { return [nil] }
            let middle = candidates.startIndex + candidates.count / 2
            return try constants(candidates[..<middle], on: connection)
                + constants(candidates[middle...], on: connection)
        }
    }

    /// The planner computes what is immutable, and nothing else; it says of a constant at once whether it is null.
    private static func provenConstant(
        _ candidates: ArraySlice<Candidate>, on connection: Connection
    ) throws(PostgresError) -> [Bool] {
        // Not IS NULL, which of a row looks at each of its fields.
        let questions = candidates.map { "\($0.value) IS NOT DISTINCT FROM NULL" }.joined(separator: ", ")
        let answer = try connection.query(
            Connection.Statement("EXPLAIN (VERBOSE, COSTS OFF, FORMAT JSON) SELECT \(questions)"),
            with: ValueSettings.written)
        let plan = try? JSONDecoder().decode([Explanation].self, from: Data((answer.string(0, 0) ?? "").utf8))
        guard let output = plan?.first?.plan.output, output.count == candidates.count else {
            return candidates.map { _ in false }
        }
        return output.map { $0 == "false" || $0 == "true" }
    }

    private struct Explanation: Decodable {
        struct Plan: Decodable {
            var output: [String]?

            enum CodingKeys: String, CodingKey { case output = "Output" }
        }

        var plan: Plan

        enum CodingKeys: String, CodingKey { case plan = "Plan" }
    }

    private static func values(
        _ candidates: [Candidate], on connection: Connection
    ) throws(PostgresError) -> [ConstantDefault?] {
        guard !candidates.isEmpty else { return [] }
        let columns = candidates.map { candidate in
            "\(candidate.value), " + (candidate.send.map { "encode(\($0)(\(candidate.value)), 'hex')" } ?? "NULL")
        }.joined(separator: ", ")
        let row = try connection.query(Connection.Statement("SELECT \(columns)"), with: ValueSettings.written)
        return candidates.indices.map { index in
            guard let text = row.string(0, 2 * index) else { return .null }
            let binary = row.string(0, 2 * index + 1).flatMap(bytes)
            guard max(text.utf8.count, binary?.count ?? 0) <= mostBytes else { return nil }
            return .value(text: text, binary: binary)
        }
    }

    private static func bytes(_ hexadecimal: String) -> [UInt8]? {
        var text = hexadecimal
        var buffer = CopyBuffer(capacity: text.utf8.count / 2)
        let isWhole = text.withUTF8 { buffer.append(UnsafeRawBufferPointer($0), decodedBy: .hex) }
        return isWhole ? Array(buffer.bytes) : nil
    }
}
