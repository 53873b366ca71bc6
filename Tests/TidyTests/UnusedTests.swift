import Testing

@Suite("Nothing is left over")
struct UnusedTests {
    /// Called by others under these names: the compiler, the standard library, libraries that ask for a conformance.
    private static let called: Set<String> = [
        "body", "configuration", "handlerAdded", "handlerRemoved", "InboundOut", "forceFlush", "hash", "encode", "init",
        "validate", "errorDescription", "debugDescription", "_writeASCII", "KafkaMockProgram", "RegistryMockProgram",
        "Loader", "_",
        // Encoded, and read by others.
        "librdkafka", "libpq",
    ]

    @Test("nothing is declared that nobody uses")
    func declarations() throws {
        let files = try SourceTree.sources.get()
        var counts: [String: Int] = [:]
        for file in try files + SourceTree.tests.get() + SourceTree.others.get() {
            for line in file.lines { for word in line.words { counts[word, default: 0] += 1 } }
        }
        var count = 0
        for file in files {
            for declaration in Declaration.all(in: file) where declaration.keyword != "extension" {
                count += 1
                guard !declaration.isForOthers, !Self.called.contains(declaration.name) else { continue }
                if counts[declaration.name, default: 0] < 2 {
                    Issue.record("\(file.path):\(declaration.line): \(declaration.name)")
                }
            }
        }
        #expect(count > 3000)
    }
}
