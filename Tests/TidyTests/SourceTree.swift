import Foundation

/// The repository as text: what the tidy tests read.
enum SourceTree {
    static let root = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../..").standardized

    static let sources = Result { try files(in: "Sources", "swift") }
    static let tests = Result { try files(in: "Tests", "swift") }
    static let others = Result {
        try files(in: "Faults", "swift") + files(in: "Benchmarks", "swift") + files(in: "Simulation", "swift")
    }
    static let pages = Result {
        try files(in: "docs", "md") + ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"].map { try file(at: $0) }
    }

    /// All files of a kind below a folder, in order.
    private static func files(in folder: String, _ kind: String) throws -> [SourceFile] {
        let found = FileManager.default.enumerator(atPath: root.appending(path: folder).path())
        var paths: [String] = []
        while let path = found?.nextObject() as? String {
            if path.hasSuffix("." + kind) { paths.append("\(folder)/\(path)") }
        }
        return try paths.sorted().map(file)
    }

    private static func file(at path: String) throws -> SourceFile {
        SourceFile(path: path, text: try String(contentsOf: root.appending(path: path), encoding: .utf8))
    }
}

/// A file, and its code without comments and literals: what stands between the quotes of an interpolation is code.
struct SourceFile: Sendable {
    struct Line: Sendable {
        /// Names, keywords and attributes in their order.
        var words: [String] = []
        /// What stands between quotes, without what is interpolated.
        var texts: [String] = []
        /// Braces that open less those that close, and whether there is any.
        var depth = 0
        var hasBrace = false
    }

    /// From the root.
    let path: String
    let text: String
    let lines: [Line]

    var name: String { String(path.split(separator: "/").last ?? "") }
    /// The first part of the name: `Thing+Part.swift` is about `Thing`.
    var subject: String { String(name.prefix { $0 != "+" && $0 != "." }) }

    init(path: String, text: String) {
        self.path = path
        self.text = text
        lines = path.hasSuffix(".swift") ? Self.lines(of: Array(text.utf8)) : []
    }

    private static func lines(of bytes: [UInt8]) -> [Line] {
        var lines: [Line] = []
        var line = Line()
        var word: [UInt8] = []
        var text: [UInt8] = []
        var isInString = false
        var isInText = false
        var interpolation = 0
        var position = 0
        func endWord() {
            if !word.isEmpty { line.words.append(String(decoding: word, as: UTF8.self)) }
            word.removeAll(keepingCapacity: true)
        }
        func endText() {
            if !text.isEmpty { line.texts.append(String(decoding: text, as: UTF8.self)) }
            text.removeAll(keepingCapacity: true)
        }
        func next(_ distance: Int) -> UInt8 { position + distance < bytes.count ? bytes[position + distance] : 0 }
        while position < bytes.count {
            let byte = bytes[position]
            let isLiteral = (isInString || isInText) && interpolation == 0
            if byte == UInt8(ascii: "\n") {
                endWord()
                endText()
                lines.append(line)
                line = Line()
                if !isInText { (isInString, interpolation) = (false, 0) }
            } else if byte == UInt8(ascii: "\""), next(1) == byte, next(2) == byte {
                endText()
                isInText.toggle()
                position += 2
            } else if isLiteral, byte == UInt8(ascii: "\\") {
                if next(1) == UInt8(ascii: "(") {
                    interpolation = 1
                    endText()
                }
                position += 1
            } else if byte == UInt8(ascii: "\""), interpolation == 0, !isInText {
                endWord()
                endText()
                isInString.toggle()
            } else if isLiteral {
                // Its bytes are no code.
                text.append(byte)
            } else if byte == UInt8(ascii: "/"), next(1) == byte {
                endWord()
                while next(1) != UInt8(ascii: "\n"), position + 1 < bytes.count { position += 1 }
            } else if isWord(byte) {
                word.append(byte)
            } else {
                endWord()
                if interpolation > 0 {
                    interpolation += byte == UInt8(ascii: "(") ? 1 : byte == UInt8(ascii: ")") ? -1 : 0
                } else if byte == UInt8(ascii: "{") || byte == UInt8(ascii: "}") {
                    line.depth += byte == UInt8(ascii: "{") ? 1 : -1
                    line.hasBrace = true
                }
            }
            position += 1
        }
        endWord()
        lines.append(line)
        return lines
    }

    private static func isWord(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "@"):
            true
        default: false
        }
    }
}

/// Something that a line declares.
struct Declaration {
    static let types: Set<String> = ["struct", "class", "enum", "protocol", "actor", "typealias"]
    private static let values: Set<String> = ["func", "var", "let", "init"]

    var keyword: String
    var name: String
    var line: Int
    /// Public, or a requirement that others call: unused here is not unused.
    var isForOthers: Bool
    /// Nobody outside the file sees it.
    var isOfFile: Bool

    /// What a file declares; of an extension, what it extends.
    static func all(in file: SourceFile) -> [Declaration] {
        file.lines.enumerated().flatMap { number, line in
            line.words.indices.compactMap { place -> Declaration? in
                let word = line.words[place]
                guard types.contains(word) || values.contains(word) || word == "extension" else { return nil }
                let names = line.words[(place + 1)...]
                // `class func`, `extension A.B`: the last of a path counts for a type, the first else.
                guard word == "init" || (names.first.map { !types.contains($0) && !values.contains($0) } ?? false)
                else {
                    return nil
                }
                let name = word == "init" ? "init" : names.first ?? ""
                return Declaration(
                    keyword: word, name: name, line: number + 1,
                    isForOthers: !Set(line.words).isDisjoint(with: ["public", "override", "open"]),
                    isOfFile: !Set(line.words).isDisjoint(with: ["private", "fileprivate"]))
            }
        }
    }
}
