import Foundation
import Synchronization

/// TLS and SASL in front of a plain broker of the tests: `scripts/lib/kafka-gate`, until it is let go of.
public final class KafkaGate: Sendable {
    /// As the script documents them.
    public struct Settings: Encodable, Sendable {
        public var certificate: String?
        public var key: String?
        public var clients: String?
        public var users: [String: String]?
        public var mechanisms: [String]?
        /// Those that are taken; nil: any.
        public var tokens: [String]?
        public var session: Double?
        /// What Metadata says that this user may do to a topic, by the numbers of Kafka's `AclOperation`.
        public var rights: [String: [Int]]?
        /// Who begins with SASL is told that none is wanted.
        public var refusesSASL: Bool?
        /// Each connection ends as soon as it is there.
        public var going: Bool?
        /// The port that brokers are said to be at; nil: the gate's own.
        public var advertised: Int?

        public init(
            _ certificate: TestCertificates.Certificate? = nil, clients: TestCertificates.Certificate? = nil,
            mechanisms: [String]? = nil, users: [String: String]? = nil, tokens: [String]? = nil,
            session: Double? = nil, rights: [String: [Int]]? = nil, going: Bool? = nil
        ) {
            self.certificate = certificate?.file
            key = certificate?.key
            self.clients = clients?.file
            self.mechanisms = mechanisms
            self.users = users
            self.tokens = tokens
            self.session = session
            self.rights = rights
            self.going = going
        }
    }

    /// How often each mechanism was tried and refused, and the tokens that were shown.
    public struct Count: Decodable, Sendable {
        public var tried: [String: Int]
        public var refused: [String: Int]
        public var tokens: [String]
    }

    public let port: UInt16
    private let input = Pipe()
    private let output = Pipe()
    private let process: Process
    private let lock = Mutex(())

    /// - Parameter broker: one on the loopback interface, without TLS and SASL.
    public init(to broker: Broker, _ settings: Settings) throws {
        guard let target = broker.bootstrapServers.split(separator: ":").last, broker.clientProperties.isEmpty else {
            throw POSIXError(.EADDRNOTAVAIL)
        }
        process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        let script = URL(filePath: #filePath).deletingLastPathComponent().appending(
            path: "../../scripts/lib/kafka-gate")
        process.arguments = ["python3", script.path(), String(target), try Self.json(settings)]
        process.standardInput = input
        process.standardOutput = output
        try process.runWithoutBlockedSignals()
        let line = String(decoding: try Self.line(output), as: UTF8.self)
        guard let port = UInt16(line.trimmingCharacters(in: .whitespacesAndNewlines)) else {
            process.terminate()
            throw POSIXError(.ECONNREFUSED)
        }
        self.port = port
    }

    /// The next line, which may come in pieces.
    private static func line(_ pipe: Pipe) throws -> Data {
        var line = Data()
        while line.last != UInt8(ascii: "\n") {
            let more = pipe.fileHandleForReading.availableData
            guard !more.isEmpty else { throw POSIXError(.EPIPE) }
            line += more
        }
        return line
    }

    deinit { process.terminate() }

    public var bootstrapServers: String { "127.0.0.1:\(port)" }

    /// Has other settings for connections to come; those that are nil stay as they are.
    public func change(_ settings: Settings) throws { _ = try command(try Self.json(settings)) }

    /// Ends all connections.
    public func cut() throws { _ = try command(#"{"cut":true}"#) }

    public func count() throws -> Count {
        try JSONDecoder().decode(Count.self, from: try command(#"{"count":true}"#))
    }

    private static func json(_ settings: Settings) throws -> String {
        String(decoding: try JSONEncoder().encode(settings), as: UTF8.self)
    }

    private func command(_ line: String) throws -> Data {
        try lock.withLock { _ in
            try input.fileHandleForWriting.write(contentsOf: Data((line + "\n").utf8))
            return try Self.line(output)
        }
    }
}
