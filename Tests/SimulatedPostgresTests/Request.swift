@testable import SimulatedPostgres

/// What a client asks of either server.
enum Request {
    /// By the simple protocol; the data goes to the COPY in it.
    case simple(String, copy: [UInt8]? = nil)
    case query(String, [Parameter] = [])

    enum Parameter {
        case text(String)
        case ints([Int64])
        case int4s([Int64])
        case texts([String?])
        case byteas([[UInt8]?])
        case int(Int64)
        case bool(Bool)

        var value: SQLValue {
            switch self {
            case .text(let text): .text(text)
            case .ints(let items), .int4s(let items): .array(items.map { .int($0) })
            case .texts(let items): .array(items.map { $0.map { .text($0) } ?? .null })
            case .byteas(let items): .array(items.map { $0.map { .bytes($0) } ?? .null })
            case .int(let number): .int(number)
            case .bool(let value): .bool(value)
            }
        }

        /// For the real server, which reads texts.
        var text: String { value.text ?? "" }

        var type: UInt32 {
            switch self {
            case .text: 25
            case .ints: 1016
            case .int4s: 1007
            case .texts: 1009
            case .byteas: 1001
            case .int: 20
            case .bool: 16
            }
        }
    }
}

/// What a server has said to a request: what two of them must have in common.
struct Answer: Equatable, CustomStringConvertible {
    enum Part: Equatable {
        case rows([[String?]])
        case done(Int?)
        case failure(state: String, constraint: String?, table: String?, column: String?, context: String?)
    }

    var parts: [Part] = []
    var status: Session.Status

    var description: String { "\(parts) \(status)" }

    var failedWith: String? {
        for case .failure(let state, _, _, _, _) in parts { return state }
        return nil
    }
}
