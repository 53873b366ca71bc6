import CCrypto

/// SHA-256 and what is made of it, by the library that libpq, librdkafka and libcurl bring with them.
enum SHA256 {
    static let size = 32

    static func hash(_ bytes: [UInt8]) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: size) { digest, count in
            count = CCrypto.SHA256(bytes, bytes.count, digest.baseAddress) == nil ? 0 : size
        }
    }

    /// HMAC-SHA-256 (RFC 2104).
    static func authenticate(_ message: [UInt8], key: [UInt8]) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: size) { code, count in
            var length: UInt32 = 0
            let made = HMAC(
                EVP_sha256(), key, Int32(key.count), message, message.count, code.baseAddress, &length)
            count = made == nil ? 0 : Int(length)
        }
    }

    static func hexadecimal(_ bytes: [UInt8]) -> String {
        let digits = Array("0123456789abcdef".utf8)
        return String(decoding: bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
    }
}
