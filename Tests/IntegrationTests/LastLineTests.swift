import Foundation
import TestSupport
import Testing

/// How a run says that it is over.
@Suite("Last line")
struct LastLineTests {
    /// The fields of the last line, if that is what it should be.
    private func finished(_ loader: LoaderProcess) throws -> [String: Any] {
        let last = try #require(
            loader.output.split(separator: "\n").last { $0.contains(#""message":"finished""#) }, "\(loader.output)")
        return try #require(try JSONSerialization.jsonObject(with: Data(last.utf8)) as? [String: Any])
    }

    @Test("a bounded run of an empty topic says that it has finished, with nothing loaded")
    func bounded() async throws {
        try await Landing.with(broker: .sharedMock(), server: TestDatabase.shared(), partitions: 1) { landing in
            let loader = try LoaderProcess(landing.environment, arguments: ["--until-end"])
            #expect(try await loader.waitForExit() == 0)
            let finished = try finished(loader)
            #expect(finished["messages"] as? Int == 0)
            #expect(finished["rows"] as? Int == 0)
        }
    }

    @Test("a loader that is asked to stop before anything came says that it has finished")
    func asked() async throws {
        try await Landing.with(broker: .sharedMock(), server: TestDatabase.shared(), partitions: 1) { landing in
            let loader = try LoaderProcess(landing.environment)
            try await eventually("it loads") { loader.output.contains(#""message":"loading""#) }
            loader.kill(SIGTERM)
            #expect(try await loader.waitForExit() == 0)
            #expect(try finished(loader)["messages"] as? Int == 0)
        }
    }

    @Test("a loader that is asked to stop while it waits for its database says that it has finished")
    func waiting() async throws {
        try await Landing.with(broker: .sharedMock(), server: TestDatabase.shared(), partitions: 1) { landing in
            var environment = landing.environment
            environment["DATABASE_URL"] = "postgresql://127.0.0.1:\(try freeLoopbackPort())/nowhere"
            let loader = try LoaderProcess(environment)
            try await eventually("it waits") { loader.output.contains("the database is away") }
            loader.kill(SIGTERM)
            #expect(try await loader.waitForExit() == 0)
            #expect(try finished(loader)["messages"] as? Int == 0)
        }
    }
}
