import Foundation
import Synchronization

/// Who the loader is to AWS, for all of the process that asks it: found where AWS's own programs look, kept, and renewed before it
/// ends.
public final class AWSCredentialChain: Sendable {
    /// AWS's time, with which is signed, and by how much this machine's is off.
    public let clock: AWSClock
    private let identity: AWSIdentity
    /// In place of all that is found.
    private let own: AWSCredentials?
    private let readOwn: (@Sendable () -> AWSCredentials?)?
    private let ownRegion: String?
    private let environment: [String: String]
    private let store = Mutex(AWSCredentialStore())
    private let foundRegion = Mutex<String?>(nil)
    /// Held by the one that fetches.
    private let fetching = NSLock()

    /// How long an attempt to get credentials may take, and how long one waits for the attempt of another.
    private static let patience = Duration.seconds(12)

    /// - Parameters:
    ///   - credentials: that somebody has named, in place of all that is found.
    ///   - readCredentials: those as they are now, where files hold them; nil while those cannot be read.
    ///   - region: where STS is asked, if AWS's own settings do not say it.
    ///   - environment: with AWS's variables.
    public init(
        _ identity: AWSIdentity = AWSIdentity(), credentials: AWSCredentials? = nil,
        readCredentials: (@Sendable () -> AWSCredentials?)? = nil, region: String? = nil,
        environment: [String: String], clock: AWSClock = AWSClock()
    ) {
        self.identity = identity
        own = credentials
        readOwn = readCredentials
        ownRegion = region
        self.environment = environment
        self.clock = clock
    }

    /// Credentials that are good now, at once where some are at hand.
    ///
    /// Those that end within a quarter of an hour are renewed beside that, within ten minutes before. While that fails, they serve
    /// as long as they are good, and an instance's own longer: its metadata service is known to hand out old ones while AWS has
    /// trouble, and to be away.
    ///
    /// - Parameter isGivenUp: asked while it waits.
    public func credentials(_ isGivenUp: () -> Bool = { false }) throws(CredentialFailure) -> AWSCredentials {
        if let own { return readOwn?() ?? own }
        switch store.withLock({ $0.demand(at: clock.now) }) {
        case .none(let credentials): return credentials
        case .soon(let credentials):
            let thread = Thread { [self] in
                guard fetching.try() else { return }
                defer { fetching.unlock() }
                guard case .soon = store.withLock({ $0.demand(at: clock.now) }) else { return }
                _ = try? renew { false }
            }
            thread.name = "aws-credentials"
            thread.start()
            return credentials
        case .now:
            do throws(CredentialFailure) {
                try waitForTurn(isGivenUp)
            } catch {
                guard let credentials = store.withLock({ $0.good(at: clock.now) }) else { throw error }
                return credentials
            }
            defer { fetching.unlock() }
            // Whoever had the turn before may have brought them.
            if case .none(let credentials) = store.withLock({ $0.demand(at: clock.now) }) { return credentials }
            return try withoutActuallyEscaping(isGivenUp) { isGivenUp in
                Result { () throws(CredentialFailure) in try renew(isGivenUp) }
            }.get()
        }
    }

    /// They are refused before their end, as those of a session that somebody has ended: the next are others.
    public func forget(_ credentials: AWSCredentials) { store.withLock { $0.forget(credentials) } }

    /// What was signed with them is refused, which may have another cause: the next are others, if there are any, and until then
    /// these serve.
    public func renew() { store.withLock { $0.renew(at: clock.now) } }

    /// Why the last attempt to renew the credentials has failed, while others serve; nil once it has not.
    public var failure: CredentialFailure? { store.withLock { $0.failure } }

    /// What somebody should know of it, although there are credentials; nil: nothing.
    public var note: String? {
        var notes: [String] = []
        if let (failure, end) = store.withLock({ $0.overdue }) {
            notes.append(
                "the credentials of AWS serve until \(end.formatted(.iso8601)) and are not renewed: \(failure)")
        }
        let skew = Int(clock.skew)
        if skew != 0 {
            notes.append(
                "this machine's clock is \(abs(skew)) s \(skew > 0 ? "behind" : "ahead of") AWS's; what is signed is corrected"
            )
        }
        return notes.isEmpty ? nil : notes.joined(separator: "; ")
    }

    private func waitForTurn(_ isGivenUp: () -> Bool) throws(CredentialFailure) {
        let deadline = ContinuousClock.now + Self.patience
        while !fetching.lock(before: Date().addingTimeInterval(0.1)) {
            guard ContinuousClock.now < deadline, !isGivenUp() else {
                throw CredentialFailure(
                    .away, at: "AWS's credentials", "another attempt to get them takes longer than that",
                    mend: "look at what is asked for them")
            }
        }
    }

    /// Called by the one that holds the lock.
    private func renew(_ isGivenUp: @escaping () -> Bool) throws(CredentialFailure) -> AWSCredentials {
        var source: AWSCredentialSource?
        do throws(CredentialFailure) {
            let plan = try plan()
            let found = try plan.source()
            source = found
            let credentials = try fetch(plan, isGivenUp).credentials(from: found)
            return store.withLock { $0.take(credentials, of: found, at: clock.now) }
        } catch {
            let failure = error
            let kept = store.withLock { $0.fail(failure, of: source, at: clock.now) }
            guard let kept else { throw store.withLock { $0.asMistake(failure, of: source) } }
            return kept
        }
    }

    private func plan() throws(CredentialFailure) -> AWSCredentialPlan {
        AWSCredentialPlan(identity, environment: environment, profiles: try AWSFiles.profiles(environment))
    }

    private func fetch(_ plan: AWSCredentialPlan, _ isGivenUp: @escaping () -> Bool) -> AWSCredentialFetch {
        AWSCredentialFetch(
            exchange: AWSExchange(clock: clock, deadline: .now + Self.patience, isGivenUp: isGivenUp),
            environment: environment, setting: plan.setting, region: plan.region ?? ownRegion,
            sessionName: Self.sessionName)
    }

    /// What AWS's log of requests calls this process. It stays the same: another name is another principal to a broker, which then
    /// refuses the next token within a connection.
    static let sessionName: String = {
        let host = ProcessInfo.processInfo.hostName.prefix { $0 != "." }
        let name = "loader-" + host.filter { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "-") }
        return String(name.prefix(64))
    }()

    // MARK: Regions

    /// The region that is wanted: named, said by the hosts' names, by AWS's settings, or by the instance's metadata.
    public func region(
        _ wanted: AWSRegion, _ isGivenUp: () -> Bool = { false }
    ) throws(CredentialFailure) -> String {
        if let region = wanted.known { return region }
        if let region = foundRegion.withLock({ $0 }) { return region }
        let plan = try plan()
        if let region = plan.region { return region }
        let mend = "set region beside the source, or AWS_REGION"
        guard let endpoint = try plan.instance() else {
            throw CredentialFailure(.unusable, at: "AWS's region", "nobody names it", mend: mend)
        }
        do throws(CredentialFailure) {
            let region = try withoutActuallyEscaping(isGivenUp) { isGivenUp in
                let exchange = AWSExchange(clock: clock, deadline: .now + Self.patience, isGivenUp: isGivenUp)
                return Result { () throws(CredentialFailure) in
                    try AWSInstanceMetadata(exchange: exchange, endpoint: endpoint).region()
                }
            }.get()
            foundRegion.withLock { $0 = region }
            return region
        } catch {
            throw CredentialFailure(
                .unusable, at: "AWS's region", "nobody names it, and \(error.place) says: \(error.words)", mend: mend)
        }
    }
}

extension AWSCredentialPlan {
    /// Of AWS's settings.
    var region: String? {
        ["AWS_REGION", "AWS_DEFAULT_REGION"].compactMap { environment[$0] }.first(where: AWSRegion.isRegion)
            ?? setting("region").flatMap { AWSRegion.isRegion($0) ? $0 : nil }
    }
}

// It holds variables, and so secrets.
extension AWSCredentialChain: CustomStringConvertible, CustomReflectable {
    public var description: String { "who the loader is to AWS" }
    public var customMirror: Mirror { Mirror(self, children: []) }
}
