import Foundation

/// How much longer than usual a test may wait, for programs that are slower than usual: `TEST_TIME_SCALE`.
public let testTimeScale = ProcessInfo.processInfo.environment["TEST_TIME_SCALE"].flatMap { Double($0) } ?? 1

/// Waits for a condition without keeping one of the few threads that Swift runs tasks on.
///
/// - Parameter timeout: `TEST_TIME_SCALE`, when set, multiplies it.
/// - Throws: when it does not hold in time.
public func eventually(
    _ what: String, within timeout: Duration = .seconds(120), isolation: isolated (any Actor)? = #isolation,
    _ condition: () throws -> Bool
) async throws {
    let deadline = ContinuousClock.now + timeout * testTimeScale
    while try !condition() {
        guard ContinuousClock.now < deadline else { throw TimedOut(what: what) }
        try await Task.sleep(for: .milliseconds(10))
    }
}

public struct TimedOut: Error, CustomStringConvertible {
    public var what: String

    public init(what: String) { self.what = what }

    public var description: String { "not in time: \(what)" }
}
