import CCrypto
import Foundation

/// A private key of RSA, or of the curve P-256, that signs JSON Web Tokens. Whatever prints it, prints no secret.
///
/// Belongs to one thread.
final class SigningKey {
    private let key: OpaquePointer
    /// As RFC 7518 (3.1) calls it: `RS256` or `ES256`.
    let algorithm: String

    /// - Parameter pem: PKCS#8 or the key's own form, without a password.
    /// - Returns: nil for what is no such key.
    init?(pem: [UInt8]) {
        guard let input = BIO_new_mem_buf(pem, Int32(pem.count)) else { return nil }
        defer { BIO_free(input) }
        // Without one of our own libcrypto would ask for a password on the terminal.
        guard let key = PEM_read_bio_PrivateKey(input, nil, { _, _, _, _ in -1 }, nil) else { return nil }
        switch EVP_PKEY_get_base_id(key) {
        case EVP_PKEY_RSA: algorithm = "RS256"
        case EVP_PKEY_EC where Self.isP256(key): algorithm = "ES256"
        default:
            EVP_PKEY_free(key)
            return nil
        }
        self.key = key
    }

    deinit { EVP_PKEY_free(key) }

    private static func isP256(_ key: OpaquePointer) -> Bool {
        var name = [CChar](repeating: 0, count: 80)
        guard EVP_PKEY_get_group_name(key, &name, name.count, nil) == 1 else { return false }
        return strcmp(name, "prime256v1") == 0
    }

    /// What RFC 7515 wants behind the second dot.
    func sign(_ bytes: [UInt8]) -> [UInt8]? {
        guard let context = EVP_MD_CTX_new() else { return nil }
        defer { EVP_MD_CTX_free(context) }
        guard EVP_DigestSignInit(context, nil, EVP_sha256(), nil, key) == 1 else { return nil }
        var count = 0
        guard EVP_DigestSign(context, nil, &count, bytes, bytes.count) == 1 else { return nil }
        var signature = [UInt8](repeating: 0, count: count)
        guard EVP_DigestSign(context, &signature, &count, bytes, bytes.count) == 1 else { return nil }
        signature.removeLast(signature.count - count)
        return algorithm == "ES256" ? Self.raw(signature) : signature
    }

    /// libcrypto writes the two numbers of a curve's signature in DER, and tokens have them one behind the other.
    private static func raw(_ signature: [UInt8]) -> [UInt8]? {
        signature.withUnsafeBufferPointer { bytes in
            var place = bytes.baseAddress
            guard let numbers = d2i_ECDSA_SIG(nil, &place, bytes.count) else { return nil }
            defer { ECDSA_SIG_free(numbers) }
            var raw = [UInt8](repeating: 0, count: 64)
            let size: Int32 = 32
            let isWhole = raw.withUnsafeMutableBufferPointer { raw in
                BN_bn2binpad(ECDSA_SIG_get0_r(numbers), raw.baseAddress, size) == size
                    && BN_bn2binpad(ECDSA_SIG_get0_s(numbers), raw.baseAddress.map { $0 + Int(size) }, size) == size
            }
            return isWhole ? raw : nil
        }
    }
}

extension JSONWebToken {
    /// A token of our own for these claims, which the key signs.
    ///
    /// - Parameter keyID: by which whoever checks it finds the key; nil: it has but one.
    static func signed(_ claims: [String: Any], by key: SigningKey, keyID: String? = nil) -> String? {
        var header: [String: Any] = ["alg": key.algorithm, "typ": "JWT"]
        header["kid"] = keyID
        let parts = [header, claims].compactMap {
            try? JSONSerialization.data(withJSONObject: $0, options: .sortedKeys)
        }
        guard parts.count == 2 else { return nil }
        let text = parts.map(\.base64URL).joined(separator: ".")
        return key.sign(Array(text.utf8)).map { "\(text).\(Data($0).base64URL)" }
    }
}
