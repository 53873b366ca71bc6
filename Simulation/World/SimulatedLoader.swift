import CSimulation
import Foundation
import Loading
import Logging
import Postgres

/// A process that runs the shipped loader, from its start to its end.
final class SimulatedLoader: @unchecked Sendable {
    // Unchecked: touched only under the baton.
    let process: Int
    let slot: Int
    fileprivate let options: LoadingOptions
    private let log: WorldLog
    private let ended: (SimulatedLoader, any Error) -> Void

    /// - Parameter ended: told why it has ended by itself; killed, it tells nothing.
    init(
        process: Int, slot: Int, _ options: LoadingOptions, log: WorldLog,
        ended: @escaping (SimulatedLoader, any Error) -> Void
    ) {
        (self.process, self.slot, self.options, self.log, self.ended) = (process, slot, options, log, ended)
        sim_spawn(
            Int32(process),
            { opaque in
                if let opaque { Unmanaged<SimulatedLoader>.fromOpaque(opaque).takeRetainedValue().run() }
            }, Unmanaged.passRetained(self).toOpaque())
    }

    /// Nothing has made it end, and yet it has.
    struct Finished: Error {}

    private func run() {
        var failure: any Error = Finished()
        do { try load() } catch { failure = error }
        // The process ends with its first thread, whatever the others are at.
        Moments.after(0) { [self] in ended(self, failure) }
    }

    private func load() throws {
        let logger = Logger(label: "loader") { [log, process] _ in log.handler(of: process) }
        let (targets, mark) = try begin()
        let pipeline = try Pipeline(
            options: options, targets: targets, mark: mark, statistics: LoadingStatistics(), stop: StopRequest(),
            logger: logger)
        try pipeline.run()
    }
}

extension SimulatedLoader {
    /// What a start finds in the database, for which it waits as the shipped one does.
    fileprivate func begin() throws -> ([Target], LedgerMark?) {
        while true {
            do {
                let connection = try Connection(options.connectionOptions("start"))
                defer { connection.close() }
                return (try CompiledRoutes.targets(options, on: connection), try Ledger.mark(on: connection))
            } catch is PostgresError {
                Thread.sleep(forTimeInterval: 1)
            }
        }
    }
}

/// What the loaders and the world have said, for whoever has to understand a story.
final class WorldLog: @unchecked Sendable {
    // Unchecked: touched only under the baton.
    let isKept: Bool
    private(set) var lines: [String] = []

    init(isKept: Bool) { self.isKept = isKept }

    func say(_ text: @autoclosure () -> String) {
        guard isKept else { return }
        // Whether somebody reads along must not change the story.
        sim_hush(true)
        defer { sim_hush(false) }
        let time = Double(sim_now() - 1000 * Moments.second) / 1e9
        lines.append(String(format: "%9.3f  ", time) + text())
    }

    func handler(of process: Int) -> any LogHandler {
        Handler(log: self, process: process)
    }

    private struct Handler: LogHandler {
        let log: WorldLog
        let process: Int
        var metadata: Logger.Metadata = [:]
        var logLevel = Logger.Level.debug

        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }

        func log(event: LogEvent) {
            guard log.isKept else { return }
            sim_hush(true)
            defer { sim_hush(false) }
            let values = (event.metadata ?? [:]).sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
            log.say("[\(process)] \(event.level) \(event.message) \(values.joined(separator: " "))")
        }
    }
}
