import Glibc
import SimulatedPostgres

/// A result as libpq has it: the texts that it points to live as long as it does.
final class ServerResult {
    /// `ExecStatusType`.
    enum Status: UInt32 {
        case empty = 0
        case command, tuples, copyOut, copyIn, badResponse, nonfatal, fatal, copyBoth, singleTuple, pipelineSync
        case pipelineAborted
    }

    let status: Status
    let columns: [String]
    let rows: [[SQLValue]]
    private let count: Int?
    private let failure: SQLFailure?
    private var texts: [UnsafeMutablePointer<CChar>] = []
    /// Of values, by their places.
    private var values: [Int: (text: UnsafeMutablePointer<CChar>, length: Int)] = [:]

    /// One that is no answer of the server's.
    init(status: Status) {
        (self.status, columns, rows, count, failure) = (status, [], [], nil, nil)
    }

    init(_ response: Session.Response) {
        switch response {
        case .result(let columns, let rows, let isOfRows, let count):
            (status, self.columns, self.rows, self.count, failure) =
                (isOfRows ? .tuples : .command, columns, rows, count, nil)
        case .failure(let failure): (status, columns, rows, count, self.failure) = (.fatal, [], [], nil, failure)
        default: (status, columns, rows, count, failure) = (.badResponse, [], [], nil, nil)
        }
    }

    deinit { for text in texts { free(text) } }

    private func keep(_ text: String) -> UnsafeMutablePointer<CChar>? {
        guard let copy = strdup(text) else { return nil }
        texts.append(copy)
        return copy
    }

    var affected: UnsafeMutablePointer<CChar>? { keep(count.map(String.init) ?? "") }

    func name(_ column: Int) -> UnsafeMutablePointer<CChar>? { keep(columns[column]) }

    func isNull(_ row: Int, _ column: Int) -> Bool { rows[row][column].isNull }

    func value(_ row: Int, _ column: Int) -> (text: UnsafeMutablePointer<CChar>, length: Int)? {
        let place = row * max(1, columns.count) + column
        if let known = values[place] { return known }
        let text = rows[row][column].text ?? ""
        guard let copy = keep(text) else { return nil }
        values[place] = (copy, text.utf8.count)
        return (copy, text.utf8.count)
    }

    /// - Parameter code: one of `PG_DIAG_*`.
    func field(_ code: Character) -> UnsafeMutablePointer<CChar>? {
        guard let failure else { return nil }
        let text: String? =
            switch code {
            case "S", "V": failure.severity
            case "C": failure.state
            case "M": failure.message
            case "D": failure.detail
            case "H": failure.hint
            case "W": failure.context
            case "s": failure.schema
            case "t": failure.table
            case "c": failure.column
            case "d": failure.dataType
            case "n": failure.constraint
            default: nil
            }
        return text.flatMap { keep($0) }
    }
}
