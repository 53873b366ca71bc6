import Foundation

/// TLS in front of a server of the tests: `scripts/lib/tls-gate`, until it is let go of.
public final class TLSGate: Sendable {
    public let port: UInt16
    private let input = Pipe()
    private let process: Process

    /// - Parameters:
    ///   - port: of the server, on the loopback interface.
    ///   - clients: who may have signed the certificate that a client must have; nil: it needs none.
    ///   - version: the only one that is spoken, as Python calls it: `TLSv1_1`.
    public init(
        to port: UInt16, _ certificate: TestCertificates.Certificate, clients: TestCertificates.Certificate? = nil,
        version: String? = nil
    ) throws {
        process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        let script = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../scripts/lib/tls-gate")
        process.arguments =
            ["python3", script.path(), String(port), certificate.file, certificate.key, clients?.file ?? ""]
            + [version].compactMap { $0 }
        let output = Pipe()
        process.standardInput = input
        process.standardOutput = output
        try process.runWithoutBlockedSignals()
        let line = String(decoding: output.fileHandleForReading.availableData, as: UTF8.self)
        guard let port = UInt16(line.trimmingCharacters(in: .whitespacesAndNewlines)) else {
            process.terminate()
            throw POSIXError(.ECONNREFUSED)
        }
        self.port = port
    }

    deinit { process.terminate() }

    /// Ends it, and waits for its end.
    public func stop() {
        process.terminate()
        process.waitUntilExit()
    }

    /// By a name that the certificates of `TestCertificates` are for.
    public var url: String { "https://localhost:\(port)" }
}
