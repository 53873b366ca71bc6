import CLibPQ
import Foundation

/// `sslrootcert=system`, the authorities that the machine trusts. libpq knows it since version 16 and takes it for a file's
/// name before; here it means the same whichever is installed.
enum SystemAuthorities {
    /// Where distributions keep them, in one file.
    private static let places = [
        "/etc/ssl/certs/ca-certificates.crt",  // Debian, Alpine, Arch
        "/etc/pki/tls/certs/ca-bundle.crt",  // Fedora, Red Hat, Amazon
        "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
        "/etc/ssl/ca-bundle.pem",  // SUSE
        "/etc/ssl/cert.pem",  // macOS, BSD
    ]

    /// The keywords that say to an older libpq what a newer one understands.
    static func keywords(
        _ options: ResolvedOptions, libraryVersion: Int32 = PQlibVersion(),
        environment: [String: String] = ProcessInfo.processInfo.environment,
        isThere: (String) -> Bool = { FileManager.default.isReadableFile(atPath: $0) }
    ) throws(PostgresError) -> [(key: String, value: String)] {
        guard libraryVersion < 160_000, options["sslrootcert"] == "system" else { return [] }
        let mode = options["sslmode"] ?? "prefer"
        // `prefer` is libpq's default, so that nobody has said it.
        guard mode == "prefer" || mode == "verify-full" else {
            throw PostgresError(
                .invalidOptions,
                message: "sslmode=\(mode) beside sslrootcert=system would let anybody's certificate pass",
                hint: "leave sslmode out, or write verify-full")
        }
        // OpenSSL's own variable, which a newer libpq follows as well.
        let candidates = [environment["SSL_CERT_FILE"]].compactMap(\.self).filter { !$0.isEmpty } + places
        guard let bundle = candidates.first(where: isThere) else {
            throw PostgresError(
                .invalidOptions, message: "sslrootcert=system: this machine has no file of authorities",
                hint: "install ca-certificates, or name a PEM file by sslrootcert=/path/ca.pem")
        }
        return [("sslrootcert", bundle), ("sslmode", "verify-full")]
    }
}
