import Foundation
import Kafka
import Synchronization

/// What the Kafka clients of this process are made with that stands in files of its own: passwords, certificates, keys. It is
/// read again for each client that is made.
public final class ClientSecrets: Sendable {
    /// librdkafka's properties whose values are files' contents, as those are now; nil where a file cannot be read.
    private let values: @Sendable () -> [String: String]?
    /// Files that librdkafka reads itself, once for each client.
    private let files: [String]

    /// Of librdkafka's properties, those that name a file.
    private static let fileProperties = [
        "ssl.ca.location", "ssl.certificate.location", "ssl.key.location", "ssl.keystore.location", "ssl.crl.location",
    ]

    /// - Parameters:
    ///   - properties: of the configuration.
    ///   - values: those that have their values from files, as they are whenever it is called.
    public init(_ properties: [String: String], values: @escaping @Sendable () -> [String: String]?) {
        files = Self.fileProperties.compactMap { properties[$0] }
        self.values = values
    }

    /// Whether librdkafka reads any files for a client.
    public var hasFiles: Bool { !files.isEmpty }

    /// Those of a configuration in whose place others may stand by now.
    func current(_ properties: [String: String]) -> [String: String] {
        properties.merging(values() ?? [:]) { $1 }
    }

    /// What all of it holds now; nil while a file is missing, as it is for a moment where it is replaced.
    func state() -> State? {
        guard let values = values() else { return nil }
        var contents: [Data] = []
        for file in files {
            // A directory of authorities is none of these: its content is librdkafka's to look up.
            var isDirectory: ObjCBool = false
            if FileManager.default.fileExists(atPath: file, isDirectory: &isDirectory), isDirectory.boolValue {
                continue
            }
            guard let content = FileManager.default.contents(atPath: file) else { return nil }
            contents.append(content)
        }
        return State(values: values, contents: contents)
    }

    /// Compared, and never shown.
    struct State: Equatable {
        var values: [String: String]
        var contents: [Data]
    }
}

/// Looks every few seconds whether the clients' secrets have changed, until it is let go of.
final class SecretWatch: Sendable {
    private final class Shared: Sendable {
        let hasChanged = Atomic(false)
        let hasEnded = Atomic(false)
    }

    private let shared = Shared()

    /// In seconds.
    private static let interval = 2.0

    /// - Parameter wakeup: rung when they have.
    init(_ secrets: ClientSecrets, wakeup: Wakeup) {
        // Before anybody reads them for a client: what changes in between counts as a change.
        let beginning = secrets.state()
        let thread = Thread { [shared] in
            var known = beginning
            var last = beginning
            while !shared.hasEnded.load(ordering: .relaxed) {
                let now = secrets.state()
                // Twice the same: of two files that belong together one is replaced before the other.
                if let now, now == last, now != known {
                    known = now
                    shared.hasChanged.store(true, ordering: .relaxed)
                    wakeup.ring()
                }
                last = now
                Thread.sleep(forTimeInterval: Self.interval)
            }
        }
        thread.name = "secrets"
        thread.start()
    }

    deinit { shared.hasEnded.store(true, ordering: .relaxed) }

    /// Whether they have changed since this was last asked.
    func takeChange() -> Bool { shared.hasChanged.exchange(false, ordering: .relaxed) }
}
