import Foundation
import Kafka
import Postgres
import Synchronization

/// Places where tests make the loader crash, fail or hang, to prove that nothing is lost or doubled there.
///
/// `mid-copy=crash@3,dead-letter=error` kills the process at the third passing of the one, and fails what follows at the first
/// passing of the other. With none set, a passing costs one look at a constant, once a batch.
public enum Failpoint: String, Sendable, CaseIterable {
    case beforeBegin = "before-begin"
    /// The positions have moved within the transaction.
    case afterFence = "after-fence"
    /// The server has some of the rows, and no end of them.
    case midCopy = "mid-copy"
    case beforeCommit = "before-commit"
    /// A batch is in, and the group is not told yet.
    case beforeGroupCommit = "before-group-commit"
    /// The group asks for partitions, and what was taken of them is not loaded yet.
    case revoke
    /// With messages in its hands, the Kafka client is taken for one that no longer fetches a partition.
    case stalledClient = "stalled-client"
    /// At a start: a reset of the group was written into the ledger, and the group has not got the mark yet.
    case adoptedReset = "adopted-reset"
    /// In `loader backfill`: the ledger has moved, and the group has not.
    case backfill
    /// A dead letter is on its way to its topic.
    case deadLetter = "dead-letter"
    /// A batch is said to hold a message more than it does: what a fault of the loader's own comes to.
    case miscount

    public enum Action: String, Sendable {
        /// Ends the process by SIGKILL.
        case crash
        /// Fails what follows, as the server or the brokers would.
        case error
        /// Does not come back, as a call into a library may not.
        case hang
    }

    /// A failpoint that is set, and the passing at which it fires.
    public struct Setting: Sendable, Equatable {
        public var point: Failpoint
        public var action: Action
        public var passing: Int
    }

    /// Text that names no failpoint, or no action.
    public struct Mistake: Error, Equatable, CustomStringConvertible {
        public var text: String
        public var description: String {
            "\(text) is no NAME=crash, NAME=error or NAME=hang with an optional @PASSING; the names are "
                + Failpoint.allCases.map(\.rawValue).joined(separator: ", ")
        }
    }

    /// What such a text sets.
    package static func parse(_ text: String) throws(Mistake) -> [Setting] {
        var settings: [Setting] = []
        for entry in text.split(separator: ",") {
            let halves = entry.split(separator: "=", maxSplits: 1)
            let parts = (halves.last ?? "").split(separator: "@", maxSplits: 1)
            guard halves.count == 2, let point = Failpoint(rawValue: String(halves[0])),
                let action = parts.first.flatMap({ Action(rawValue: String($0)) }),
                let passing = parts.count == 2 ? Int(parts[1]) : 1, passing > 0
            else { throw Mistake(text: String(entry)) }
            settings.append(Setting(point: point, action: action, passing: passing))
        }
        return settings
    }

    /// Sets failpoints for the rest of this process.
    package static func arm(_ settings: [Setting]) {
        guard !settings.isEmpty else { return }
        armed.withLock { $0 = Armed(settings) }
        isArmed.store(true, ordering: .releasing)
    }

    /// All that a passing looks at as a rule.
    private static let isArmed = Atomic(false)
    private static let armed = Mutex<Armed?>(nil)

    final class Armed: Sendable {
        private let settings: [Setting]
        private let passings = Mutex<[Failpoint: Int]>([:])

        init(_ settings: [Setting]) { self.settings = settings }

        func pass(_ point: Failpoint) -> Bool {
            let passing = passings.withLock { passings in
                passings[point, default: 0] += 1
                return passings[point]
            }
            guard let setting = settings.first(where: { $0.point == point && $0.passing == passing }) else {
                return false
            }
            // Past the log: a crash must leave it behind as well.
            let line = Array("failpoint \(point.rawValue): \(setting.action.rawValue)\n".utf8)
            _ = line.withUnsafeBytes { write(2, $0.baseAddress, $0.count) }
            if setting.action == .crash { kill(getpid(), SIGKILL) }
            while setting.action == .hang { sleep(60) }
            return true
        }
    }

    // MARK: Passing

    /// Passes the point. True if what follows is to fail.
    var fails: Bool {
        guard Self.isArmed.load(ordering: .acquiring) else { return false }
        return Self.armed.withLock { $0 }?.pass(self) ?? false
    }

    /// - Throws: as if the connection to the server had gone.
    func pass() throws(TransactionFailure) {
        if fails { throw .postgres(Self.connectionGone, commitSent: false) }
    }

    /// Sends what there is of the rows before it passes.
    func pass(_ stream: borrowing CopyInStream, sending buffer: inout CopyBuffer) throws(PostgresError) {
        guard Self.isArmed.load(ordering: .acquiring) else { return }
        try stream.send(buffer.bytes)
        buffer.removeAll()
        if fails { throw Self.connectionGone }
    }

    /// - Throws: as if no broker had answered.
    package func passToBrokers() throws(KafkaError) {
        if fails { throw Self.brokersGone }
    }

    private static let connectionGone = PostgresError(.connectionLost, message: "a failpoint")
    static let brokersGone = KafkaError(code: .transport, operation: "a failpoint")
}
