import CLibPQ

@testable import SimulatedPostgres

/// A client of a real server, which can wait for its answer without waiting itself.
final class RealSession {
    private let handle: OpaquePointer?
    private var parts: [Answer.Part] = []
    private var copy: [UInt8]?

    init(_ url: String) throws {
        handle = PQconnectdb(url)
        guard PQstatus(handle) == CONNECTION_OK else {
            throw Comparison.Difference(description: String(cString: PQerrorMessage(handle)))
        }
        PQsetNoticeReceiver(handle, { _, _ in }, nil)
    }

    deinit { PQfinish(handle) }

    var pid: Int32 { PQbackendPID(handle) }

    func ask(_ request: Request) throws {
        parts = []
        switch request {
        case .simple(let sql, let data):
            copy = data
            guard PQsendQuery(handle, sql) == 1 else {
                throw Comparison.Difference(description: String(cString: PQerrorMessage(handle)))
            }
        case .query(let sql, let parameters):
            copy = nil
            let texts = parameters.map { Array($0.text.utf8CString) }
            let types = parameters.map(\.type)
            var pointers: [UnsafePointer<CChar>?] = []
            let storage = texts.map { text in
                let memory = UnsafeMutablePointer<CChar>.allocate(capacity: text.count)
                memory.initialize(from: text, count: text.count)
                return memory
            }
            defer { for memory in storage { memory.deallocate() } }
            pointers = storage.map { UnsafePointer($0) }
            guard PQsendQueryParams(handle, sql, Int32(texts.count), types, pointers, nil, nil, 0) == 1 else {
                throw Comparison.Difference(description: String(cString: PQerrorMessage(handle)))
            }
        }
    }

    /// Nil where it has not come yet.
    func answer() -> Answer? {
        while true {
            guard PQconsumeInput(handle) == 1, PQisBusy(handle) == 0 else { return nil }
            guard let result = PQgetResult(handle) else { return Answer(parts: parts, status: status) }
            defer { PQclear(result) }
            switch PQresultStatus(result) {
            case PGRES_COPY_IN:
                var bytes = copy ?? []
                bytes.withUnsafeMutableBytes { buffer in
                    let start = buffer.baseAddress?.assumingMemoryBound(to: CChar.self)
                    _ = PQputCopyData(handle, start, Int32(buffer.count))
                }
                PQputCopyEnd(handle, nil)
            case PGRES_TUPLES_OK:
                let rows = (0..<PQntuples(result)).map { row in
                    (0..<PQnfields(result)).map { column -> String? in
                        PQgetisnull(result, row, column) == 1
                            ? nil : PQgetvalue(result, row, column).map { String(cString: $0) }
                    }
                }
                parts.append(.rows(rows))
            case PGRES_COMMAND_OK:
                parts.append(.done(PQcmdTuples(result).flatMap { Int(String(cString: $0)) }))
            default:
                func field(_ code: Character) -> String? {
                    PQresultErrorField(result, Int32(code.asciiValue ?? 0)).map { String(cString: $0) }
                }
                parts.append(
                    .failure(
                        // Of a session without temporary tables some statements say that their schema is not there.
                        state: field("C").map { $0 == "3F000" ? "42P01" : $0 }
                            ?? String(cString: PQerrorMessage(handle)), constraint: field("n"), table: field("t"),
                        column: field("c"), context: field("W").map { String($0.prefix { $0 != ":" && $0 != "\n" }) }))
            }
        }
    }

    private var status: Session.Status {
        switch PQtransactionStatus(handle) {
        case PQTRANS_INTRANS: .inTransaction
        case PQTRANS_INERROR: .failed
        default: .idle
        }
    }
}
