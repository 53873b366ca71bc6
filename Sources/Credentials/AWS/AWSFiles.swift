import Foundation

/// AWS's own files on this machine.
enum AWSFiles {
    /// `~/` is the home directory's.
    static func path(_ path: String, home: String) -> String {
        path == "~" || path.hasPrefix("~/") ? home + path.dropFirst() : path
    }

    /// Reads them: each time, because others write them anew.
    static func profiles(_ environment: [String: String]) throws(CredentialFailure) -> AWSProfiles {
        let home = environment["HOME"] ?? ""
        func file(_ variable: String, _ usual: String) -> String {
            let named = environment[variable].flatMap { $0.isEmpty ? nil : $0 }
            return path(named ?? usual, home: home)
        }
        let config = file("AWS_CONFIG_FILE", "~/.aws/config")
        let credentials = file("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials")
        let texts = (try text(config), try text(credentials))
        do throws(AWSProfiles.Mistake) {
            return try AWSProfiles(config: texts.0, credentials: texts.1)
        } catch {
            throw CredentialFailure(
                .unusable, at: error.isOfCredentials ? credentials : config,
                "line \(error.line) is neither a section nor a key with a value", mend: "mend the line")
        }
    }

    private static func text(_ path: String) throws(CredentialFailure) -> String? {
        guard FileManager.default.fileExists(atPath: path) else { return nil }
        guard let bytes = FileManager.default.contents(atPath: path), let text = String(bytes: bytes, encoding: .utf8)
        else {
            throw CredentialFailure(
                .unusable, at: path, "cannot be read, or is no text", mend: "let the loader's user read it")
        }
        return text
    }
}
