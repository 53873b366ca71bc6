import Foundation

/// What a file of Google's says of who asks: a service account with a key, or a workload of somebody else's that may be one.
///
/// Whatever prints it, prints no secret.
struct GoogleCredentials: Decodable {
    var type: String
    // Of a service account.
    var email: String?
    var key: String?
    var keyID: String?
    var tokenURL: String?
    // Of a workload.
    var audience: String?
    var subjectType: String?
    var exchangeURL: String?
    var impersonationURL: String?
    var source: Source?

    /// Where the workload's own token is.
    struct Source: Decodable {
        struct Format: Decodable {
            var type: String?
            var field: String?

            private enum CodingKeys: String, CodingKey {
                case type
                case field = "subject_token_field_name"
            }
        }

        var file: String?
        var format: Format?
    }

    private enum CodingKeys: String, CodingKey {
        case type
        case email = "client_email"
        case key = "private_key"
        case keyID = "private_key_id"
        case tokenURL = "token_uri"
        case audience
        case subjectType = "subject_token_type"
        case exchangeURL = "token_url"
        case impersonationURL = "service_account_impersonation_url"
        case source = "credential_source"
    }

    init(_ file: CredentialFile) throws(CredentialFailure) {
        let bytes = try file.read()
        do {
            self = try JSONDecoder().decode(GoogleCredentials.self, from: Data(bytes))
        } catch {
            throw CredentialFailure(
                .unusable, at: file.place, "it is no file of credentials of Google's",
                mend: "mend \(file.key): it names the JSON file of a service account's key or of a workload identity")
        }
    }
}

extension GoogleCredentials: CustomStringConvertible, CustomReflectable {
    var description: String { "credentials of Google of the type \(type)" }
    var customMirror: Mirror { Mirror(self, children: []) }
}
