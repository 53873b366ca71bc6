import Testing

/// The rooms below the commands speak to a program: errors carry codes and coordinates. What a reader types, only the rooms
/// know that have one.
@Suite("Words")
struct WordsTests {
    private static let speechless = [
        "Sources/Sockets/", "Sources/Kafka/", "Sources/Postgres/", "Sources/Web/", "Sources/Records/",
        "Sources/Schemas/",
        "Sources/Loading/",
    ]

    /// PostgreSQL and libpq call settings of theirs so.
    private static let ofTheServer: Set = [
        "statement_timeout", "lock_timeout", "synchronous_commit", "connect_timeout",
    ]

    /// Where a word of the configuration stands all the same.
    private static let exceptions: [String: String] = [
        // What ledgers have in a column: it stays, whatever the key is called.
        "Sources/Loading/Ledger/LedgerMemory.swift": "reset_on_start"
    ]

    private static let commands = [
        "run", "migrate", "infer", "check", "status", "dead-letters", "backfill", "config", "demo", "version",
    ]

    /// What no text may have there.
    private struct Words {
        /// The keys' last parts: `max_rows`, `trim`.
        private var leaves: Set<String> = []
        /// As they are written in full: `batch.max_rows`.
        private var paths: Set<String> = []

        init(keys: [String]) {
            for key in keys {
                let parts = key.split(separator: ".").map(String.init)
                if let leaf = parts.last, !leaf.hasPrefix("<") { leaves.insert(leaf) }
                if parts.count > 1, !key.contains("[]") { paths.insert(parts.prefix(2).joined(separator: ".")) }
            }
        }

        func found(in text: String) -> String? {
            if let path = paths.first(where: { text.contains($0) }) { return path }
            if text.contains("routes[].") { return "routes[]." }
            if text.contains("LOADER_") { return "LOADER_" }
            if let command = WordsTests.commands.first(where: { text.contains("loader \($0)") }) {
                return "loader \(command)"
            }
            if text.contains("--"), let flag = text.firstMatch(of: /(?:^|[ `])(--[a-z]+)/) { return String(flag.1) }
            // What a regular expression would look for a long time.
            guard text.contains(where: { $0 == "_" || $0 == "`" }) || text.contains(": ") else { return nil }
            for match in text.matches(of: /(`?)([a-z_]+)(`|: (?=[a-z\[]))?/) {
                let (leaf, isQuoted) = (String(match.2), !match.1.isEmpty && match.3 != nil)
                guard leaves.contains(leaf), !WordsTests.ofTheServer.contains(leaf) else { continue }
                // A word of its own is a key where it is written as one: `trim`, or rest: none.
                if leaf.contains("_") || isQuoted || match.3?.hasPrefix(":") == true { return leaf }
            }
            return nil
        }
    }

    /// The keys that the configuration declares.
    private static func keys() throws -> [String] {
        let file = try #require(try SourceTree.sources.get().first { $0.name == "ConfigurationKeys.swift" })
        let starts: Set = ["key", "route", "column", "property"]
        return file.lines.indices.dropFirst().compactMap { number -> String? in
            let before = file.lines[number - 1].words.last ?? ""
            guard starts.contains(before) || !starts.isDisjoint(with: file.lines[number].words) else { return nil }
            return file.lines[number].texts.first {
                $0.wholeMatch(of: /[a-z_]+(\[\])?(\.[a-z_]+|\.<[a-z]+>)*/) != nil
            }
        }
    }

    @Test("no text below the commands names a key of the configuration, a variable, a command or a flag of it")
    func speechless() throws {
        let keys = try Self.keys()
        #expect(keys.count > 40, "the keys are not where they were")
        let words = Words(keys: keys)
        for file in try SourceTree.sources.get() where Self.speechless.contains(where: file.path.hasPrefix) {
            for (number, line) in file.lines.enumerated() {
                for text in line.texts {
                    if let word = words.found(in: text), Self.exceptions[file.path] != word {
                        Issue.record("\(file.path):\(number + 1) says \(word): \(text)")
                    }
                }
            }
        }
    }

    @Test("no mend is in words before one knows the reader")
    func wordless() throws {
        for file in try SourceTree.sources.get() where Self.speechless.contains(where: file.path.hasPrefix) {
            #expect(!file.text.contains("mend: .said(") && !file.text.contains("Mend.said("), "\(file.path)")
        }
    }

    @Test(
        "what is looked for is found",
        arguments: [
            "set kafka.group", "mend routes[].topic", "LOADER_FAILPOINTS: x", "see `loader check`", "use --to-earliest",
            "lower batch.max_rows", "take `trim` out", "rest: none", "on_tombstone", "`null_if` takes it",
        ])
    func finds(text: String) throws { #expect(Words(keys: try Self.keys()).found(in: text) != nil) }

    @Test(
        "what is no key is none",
        arguments: [
            "the topic is gone", "default of public.orders.a", "SET LOCAL lock_timeout = '1s'", "loader.positions",
            "key column id", "max.poll.interval.ms", "loader ordinal", "format json cannot read it",
        ])
    func passes(text: String) throws { #expect(Words(keys: try Self.keys()).found(in: text) == nil) }
}
