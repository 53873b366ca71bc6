import Credentials
import Foundation
import Synchronization

/// The certificates that were shown last where the registry was connected to; nil without TLS, and before.
public struct RegistryCertificates: Sendable, Equatable {
    /// The registry's.
    public var server: Certificate?
    /// The loader's own.
    public var own: Certificate?
}

/// What all threads have seen of them, and when.
final class RegistryCertificatesSeen: Sendable {
    private struct State {
        var last = RegistryCertificates()
        var time: ContinuousClock.Instant?
    }

    private let state = Mutex(State())

    var last: RegistryCertificates { state.withLock { $0.last } }

    /// - Parameters:
    ///   - server: in PEM.
    ///   - own: the file that a connection reads the loader's own from; nil: it has none.
    func note(server: [UInt8], own: String?) {
        let own = own.flatMap { FileManager.default.contents(atPath: $0) }.flatMap { Certificate(pem: Array($0)) }
        let certificates = RegistryCertificates(server: Certificate(pem: server), own: own)
        state.withLock { $0 = State(last: certificates, time: .now) }
    }

    /// Whether they were seen, and not for this long; if so, somebody is looking from now on.
    func isDue(after interval: Duration) -> Bool {
        state.withLock { state in
            guard let time = state.time, .now - time > interval else { return false }
            state.time = .now
            return true
        }
    }
}

extension SchemaSource {
    /// Those that were shown last.
    public var certificates: RegistryCertificates { registry.certificates.last }

    /// Connects anew where none was made for this long, on a thread of its own: one that was renewed is seen by no other way once
    /// all schemas are known.
    public func lookAtCertificates(after interval: Duration) {
        guard registry.certificates.isDue(after: interval) else { return }
        let thread = Thread { [self] in
            // Where it is away, the old ones are what was shown last.
            try? SchemaResolver(self).greet()
        }
        thread.name = "registry"
        thread.start()
    }
}
