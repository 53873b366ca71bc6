import Foundation

/// The credentials at hand, and when others are wanted. It knows neither clock nor network.
struct AWSCredentialStore {
    enum Demand: Equatable {
        /// These do.
        case none(AWSCredentials)
        /// These do, and others are to be fetched beside.
        case soon(AWSCredentials)
        case now
    }

    private var kept: AWSCredentials?
    /// Until when those serve that do not say when they end.
    private var unsaidEnd = Date.distantPast
    /// Whether they come from an instance's metadata.
    private var isOfInstance = false
    /// When others were asked for last.
    private var asked = Date.distantPast
    /// Others are wanted before their end.
    private var isDoubted = false
    private(set) var failure: CredentialFailure?

    /// How long before their end others are fetched beside, and how long before it somebody waits for them.
    private static let advisory: TimeInterval = 15 * 60
    private static let mandatory: TimeInterval = 10 * 60
    /// How long nobody is asked again, as long as those at hand are good.
    private static let pause: TimeInterval = 60
    /// For how long credentials serve that do not say when they end, and come from somebody who has to be asked.
    private static let unsaid: TimeInterval = 300
    /// For how long an instance's own serve on, once they should have ended.
    private static let reprieve: TimeInterval = 15 * 60

    func demand(at now: Date) -> Demand {
        guard let kept, !isDoubted else { return .now }
        guard let end = kept.expires else { return now < unsaidEnd ? .none(kept) : .now }
        let rest = end.timeIntervalSince(now)
        guard rest > 0 else { return .now }
        // A clock that was set back must not hold anybody off.
        if rest > Self.advisory || (0..<Self.pause).contains(now.timeIntervalSince(asked)) { return .none(kept) }
        return rest > Self.mandatory ? .soon(kept) : .now
    }

    /// Takes what has been fetched.
    ///
    /// - Returns: what serves now.
    mutating func take(_ credentials: AWSCredentials, of source: AWSCredentialSource, at now: Date) -> AWSCredentials {
        failure = nil
        asked = now
        isDoubted = false
        if case .instance = source { isOfInstance = true } else { isOfInstance = false }
        if case .written = source {
            // Looked up anew each time: that costs nothing, and somebody may have written others.
            kept = nil
            return credentials
        }
        kept = isOfInstance ? Self.prolonged(credentials, at: now) : credentials
        unsaidEnd = now.addingTimeInterval(Self.unsaid)
        return kept ?? credentials
    }

    /// Why those at hand are not renewed, and when they end; nil where they are.
    var overdue: (failure: CredentialFailure, end: Date)? {
        guard let failure, let end = kept?.expires else { return nil }
        return (failure, end)
    }

    /// Those at hand, as long as nobody has said that they have ended.
    func good(at now: Date) -> AWSCredentials? {
        kept.flatMap { kept in kept.expires.map { now < $0 } ?? true ? kept : nil }
    }

    /// They may be refused before their end: others are asked for once, and no more often than where that fails.
    mutating func renew(at now: Date) {
        isDoubted = isDoubted || !(0..<Self.pause).contains(now.timeIntervalSince(asked))
    }

    /// They are refused before their end: the next are others.
    mutating func forget(_ credentials: AWSCredentials) {
        if kept == credentials { kept = nil }
    }

    /// Notes that nothing could be fetched.
    ///
    /// - Returns: what serves on; nil: there is nothing.
    mutating func fail(
        _ failure: CredentialFailure, of source: AWSCredentialSource?, at now: Date
    ) -> AWSCredentials? {
        self.failure = failure
        asked = now
        isDoubted = false
        guard var credentials = kept else { return nil }
        if isOfInstance, failure.code == .away { credentials = Self.prolonged(credentials, at: now) }
        guard let end = credentials.expires else {
            // Nobody has said that they end.
            unsaidEnd = now.addingTimeInterval(Self.pause)
            return credentials
        }
        guard end > now else { return nil }
        kept = credentials
        return credentials
    }

    /// Where nothing else is set, and no instance's metadata has ever answered, there is most likely none.
    func asMistake(_ failure: CredentialFailure, of source: AWSCredentialSource?) -> CredentialFailure {
        guard case .instance = source, !isOfInstance else { return failure }
        var failure = failure
        if failure.code == .away { failure.code = .unusable }
        failure.words = "no credentials in AWS's variables, files or a container's endpoint, and \(failure.words)"
        return failure
    }

    private static func prolonged(_ credentials: AWSCredentials, at now: Date) -> AWSCredentials {
        guard let end = credentials.expires, end <= now else { return credentials }
        var credentials = credentials
        credentials.expires = now.addingTimeInterval(reprieve)
        return credentials
    }
}

// It holds secrets.
extension AWSCredentialStore: CustomStringConvertible, CustomReflectable {
    var description: String { "credentials of AWS" }
    var customMirror: Mirror { Mirror(self, children: []) }
}
