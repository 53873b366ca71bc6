import Foundation

/// A file with a secret in it, read again at each use: who writes it may have written it anew.
struct CredentialFile {
    var path: String
    /// The key that names it, for mends: `path`.
    var key: String
    /// More than a token or a key has, and less than somebody's whole disk.
    private static let largest = 1 << 20

    var place: String { "the file \(path)" }

    func read() throws(CredentialFailure) -> [UInt8] {
        let mend = "mend \(key), or let the loader's user read the file"
        guard let handle = FileHandle(forReadingAtPath: path) else {
            let words = String(cString: strerror(errno))
            throw CredentialFailure(.unusable, at: place, "it cannot be read: \(words)", mend: mend)
        }
        defer { try? handle.close() }
        guard let bytes = try? handle.read(upToCount: Self.largest + 1) else {
            throw CredentialFailure(.unusable, at: place, "it cannot be read, or is empty", mend: mend)
        }
        guard bytes.count <= Self.largest else {
            throw CredentialFailure(.unusable, at: place, "it is too large for a secret", mend: "mend \(key)")
        }
        return Array(bytes)
    }

    /// A token that is all there is in it, but for white space around it.
    func token() throws(CredentialFailure) -> String {
        let text = String(decoding: try read(), as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
        guard Token.isOne(text) else {
            throw CredentialFailure(
                .unusable, at: place, text.isEmpty ? "it is empty" : "what is in it is no token",
                mend: "mend \(key): the file has the token and nothing else")
        }
        return text
    }
}
