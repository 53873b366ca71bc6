import CCrypto

/// SHA-1, for names that others make by it, and nothing that has to be safe.
enum SHA1 {
    static func hash(_ bytes: [UInt8]) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: 20) { digest, count in
            count = CCrypto.SHA1(bytes, bytes.count, digest.baseAddress) == nil ? 0 : 20
        }
    }

    static func hexadecimal(_ bytes: [UInt8]) -> String { SHA256.hexadecimal(bytes) }
}
