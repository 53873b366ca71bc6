import CCrypto
import CLibPQ
import Foundation

/// Who is on the other side of a connection, how that is known, and who can read along.
public struct ConnectionSecurity: Sendable, Equatable {
    /// What of the server's certificate is checked.
    public enum Check: Sendable, Equatable {
        /// Whoever sits in between may show one of his own.
        case nothing
        /// That somebody trusted has signed it, for whichever host.
        case authority
        /// That it is this host's.
        case host
    }

    public struct Certificate: Sendable, Equatable {
        /// `CN=db1.example.com`
        public var subject: String
        public var issuer: String
        /// Until when it is good.
        public var ends: Date
    }

    /// Over a socket of this machine, or to a loopback address: nobody is in between.
    public var isLocal: Bool
    /// `TLSv1.3`; nil: everybody in between can read along.
    public var version: String?
    public var check: Check
    /// The server's; nil where libpq shows none.
    public var certificate: Certificate?
    /// The one shown to the server; nil: none.
    public var ownCertificate: Certificate?
    /// The server has asked for a password, and got it.
    public var usedPassword: Bool
    public var usedKerberos: Bool

    public init(
        isLocal: Bool, version: String?, check: Check, certificate: Certificate? = nil,
        ownCertificate: Certificate? = nil, usedPassword: Bool = false, usedKerberos: Bool = false
    ) {
        self.isLocal = isLocal
        self.version = version
        self.check = check
        self.certificate = certificate
        self.ownCertificate = ownCertificate
        self.usedPassword = usedPassword
        self.usedKerberos = usedKerberos
    }

    /// Somebody in between could read along, or pass for the server.
    public var isOpenToOthers: Bool { !isLocal && (version == nil || check != .host) }

    /// Whether an address, or a socket's directory, is this machine's own.
    static func isLocal(host: String, address: String) -> Bool {
        if host.hasPrefix("/") || host.hasPrefix("@") { return true }
        return address.hasPrefix("127.") || address == "::1" || address.hasPrefix("::ffff:127.")
    }
}

extension Connection {
    /// As far as libpq tells.
    public var security: ConnectionSecurity? {
        guard isOpen, let handle else { return nil }
        func text(_ value: UnsafeMutablePointer<CChar>?) -> String { value.map { String(cString: $0) } ?? "" }
        let isLocal = ConnectionSecurity.isLocal(host: text(PQhost(handle)), address: text(PQhostaddr(handle)))
        guard PQsslInUse(handle) == 1 else {
            // Kerberos' own encryption is one as well, of a server that it knows.
            let isEncrypted = PQgssEncInUse(handle) == 1
            return ConnectionSecurity(
                isLocal: isLocal, version: isEncrypted ? "GSSAPI" : nil, check: isEncrypted ? .host : .nothing,
                usedPassword: PQconnectionUsedPassword(handle) == 1, usedKerberos: isEncrypted)
        }
        let session = PQsslStruct(handle, "OpenSSL").map { OpaquePointer($0) }
        // Where there is a file of authorities, libpq asks them in every mode.
        let isVerified = session.map { SSL_get_verify_mode($0) & SSL_VERIFY_PEER != 0 } ?? false
        let check: ConnectionSecurity.Check =
            switch ResolvedOptions(of: handle)["sslmode"] {
            case "verify-full": .host
            case "verify-ca": .authority
            default: isVerified ? .authority : .nothing
            }
        let peer = session.flatMap { SSL_get1_peer_certificate($0) }
        defer { X509_free(peer) }
        return ConnectionSecurity(
            isLocal: isLocal, version: PQsslAttribute(handle, "protocol").map { String(cString: $0) } ?? "TLS",
            check: check, certificate: peer.flatMap { ConnectionSecurity.Certificate($0) },
            // Not freed: it is the session's.
            ownCertificate: session.flatMap { SSL_get_certificate($0) }.flatMap { ConnectionSecurity.Certificate($0) },
            usedPassword: PQconnectionUsedPassword(handle) == 1)
    }
}

extension ConnectionSecurity.Certificate {
    /// - Parameter certificate: an X509 of OpenSSL's.
    init?(_ certificate: OpaquePointer) {
        var parts = tm()
        guard ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &parts) == 1 else { return nil }
        self.init(
            subject: Self.text(X509_get_subject_name(certificate)),
            issuer: Self.text(X509_get_issuer_name(certificate)),
            ends: Date(timeIntervalSince1970: TimeInterval(timegm(&parts))))
    }

    private static func text(_ name: OpaquePointer?) -> String {
        guard let name, let output = BIO_new(BIO_s_mem()) else { return "" }
        defer { BIO_free(output) }
        // Escaped as it should be, whatever somebody has signed.
        _ = ccrypto_print_name(output, name)
        var bytes = [CChar](repeating: 0, count: 512)
        let count = BIO_read(output, &bytes, Int32(bytes.count))
        return String(decoding: bytes.prefix(Int(max(0, count))).map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
