import Foundation
import Kafka
import TestSupport

/// What a case needs of Kafka.
enum ClusterNeed: String, Sendable {
    /// Any cluster will do: its own, or the one of `KAFKA_BROKERS`.
    case any = "any cluster"
    /// Of a cluster that is not its own, `KAFKA_RESTART_COMMAND`, which restarts its brokers and waits until they have.
    case restart = "of a cluster of yours KAFKA_RESTART_COMMAND"
    /// It breaks librdkafka's mock cluster as no real one lets itself be broken.
    case mock = "the mock cluster"
}

/// Where the cases find their Kafka: servers of their own, or the cluster that `KAFKA_BROKERS` names.
enum FaultCluster {
    /// Nil: every case starts its own.
    static let brokers = variable("KAFKA_BROKERS")
    static let restartCommand = variable("KAFKA_RESTART_COMMAND")

    private static func variable(_ name: String) -> String? {
        ProcessInfo.processInfo.environment[name].flatMap { $0.isEmpty ? nil : $0 }
    }

    /// Why a case cannot run on the cluster there is; nil if it can.
    static func reason(against need: ClusterNeed) -> String? {
        guard brokers != nil else { return nil }
        switch need {
        case .any: return nil
        case .restart: return restartCommand == nil ? "KAFKA_RESTART_COMMAND is not set" : nil
        case .mock: return "it needs the mock cluster; without KAFKA_BROKERS it runs"
        }
    }

    /// A broker with its own data that can be restarted, or the cluster of `KAFKA_BROKERS`.
    static func real() throws -> Broker {
        if let brokers { return try Broker(at: brokers) }
        return try Broker(process: NoidaBroker())
    }

    /// The mock, where it is only quicker, or the cluster of `KAFKA_BROKERS`.
    static func mock(brokers count: Int) throws -> Broker {
        if let brokers { return try Broker(at: brokers) }
        return try Broker(mockBrokers: count)
    }

    struct RestartFailed: Error, CustomStringConvertible {
        var description: String
    }

    /// Restarts the brokers of `KAFKA_BROKERS` as its owner has said, and waits until they answer.
    static func restart() async throws {
        let process = Process()
        process.executableURL = URL(filePath: "/bin/sh")
        process.arguments = ["-c", restartCommand ?? "false"]
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = FileHandle.standardError
        try process.runWithoutBlockedSignals()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else {
            throw RestartFailed(description: "KAFKA_RESTART_COMMAND ended with \(process.terminationStatus)")
        }
        let admin = try Admin(properties: [("bootstrap.servers", brokers ?? "")])
        try await eventually("the brokers answer again", within: .seconds(120)) {
            (try? admin.partitionCounts(timeout: .seconds(2))) != nil
        }
    }
}
