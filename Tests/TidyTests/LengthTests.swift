import Testing

@Suite("Functions fit a screen")
struct LengthTests {
    private struct Function {
        let path: String
        let line: Int
        let name: String
        let length: Int
    }

    private static let longest = 70
    /// What a comment in a longer one begins with.
    private static let reason = "// Long because "

    @Test("no function is longer than a screen without saying why")
    func functions() throws {
        let files = try SourceTree.sources.get() + SourceTree.others.get()
        let functions = files.flatMap(Self.functions).sorted { $0.length > $1.length }
        #expect(functions.count > 500, "they are no longer found")
        for function in functions where function.length > Self.longest {
            Issue.record(
                "\(function.path):\(function.line): \(function.name) has \(function.length) lines: divide it, or say in it `\(Self.reason)…`"
            )
        }
        let longFiles = files.sorted { $0.lines.count > $1.lines.count }.prefix(10)
        let report =
            ["the ten longest functions:"] + functions.prefix(10).map { "  \($0.length)  \($0.path): \($0.name)" }
            + ["the ten longest files:"] + longFiles.map { "  \($0.lines.count)  \($0.path)" }
        print(report.joined(separator: "\n"))
    }

    /// From the line that declares it to the one where its braces are even again; without those that say why.
    private static func functions(in file: SourceFile) -> [Function] {
        let text = file.text.split(separator: "\n", omittingEmptySubsequences: false)
        return Declaration.all(in: file).filter { $0.keyword == "func" || $0.keyword == "init" }.compactMap {
            function in
            var depth = 0
            var hasOpened = false
            let start = function.line - 1
            for end in start..<file.lines.count {
                depth += file.lines[end].depth
                hasOpened = hasOpened || file.lines[end].hasBrace
                // A requirement of a protocol has no body, and a call of `init` is no declaration.
                if depth < 0 || (!hasOpened && end > start + 12) { return nil }
                guard hasOpened, depth == 0 else { continue }
                let hasReason = text[start...end].contains { $0.contains(reason) }
                return hasReason
                    ? nil
                    : Function(path: file.path, line: function.line, name: function.name, length: end - start + 1)
            }
            return nil
        }
    }
}
