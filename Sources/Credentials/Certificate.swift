import CCrypto
import Foundation

/// What an X.509 certificate (RFC 5280) says of itself.
public struct Certificate: Sendable, Equatable {
    /// `CN=kafka-1.example.com,O=Example`.
    public var subject: String
    public var issuer: String
    /// The names and addresses that it is for.
    public var hosts: [String]
    public var notBefore: Date
    public var notAfter: Date

    /// - Returns: nil if it is none.
    public init?(der: [UInt8]) {
        let certificate = der.withUnsafeBufferPointer { bytes -> OpaquePointer? in
            var next = bytes.baseAddress
            return d2i_X509(nil, &next, bytes.count)
        }
        self.init(taking: certificate)
    }

    /// The first of a file in PEM, which is whose the file is.
    ///
    /// - Returns: nil if there is none.
    public init?(pem: [UInt8]) {
        let memory = pem.withUnsafeBytes { BIO_new_mem_buf($0.baseAddress, Int32(clamping: $0.count)) }
        defer { BIO_free(memory) }
        self.init(taking: PEM_read_bio_X509(memory, nil, nil, nil))
        // What was no certificate is told in a queue of the thread's own.
        ERR_clear_error()
    }

    private init?(taking certificate: OpaquePointer?) {
        guard let certificate else { return nil }
        defer { X509_free(certificate) }
        guard let notBefore = Self.date(X509_get0_notBefore(certificate)),
            let notAfter = Self.date(X509_get0_notAfter(certificate))
        else { return nil }
        subject = Self.text(X509_get_subject_name(certificate))
        issuer = Self.text(X509_get_issuer_name(certificate))
        hosts = Self.hosts(certificate)
        (self.notBefore, self.notAfter) = (notBefore, notAfter)
    }
}

extension Certificate {
    private static func date(_ time: UnsafePointer<ASN1_TIME>?) -> Date? {
        var parts = tm()
        guard ASN1_TIME_to_tm(time, &parts) == 1 else { return nil }
        return Date(timeIntervalSince1970: TimeInterval(timegm(&parts)))
    }

    private static func text(_ name: OpaquePointer?) -> String {
        printed { ccrypto_print_name($0, name) >= 0 }
    }

    /// OpenSSL's own writing of them: `DNS:localhost, IP Address:127.0.0.1`.
    private static func hosts(_ certificate: OpaquePointer) -> [String] {
        let index = X509_get_ext_by_NID(certificate, NID_subject_alt_name, -1)
        guard index >= 0, let names = X509_get_ext(certificate, index) else { return [] }
        let text = printed { X509V3_EXT_print($0, names, 0, 0) == 1 }
        return text.components(separatedBy: ", ").compactMap { name in
            for kind in ["DNS:", "IP Address:"] where name.hasPrefix(kind) { return String(name.dropFirst(kind.count)) }
            return nil
        }
    }

    /// What OpenSSL writes, up to some kilobytes; empty if it does not.
    private static func printed(_ write: (OpaquePointer?) -> Bool) -> String {
        let memory = BIO_new(BIO_s_mem())
        defer { BIO_free(memory) }
        guard write(memory) else { return "" }
        var bytes = [UInt8](repeating: 0, count: 8 << 10)
        let count = BIO_read(memory, &bytes, Int32(bytes.count))
        return String(decoding: bytes.prefix(max(0, Int(count))), as: UTF8.self)
    }
}
