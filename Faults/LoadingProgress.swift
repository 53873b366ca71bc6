import Foundation
import Postgres
import TestSupport

/// How far a landing is loaded by its ledger, asked also while its server comes and goes.
final class LoadingProgress {
    private let landing: Landing
    private var connection: Connection?

    init(_ landing: Landing) { self.landing = landing }

    /// Messages that are in; nil while the server does not answer.
    var loaded: Int? {
        do {
            let connection = try connection ?? landing.schema.connect()
            self.connection = connection
            return try landing.loadedCount(on: connection)
        } catch {
            connection = nil
            return nil
        }
    }

    /// Messages that are in, once the server says so.
    func answer(within timeout: Duration = .seconds(60)) async throws -> Int {
        var answer: Int?
        try await eventually("the server says how much is in", within: timeout) {
            answer = loaded
            return answer != nil
        }
        return answer ?? 0
    }

    /// Waits until more than `before` messages are in.
    ///
    /// - Returns: how long it took, in seconds.
    @discardableResult
    func wait(forMoreThan before: Int, within timeout: Duration = .seconds(120)) async throws -> Double {
        let began = ContinuousClock.now
        try await eventually("more than \(before) messages are in", within: timeout) { loaded ?? 0 > before }
        return began.age
    }
}
