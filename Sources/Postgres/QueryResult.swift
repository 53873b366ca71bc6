import CLibPQ

/// The rows that a query returned, in text format. Owns libpq's result.
public final class QueryResult {
    private let result: OpaquePointer

    init(owning result: OpaquePointer) { self.result = result }

    deinit { PQclear(result) }

    public var rowCount: Int { Int(PQntuples(result)) }

    public var columnCount: Int { Int(PQnfields(result)) }

    /// Rows that an INSERT, UPDATE, DELETE, SELECT or COPY has touched.
    public var affectedRows: Int { Int(String(cString: PQcmdTuples(result))) ?? 0 }

    public var columnNames: [String] { (0..<Int32(columnCount)).map { String(cString: PQfname(result, $0)) } }

    public func isNull(_ row: Int, _ column: Int) -> Bool {
        check(row, column)
        return PQgetisnull(result, Int32(row), Int32(column)) == 1
    }

    /// The value's text; nil for NULL.
    public func string(_ row: Int, _ column: Int) -> String? {
        field(row, column).map { String(decoding: $0, as: UTF8.self) }
    }

    /// Nil for NULL, and for what is no integer.
    public func int(_ row: Int, _ column: Int) -> Int64? {
        string(row, column).flatMap { Int64($0) }
    }

    /// A boolean column's value; nil for NULL.
    public func bool(_ row: Int, _ column: Int) -> Bool? {
        string(row, column).map { $0 == "t" }
    }

    /// A bytea column's value; nil for NULL.
    public func bytes(_ row: Int, _ column: Int) -> [UInt8]? {
        guard let text = field(row, column) else { return nil }
        // libpq reads both forms of bytea, hex and escape; it wants the NUL that it put behind the value itself.
        var count = 0
        guard let bytes = PQunescapeBytea(text.baseAddress, &count) else { return nil }
        defer { PQfreemem(bytes) }
        return Array(UnsafeBufferPointer(start: bytes, count: count))
    }

    private func field(_ row: Int, _ column: Int) -> UnsafeBufferPointer<UInt8>? {
        guard !isNull(row, column), let start = PQgetvalue(result, Int32(row), Int32(column)) else { return nil }
        let count = Int(PQgetlength(result, Int32(row), Int32(column)))
        return UnsafeBufferPointer(start: UnsafeRawPointer(start).assumingMemoryBound(to: UInt8.self), count: count)
    }

    private func check(_ row: Int, _ column: Int) {
        precondition(row >= 0 && row < rowCount, "row \(row) of \(rowCount)")
        precondition(column >= 0 && column < columnCount, "column \(column) of \(columnCount)")
    }
}
