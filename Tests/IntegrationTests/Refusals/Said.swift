import Foundation
import Loading
import TestSupport
import Testing

@testable import Loader

/// Everything that a loader has said where operators look: its log, its status document, its metrics.
struct Said {
    private let words: [String]

    /// Loads all that the topics hold, and listens.
    static func whileLoading(_ options: LoadingOptions) async throws -> Said {
        var options = options
        options.untilEnd = true
        let run = try LoaderRun(options)
        var words: [String] = []
        do { try await run.waitForEnd() } catch {
            words.append("\(error)")
            Issue.record("the loader stopped: \(error)")
        }
        words += run.log.lines.map { "\($0.message) \($0.metadata)" }
        let status = ServiceStatus(run.statistics.snapshot)
        words.append(String(decoding: try StatusDocument(status).encoded(), as: UTF8.self))
        words.append(PrometheusText(status).text)
        return Said(words: words)
    }

    func contains(_ secret: String) -> Bool { words.contains { $0.contains(secret) } }

    func lines(with secret: String) -> [String] { words.filter { $0.contains(secret) } }
}
