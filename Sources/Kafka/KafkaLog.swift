import CRdKafka
import Foundation
import Synchronization

/// What librdkafka itself logs, of all clients of the process.
///
/// Unless somebody asks for it, it is dropped: on standard error it would break the log's format.
public enum KafkaLog {
    /// How loud a line is. Nothing of librdkafka's is louder: what matters comes as an error as well, and whoever meets
    /// that knows what it means and says it once.
    public enum Level: Sendable { case notice, info, debug }

    public struct Line: Sendable {
        public var level: Level
        /// librdkafka's word for the place that it comes from, e.g. `FAIL`, `JOIN`.
        public var facility: String
        /// The client, e.g. `loader#consumer-2`.
        public var client: String
        /// Without secrets.
        public var text: String
    }

    private struct State {
        var take: (@Sendable (Line) -> Void)?
        /// Values of properties that must not be shown.
        var secrets: Set<String> = []
        /// The property `debug` is set: who asks for lines wants to see them.
        var isVerbose = false
    }

    private static let state = Mutex(State())

    /// Has all lines to come taken, on librdkafka's own threads; nil drops them.
    public static func send(to take: (@Sendable (Line) -> Void)?) { state.withLock { $0.take = take } }

    /// Leads a client's log here.
    static func receive(from configuration: OpaquePointer, _ properties: ClientProperties) {
        state.withLock { state in
            for (name, value) in properties.list where isSecret(name) && value.utf8.count >= 4 {
                state.secrets.insert(value)
            }
            if properties.list.contains(where: { $0.name == "debug" && !$0.value.isEmpty }) { state.isVerbose = true }
        }
        rd_kafka_conf_set_log_cb(configuration) { client, level, facility, text in
            guard let facility, let text else { return }
            if let client, strcmp(facility, "FAIL") == 0 {
                KafkaCallbacks.behind(rd_kafka_opaque(client))?.closed?.add(String(cString: text))
            }
            KafkaLog.add(level, String(cString: facility), client, text)
        }
    }

    private static func add(
        _ severity: Int32, _ facility: String, _ client: OpaquePointer?, _ text: UnsafePointer<CChar>
    ) {
        let (take, secrets, isVerbose) = state.withLock { ($0.take, $0.secrets, $0.isVerbose) }
        guard let take else { return }
        var line = String(cString: text)
        for secret in secrets where line.contains(secret) { line = line.replacing(secret, with: "***") }
        let name = client.flatMap { rd_kafka_name($0) }.map { String(cString: $0) } ?? ""
        take(
            Line(
                level: level(severity, facility, isVerbose: isVerbose), facility: facility, client: name, text: line))
    }

    /// - Parameter severity: syslog's, 0 (emergency) to 7 (debug).
    static func level(_ severity: Int32, _ facility: String, isVerbose: Bool) -> Level {
        if severity <= 2 { return .notice }
        if isVerbose { return .info }
        // A broker that is away: said again and again, for each broker and each client.
        if ["FAIL", "ERROR", "REQTMOUT", "SASLREFRESH", "SSLCERTVRFY"].contains(facility) { return .debug }
        return severity <= 4 ? .info : .debug
    }

    static func isSecret(_ property: String) -> Bool {
        ["password", "secret", "token", "oauthbearer.config", "key.pem", "jaas"].contains { property.contains($0) }
    }
}
