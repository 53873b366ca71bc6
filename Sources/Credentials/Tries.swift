import Foundation

/// Does something again that fails as what may come by itself: three times in all, with longer and longer pauses.
struct Tries {
    /// After the first failure.
    var pause: Duration
    /// By how much each pause is longer than the one before.
    var factor: Int
    /// Behind this nothing is begun any more.
    var deadline: ContinuousClock.Instant
    /// Asked before each pause; once true, nobody needs the answer.
    var isGivenUp: () -> Bool

    private static let count = 3

    func run<Value>(_ attempt: () throws(CredentialFailure) -> Value) throws(CredentialFailure) -> Value {
        var pause = pause
        for _ in 1..<Self.count {
            do throws(CredentialFailure) {
                return try attempt()
            } catch {
                guard error.code == .away, ContinuousClock.now + pause < deadline, !isGivenUp() else { throw error }
                Thread.sleep(forTimeInterval: Double(pause.components.attoseconds) / 1e18)
                pause *= factor
            }
        }
        return try attempt()
    }
}
