/// How often the simulated server and what lies between do what they had better not. All are chances from 0 to 1; what is 0 costs
/// nothing and draws nothing.
struct ServerFaults {
    // MARK: Connecting, for each attempt

    /// Nobody answers until the client gives up.
    var connectHangs = 0.0
    /// Somebody answers at once that nobody is there.
    var connectRefused = 0.0

    // MARK: The connection, for each message

    /// It is cut on the way there: the server never hears of the message.
    var cutBeforeArrival = 0.0
    /// It is cut while the server is at it: what it does may be done, but nobody hears of it.
    var cutBeforeAnswer = 0.0
    /// The same for messages with COMMIT, each for itself.
    var cutBeforeCommit = 0.0
    var cutAfterCommit = 0.0
    /// The answers stay away for `silenceLength`, while the session lives on with all its locks.
    var silence = 0.0
    /// In nanoseconds.
    var silenceLength: Int64 = 300_000_000_000
    /// An answer takes up to `slowness` longer.
    var slow = 0.0
    /// In nanoseconds.
    var slowness: Int64 = 20_000_000_000

    // MARK: The server, for each message

    /// All sessions end, and for `restartLength` it takes nobody (57P03).
    var restart = 0.0
    /// In nanoseconds.
    var restartLength: Int64 = 5_000_000_000
    /// It becomes a standby, and for `restartLength` takes no transaction that wants to write (0A000).
    var standby = 0.0

    // MARK: Statements, for each but those that begin or end

    /// By SQLSTATE, in this order.
    var failures: [(state: String, chance: Double)] = []
    /// 57P01
    var terminated = 0.0

    /// Latency of a way, in nanoseconds.
    var latency: ClosedRange<Int64> = 50_000...2_000_000

    /// Those that are chances, by their names.
    private static var chances: [(name: String, fault: WritableKeyPath<ServerFaults, Double>)] {
        [
            ("connect-hangs", \.connectHangs), ("connect-refused", \.connectRefused),
            ("cut-before-arrival", \.cutBeforeArrival), ("cut-before-answer", \.cutBeforeAnswer),
            ("cut-before-commit", \.cutBeforeCommit), ("cut-after-commit", \.cutAfterCommit), ("silence", \.silence),
            ("slow", \.slow), ("server-restart", \.restart), ("standby", \.standby), ("terminated", \.terminated),
        ]
    }

    /// Those that there are.
    var names: [String] {
        Self.chances.filter { self[keyPath: $0.fault] > 0 }.map(\.name)
            + failures.filter { $0.chance > 0 }.map(\.state)
    }

    func without(_ names: Set<String>) -> ServerFaults {
        var faults = self
        for (name, fault) in Self.chances where names.contains(name) { faults[keyPath: fault] = 0 }
        for index in faults.failures.indices where names.contains(faults.failures[index].state) {
            faults.failures[index].chance = 0
        }
        return faults
    }

    /// Those that a statement can meet without anybody's fault.
    static let states = ["40001", "40P01", "53100", "53200", "55P03", "57014"]
}
