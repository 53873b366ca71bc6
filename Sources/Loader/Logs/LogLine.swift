import Foundation
import Loading
import Logging
import Operating

/// Turns one event into one line.
enum LogLine {
    /// A flat JSON object: `{"time":"2026-11-21T12:00:00.000Z","level":"info","message":"…","partition":3}`.
    ///
    /// Numbers and booleans stay what they are. A metadata key that would hide one of the three first gets a `_` behind it.
    static func json(time: Date, level: Logger.Level, message: String, metadata: Logger.Metadata) -> String {
        var line = "{\"time\":\"\(stamp(time))\",\"level\":\"\(level.rawValue)\",\"message\":\(jsonString(message))"
        for (key, value) in metadata.sorted(by: { $0.key < $1.key }) {
            let name = ["time", "level", "message"].contains(key) ? key + "_" : key
            line += ",\(jsonString(name)):\(json(value))"
        }
        return line + "}"
    }

    /// `12:00:00.000 WARN  message  partition=3`, with the date and without colours where it is not read on a terminal.
    static func text(
        time: Date, level: Logger.Level, message: String, metadata: Logger.Metadata, isColored: Bool, isDated: Bool
    ) -> String {
        let stamp = isDated ? stamp(time) : String(stamp(time).dropFirst(11).dropLast())
        let name = level.shortName
        let fields = metadata.sorted { $0.key < $1.key }.map { "\($0.key)=\(plain($0.value))" }.joined(separator: " ")
        // A message of several lines stays one event: the lines that follow are set in.
        let message = message.split(separator: "\n", omittingEmptySubsequences: false).map { visible(String($0)) }
            .joined(separator: "\n    ")
        guard isColored else { return "\(stamp) \(name) \(message)" + (fields.isEmpty ? "" : "  \(fields)") }
        let code = TerminalCode.self
        return "\(code.dim)\(stamp)\(code.reset) \(level.color)\(name)\(code.reset) \(message)"
            + (fields.isEmpty ? "" : "  \(code.dim)\(fields)\(code.reset)")
    }

    private static func stamp(_ time: Date) -> String {
        time.formatted(Date.ISO8601FormatStyle(includingFractionalSeconds: true))
    }

    private static func json(_ value: Logger.MetadataValue) -> String {
        switch value {
        case .string(let text): return jsonString(text)
        case .stringConvertible(let value):
            switch value {
            case let flag as Bool: return flag ? "true" : "false"
            case let number as any BinaryInteger: return number.description
            case let number as Double where number.isFinite: return number.description
            case let number as Float where number.isFinite: return number.description
            default: return jsonString(text(value))
            }
        case .array(let values): return "[" + values.map(json).joined(separator: ",") + "]"
        case .dictionary(let values):
            let members = values.sorted { $0.key < $1.key }.map { "\(jsonString($0.key)):\(json($0.value))" }
            return "{" + members.joined(separator: ",") + "}"
        }
    }

    private static func plain(_ value: Logger.MetadataValue) -> String {
        switch value {
        case .string(let text): quoted(text)
        case .stringConvertible(let value): quoted(text(value))
        case .array, .dictionary: json(value)
        }
    }

    /// A mend in the words of whoever reads it; anything else as it is.
    static func text(_ value: some CustomStringConvertible) -> String {
        (value as? Mend.ForLog)?.mend.words ?? value.description
    }

    /// Quotes only where it would not be clear where the value ends.
    private static func quoted(_ text: String) -> String {
        let isClear =
            !text.isEmpty
            && text.unicodeScalars.allSatisfy {
                !$0.properties.isWhitespace && !isControl($0) && $0 != "\"" && $0 != "="
            }
        return isClear ? text : jsonString(text)
    }

    /// Nothing that comes from a message or a server may steer the terminal.
    static func visible(_ text: String) -> String {
        guard text.unicodeScalars.contains(where: isControl) else { return text }
        return String(jsonString(text).dropFirst().dropLast())
    }

    private static func isControl(_ scalar: Unicode.Scalar) -> Bool {
        scalar.value < 0x20 || (0x7F...0x9F).contains(scalar.value)
    }
}

extension Logger.Level {
    /// Five characters, so that messages stand below each other.
    fileprivate var shortName: String {
        switch self {
        case .trace: "TRACE"
        case .debug: "DEBUG"
        case .info: "INFO "
        case .notice: "NOTE "
        case .warning: "WARN "
        case .error: "ERROR"
        case .critical: "FATAL"
        }
    }

    fileprivate var color: String {
        switch self {
        case .trace, .debug: TerminalCode.dim
        case .info: TerminalCode.green
        case .notice: TerminalCode.blue
        case .warning: TerminalCode.yellow
        case .error, .critical: TerminalCode.red
        }
    }
}
