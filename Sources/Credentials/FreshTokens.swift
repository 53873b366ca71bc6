import Foundation

/// A source that is asked anew by whoever comes, but once for all who wait at the same time.
public final class FreshTokens: @unchecked Sendable {
    // Unchecked: `isFetching` and `last` are touched only under `condition`, and the source by one thread at a time.
    private let source: any TokenSource
    private let condition = NSCondition()
    private var isFetching = false
    private var last: (began: ContinuousClock.Instant, result: Result<Token, CredentialFailure>)?

    public init(_ source: any TokenSource) { self.source = source }

    /// A token that was asked for no earlier than now.
    public func next(_ isGivenUp: @escaping @Sendable () -> Bool) throws(CredentialFailure) -> Token {
        let asked = ContinuousClock.now
        condition.lock()
        while isFetching || last.map({ $0.began >= asked }) == true {
            if let last, last.began >= asked {
                condition.unlock()
                return try last.result.get()
            }
            if isGivenUp() {
                condition.unlock()
                throw CredentialFailure(
                    .away, at: source.place, "no answer in time",
                    mend: "look whether it can be reached from this machine")
            }
            _ = condition.wait(until: Date().addingTimeInterval(0.1))
        }
        isFetching = true
        condition.unlock()
        let began = ContinuousClock.now
        let result = Result { () throws(CredentialFailure) in try source.fetch(isGivenUp) }
        condition.lock()
        (isFetching, last) = (false, (began, result))
        condition.broadcast()
        condition.unlock()
        return try result.get()
    }
}
