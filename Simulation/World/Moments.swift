import CSimulation

/// What happens in the world at a moment, by nobody's thread.
///
/// All of it, and all that simulated servers and clients know, is touched by one thread at a time, who has the baton: that stands for
/// every lock here, and for each `nonisolated(unsafe)`.
enum Moments {
    static let second: Int64 = 1_000_000_000
    static let millisecond: Int64 = 1_000_000

    private final class Call {
        let body: () -> Void
        init(_ body: @escaping () -> Void) { self.body = body }
    }

    /// Has something done after so many nanoseconds.
    static func after(_ delay: Int64, _ body: @escaping () -> Void) {
        let call = Unmanaged.passRetained(Call(body)).toOpaque()
        sim_at(
            sim_now() + delay,
            { opaque in
                if let opaque { Unmanaged<Call>.fromOpaque(opaque).takeRetainedValue().body() }
            }, call)
    }
}

/// Draws from the seed.
enum Draw {
    /// A number of a range, each as likely.
    static func from(_ range: Range<Int64>) -> Int64 {
        range.lowerBound + Int64(bitPattern: (sim_random() >> 11) % UInt64(range.upperBound - range.lowerBound))
    }

    static func from(_ range: ClosedRange<Int>) -> Int {
        Int(from(Int64(range.lowerBound)..<Int64(range.upperBound) + 1))
    }

    /// True so often, 0…1.
    static func chance(_ share: Double) -> Bool {
        share > 0 && Double(sim_random() >> 11) * 0x1p-53 < share
    }

    static func one<Element>(of all: [Element]) -> Element { all[from(0...all.count - 1)] }
}

/// The simulated processes: what becomes of what their libraries do by themselves, when one sleeps or is killed.
enum Processes {
    // Under the baton.
    private nonisolated(unsafe) static var sleeping: [Int: [() -> Void]] = [:]
    private nonisolated(unsafe) static var ended: Set<Int> = []

    /// For a new simulation.
    static func forget() { (sleeping, ended) = ([:], []) }

    static func isGone(_ process: Int) -> Bool { ended.contains(process) }

    /// As SIGKILL. Its number is not used again.
    static func kill(_ process: Int) {
        ended.insert(process)
        sleeping[process] = nil
        sim_kill(Int32(process))
    }

    /// As SIGSTOP.
    static func freeze(_ process: Int) {
        guard !isGone(process), sleeping[process] == nil else { return }
        sleeping[process] = []
        sim_freeze(Int32(process), true)
    }

    /// As SIGCONT.
    static func wake(_ process: Int) {
        guard let late = sleeping.removeValue(forKey: process) else { return }
        sim_freeze(Int32(process), false)
        for body in late { body() }
    }

    /// Has a process do something after a while: not while it sleeps, and never once it is dead.
    static func after(_ delay: Int64, in process: Int, _ body: @escaping () -> Void) {
        Moments.after(delay) {
            guard !isGone(process) else { return }
            if sleeping[process] == nil { body() } else { sleeping[process]?.append(body) }
        }
    }
}
