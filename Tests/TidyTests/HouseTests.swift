import Testing

/// Holds the house to its plan: which room knows which, and where things stand.
@Suite("The house")
struct HouseTests {
    /// What each room may import, beside the standard library. Each knows only those above it; see CONTRIBUTING.md.
    private static let rooms: [String: Set<String>] = [
        "CBuild": [], "CCrypto": [], "CCurl": [], "CLibPQ": [], "CRdKafka": [], "CSimdJSON": [], "CZlib": [],
        "CZstd": [],
        "Sockets": [],
        "Kafka": ["CRdKafka", "Sockets"],
        "KafkaMock": ["CRdKafka", "CRdKafkaMock", "Kafka"],
        "KafkaMockProgram": ["ArgumentParser", "KafkaMock", "Kafka"],
        "Postgres": ["CLibPQ", "CCrypto", "Sockets"],
        "Web": ["CCurl"],
        "Records": ["CSimdJSON", "CZlib", "CZstd", "SwiftProtobuf"],
        "Credentials": ["CCrypto", "Web"],
        "Schemas": ["Records", "Web", "Credentials"],
        "RegistryMock": ["NIOCore", "NIOPosix", "NIOHTTP1"],
        "RegistryMockProgram": ["ArgumentParser", "RegistryMock"],
        "Loading": ["Kafka", "Postgres", "Records", "Schemas", "Credentials", "Logging", "Tracing"],
        "Operating": ["Loading", "Kafka", "Postgres", "Records", "Schemas", "Credentials", "Logging"],
        "Loader": [
            "CBuild", "Operating", "Loading", "Kafka", "Postgres", "Records", "Schemas", "Credentials", "Web",
            "ArgumentParser", "Logging", "Tracing",
            "Yams", "NIOCore", "NIOPosix", "NIOHTTP1",
        ],
    ]
    private static let ofTheSystem: Set<String> = [
        "Foundation", "FoundationNetworking", "Synchronization", "Glibc", "Musl", "Darwin", "Dispatch",
    ]

    @Test("a room imports only what stands above it")
    func imports() throws {
        for file in try SourceTree.sources.get() {
            let room = String(file.path.split(separator: "/")[1])
            let allowed = try #require(Self.rooms[room], "\(room) is a room without a place in the plan")
            for name in Self.imports(of: file) where !allowed.contains(name) && !Self.ofTheSystem.contains(name) {
                Issue.record("\(file.path) imports \(name)")
            }
        }
    }

    private static func imports(of file: SourceFile) -> [String] {
        file.lines.compactMap { line in
            guard let place = line.words.firstIndex(of: "import"), place + 1 < line.words.count,
                line.words[..<place].allSatisfy({ $0.hasPrefix("@") || $0 == "public" || $0 == "testable" })
            else { return nil }
            return line.words[place + 1]
        }
    }

    /// Where each message passes: nothing of Foundation costs anything there.
    private static let hot = [
        "Sources/Records/", "Sources/Postgres/Encoding/", "Sources/Loading/Batches/", "Sources/Loading/Pipeline/Member",
        "Sources/Loading/Pipeline/Assign", "Sources/Loading/Writing/Row", "Sources/Loading/Writing/Selection/",
        "Sources/Loading/Writing/Tables/", "Sources/Loading/Writing/Refusals/Row",
    ]
    /// Not where a message passes: it is asked once for each zone.
    private static let cold: Set = ["Sources/Postgres/Encoding/LocalZone.swift"]

    @Test("no Foundation on the way of a message")
    func foundation() throws {
        for file in try SourceTree.sources.get() where Self.hot.contains(where: file.path.hasPrefix) {
            guard !Self.cold.contains(file.path) else { continue }
            #expect(!Self.imports(of: file).contains("Foundation"), "\(file.path)")
        }
    }

    @Test("a file is named for what is in it")
    func names() throws {
        for file in try SourceTree.sources.get() {
            let subject = file.subject
            let all = Declaration.all(in: file)
            // What only extends others, or has but functions, is named for what these do.
            let types = all.filter { Declaration.types.contains($0.keyword) && !$0.isOfFile }
            guard !types.isEmpty else { continue }
            // Its subject itself, a part of it, or what is said of an extended type: `ConfigurationLoading` of
            // `Configuration`, and `MemberAction` is `Member`'s `Action`.
            let names = (types + all.filter { $0.keyword == "extension" }).map(\.name)
            let isNamed = names.contains { name in
                name == subject || name.hasPrefix(subject)
                    || (name.count > 3 && (subject.hasPrefix(name) || subject.hasSuffix(name)))
            }
            if !isNamed { Issue.record("\(file.path) declares no \(subject)") }
        }
    }
}
