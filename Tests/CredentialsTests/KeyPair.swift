import CCrypto
import Foundation

@testable import Credentials

/// A private key in a file, made for a test, and the check of what it signs.
///
/// Belongs to one thread.
final class KeyPair {
    private let key: OpaquePointer
    private let isRSA: Bool
    private let file: TemporaryFile
    let pem: String

    struct Unmade: Error {}

    /// - Parameter kind: `RSA` or `EC`.
    init(_ kind: String) throws {
        isRSA = kind == "RSA"
        let context = EVP_PKEY_CTX_new_from_name(nil, kind, nil)
        defer { EVP_PKEY_CTX_free(context) }
        guard EVP_PKEY_keygen_init(context) == 1 else { throw Unmade() }
        if !isRSA { EVP_PKEY_CTX_set_group_name(context, "P-256") }
        var made: OpaquePointer?
        guard EVP_PKEY_generate(context, &made) == 1, let made else { throw Unmade() }
        key = made
        let output = BIO_new(BIO_s_mem())
        defer { BIO_free(output) }
        PEM_write_bio_PKCS8PrivateKey(output, made, nil, nil, 0, nil, nil)
        var room = [UInt8](repeating: 0, count: 8192)
        let count = BIO_read(output, &room, Int32(room.count))
        pem = String(decoding: room.prefix(Int(count)), as: UTF8.self)
        file = try TemporaryFile(pem)
    }

    deinit { EVP_PKEY_free(key) }

    var path: String { file.path }

    /// Whether a token of three parts is signed by it.
    func hasSigned(_ token: String) throws -> Bool {
        let parts = token.split(separator: ".")
        guard parts.count == 3, var signature = Data(base64URL: parts[2]).map(Array.init) else { return false }
        if !isRSA {
            guard signature.count == 64 else { return false }
            signature = Self.der(signature)
        }
        let signed = Array("\(parts[0]).\(parts[1])".utf8)
        let context = EVP_MD_CTX_new()
        defer { EVP_MD_CTX_free(context) }
        guard EVP_DigestVerifyInit(context, nil, EVP_sha256(), nil, key) == 1 else { throw Unmade() }
        return EVP_DigestVerify(context, signature, signature.count, signed, signed.count) == 1
    }

    /// Two numbers as libcrypto takes them.
    private static func der(_ raw: [UInt8]) -> [UInt8] {
        let numbers = [raw[..<32], raw[32...]].flatMap { number -> [UInt8] in
            var bytes = Array(number.drop { $0 == 0 })
            if bytes.first.map({ $0 >= 0x80 }) ?? true { bytes.insert(0, at: 0) }
            return [2, UInt8(bytes.count)] + bytes
        }
        return [0x30, UInt8(numbers.count)] + numbers
    }
}
