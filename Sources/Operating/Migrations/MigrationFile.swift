/// One migration, `NNNN_name.sql`, in the format of dbmate (github.com/amacneil/dbmate): plain SQL below a line
/// `-- migrate:up` and, to take it back, below a line `-- migrate:down`.
package struct MigrationFile: Sendable, Equatable {
    /// What is sent to the server at once, the directive's line included.
    struct Block: Sendable, Equatable {
        var sql: String
        /// The line of the file on which the block begins, from 1.
        var firstLine: Int
        /// False after `transaction:false`, for statements that refuse to run in one, such as CREATE INDEX CONCURRENTLY.
        var isTransactional: Bool

        /// The file's line for a position that the server reports, in characters from 1.
        func line(ofPosition position: Int) -> Int {
            firstLine + sql.unicodeScalars.prefix(max(0, position - 1)).count { $0 == "\n" }
        }
    }

    package var name: String
    /// The digits that the name begins with, as `schema_migrations` records them.
    var version: String
    var up: Block
    var down: Block
}

extension MigrationFile {
    /// The version of a file's name, or nil where the name is not a migration's.
    static func version(of name: String) -> String? {
        let digits = name.utf8.prefix { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
        return digits.isEmpty || !name.hasSuffix(".sql") ? nil : String(digits)
    }

    init(name: String, contents: String) throws(MigrationError) {
        func mistake(_ message: String, _ mend: String, line: Int? = nil) -> MigrationError {
            MigrationError(.badFormat, file: name, line: line, message: message, mend: mend)
        }
        guard let version = Self.version(of: name) else {
            throw MigrationError(
                .badName, file: name, message: "a migration's name begins with digits and ends with .sql",
                mend: "Rename it, for instance to 0001_\(name).")
        }
        // By scalars, for "\r\n" is one Character. A line keeps its end.
        let scalars = contents.unicodeScalars
        var lines: [Substring.UnicodeScalarView] = []
        var start = scalars.startIndex
        while start < scalars.endIndex {
            let end = scalars[start...].firstIndex(of: "\n").map { scalars.index(after: $0) } ?? scalars.endIndex
            lines.append(scalars[start..<end])
            start = end
        }
        var found: (up: (line: Int, isTransactional: Bool)?, down: (line: Int, isTransactional: Bool)?)
        for (index, line) in lines.enumerated() {
            let text = String(Substring(line))
            switch Directive(line: text) {
            case .up(let isTransactional):
                guard found.up == nil else {
                    throw mistake(
                        "a second `-- migrate:up`", "Put it into a file of its own.", line: index + 1)
                }
                found.up = (index, isTransactional)
            case .down(let isTransactional):
                guard found.down == nil else {
                    throw mistake(
                        "a second `-- migrate:down`", "Put it into a file of its own.", line: index + 1)
                }
                guard found.up != nil else {
                    throw mistake(
                        "no line `-- migrate:up` stands above `-- migrate:down`",
                        "Write it there, above the statements.", line: index + 1)
                }
                found.down = (index, isTransactional)
            case nil:
                let isComment = text.drop { $0.isWhitespace }.hasPrefix("--")
                guard found.up != nil || isComment || text.allSatisfy(\.isWhitespace) else {
                    throw mistake(
                        "a statement stands before `-- migrate:up`", "Move it below that line.", line: index + 1)
                }
            }
        }
        guard let up = found.up else {
            throw mistake("there is no line `-- migrate:up`", "Write one above the statements.")
        }
        guard let down = found.down else {
            throw mistake(
                "there is no line `-- migrate:down`", "Write one; what stands below it may be empty.")
        }
        func block(_ range: Range<Int>, _ isTransactional: Bool) -> Block {
            Block(
                sql: range.isEmpty
                    ? ""
                    : String(
                        Substring(scalars[lines[range.lowerBound].startIndex..<lines[range.upperBound - 1].endIndex])),
                firstLine: range.lowerBound + 1, isTransactional: isTransactional)
        }
        self.init(
            name: name, version: version, up: block(up.line..<down.line, up.isTransactional),
            down: block(down.line..<lines.count, down.isTransactional))
    }

    private enum Directive {
        case up(isTransactional: Bool)
        case down(isTransactional: Bool)

        /// `-- migrate:up`, then options as `name:value`; like dbmate, those it does not know mean nothing.
        init?(line: String) {
            guard line.hasPrefix("--") else { return nil }
            let words = line.dropFirst(2).split(whereSeparator: \.isWhitespace)
            let isTransactional = !words.dropFirst().contains("transaction:false")
            switch words.first {
            case "migrate:up": self = .up(isTransactional: isTransactional)
            case "migrate:down": self = .down(isTransactional: isTransactional)
            default: return nil
            }
        }
    }
}

// MARK: Whose it is

extension MigrationFile {
    /// What version 0.1.0 recorded the loader's own schema as.
    package static let formerName = "0001_loader.sql"
    static let formerVersion = "0001"
    static let formerFingerprint = "a0eab8caa6eebd99"

    /// The last of the versions that the program carries.
    static let latestOwn = "00000000000004"

    /// Whether a version is of the loader's own range.
    static func isLoadersOwn(_ version: String) -> Bool { version.count == 14 && version.hasPrefix("0000000000") }

    var isLoadersOwn: Bool { Self.isLoadersOwn(version) }

    /// A copy of the loader's own schema as it was in version 0.1.0, under whatever name.
    var isLedgerOf010: Bool { fingerprint == Self.formerFingerprint }

    var dropsLedger: Bool {
        let words = down.sql.lowercased()
        return words.contains("drop") && (words.contains("loader.ledger") || words.contains("schema loader"))
    }

    /// Tells what is applied, however it is indented, from something else: FNV-1a, 64 bits.
    var fingerprint: String {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        let words = up.sql.utf8.split { $0 == 0x20 || (0x09...0x0D).contains($0) }
        for byte in words.joined(separator: [0x20]) {
            hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3
        }
        let digits = String(hash, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }
}
