import Foundation

/// Certificates that `openssl` makes in a directory of their own, which goes with this.
public final class TestCertificates: Sendable {
    public struct Certificate: Sendable {
        /// In PEM.
        public var file: String
        public var key: String

        public init(file: String, key: String) {
            self.file = file
            self.key = key
        }
    }

    private let directory: URL
    public let authority: Certificate

    public init() throws {
        directory = FileManager.default.temporaryDirectory.appending(path: "loader-tls-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        authority = Certificate(
            file: directory.appending(path: "authority.pem").path(),
            key: directory.appending(path: "authority.key").path())
        try Self.openssl([
            "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=an authority of the tests", "-days", "2",
            "-addext", "keyUsage=critical,keyCertSign,cRLSign", "-keyout", authority.key, "-out", authority.file,
        ])
    }

    deinit { try? FileManager.default.removeItem(at: directory) }

    /// A certificate that the authority has signed.
    ///
    /// - Parameters:
    ///   - names: as openssl writes them.
    ///   - isExpired: since a while.
    ///   - start: nil: since a while.
    ///   - end: nil: in many years.
    public func make(
        _ name: String, names: String = "DNS:localhost,IP:127.0.0.1", isExpired: Bool = false,
        from start: Date? = nil, until end: Date? = nil
    ) throws -> Certificate {
        let made = Certificate(
            file: directory.appending(path: "\(name).pem").path(), key: directory.appending(path: "\(name).key").path())
        let request = directory.appending(path: "\(name).csr").path()
        let extensions = directory.appending(path: "\(name).cnf").path()
        let settings = directory.appending(path: "\(name)-ca.cnf").path()
        let database = directory.appending(path: "\(name)-index").path()
        // Python from 3.13 on takes none that does not say whose key has signed it, and none of an authority that may not.
        try "subjectAltName=\(names)\nauthorityKeyIdentifier=keyid\n"
            .write(toFile: extensions, atomically: true, encoding: .utf8)
        try "".write(toFile: database, atomically: true, encoding: .utf8)
        try """
        [ca]
        default_ca = tests
        [tests]
        database = \(database)
        new_certs_dir = \(directory.path())
        rand_serial = yes
        default_md = sha256
        unique_subject = no
        policy = any
        [any]
        commonName = supplied

        """.write(toFile: settings, atomically: true, encoding: .utf8)
        try Self.openssl([
            "req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=\(name)", "-keyout", made.key, "-out", request,
        ])
        // `openssl x509` takes no days but those to come.
        let (from, to) =
            isExpired
            ? ("20200101000000Z", "20200102000000Z")
            : (start.map(Self.time) ?? "20200101000000Z", end.map(Self.time) ?? "20491231000000Z")
        try Self.openssl([
            "ca", "-batch", "-notext", "-config", settings, "-cert", authority.file, "-keyfile", authority.key,
            "-startdate", from, "-enddate", to, "-extfile", extensions, "-in", request, "-out", made.file,
        ])
        return made
    }

    /// As openssl takes it.
    private static func time(_ date: Date) -> String {
        date.ISO8601Format().filter { $0.isNumber || $0 == "Z" }
    }

    private static func openssl(_ arguments: [String]) throws {
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = ["openssl"] + arguments
        process.standardOutput = FileHandle.nullDevice
        let words = Pipe()
        process.standardError = words
        try process.runWithoutBlockedSignals()
        let said = words.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else {
            throw CocoaError(
                .executableRuntimeMismatch,
                userInfo: [NSLocalizedDescriptionKey: String(decoding: said, as: UTF8.self)])
        }
    }
}
