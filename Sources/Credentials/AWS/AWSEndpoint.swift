import Foundation

/// Where AWS's services are, where somebody says so himself: behind an endpoint of a VPC, or in a test.
enum AWSEndpoint {
    /// Of the variables and settings that AWS's own programs take; nil: nobody says it.
    ///
    /// - Parameter service: as the variables call it, `STS`.
    static func own(_ service: String, environment: [String: String], profile: (String) -> String?) -> String? {
        func value(_ name: String) -> String? { environment[name].flatMap { $0.isEmpty ? nil : $0 } }
        let isIgnored = value("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS") ?? profile("ignore_configured_endpoint_urls")
        guard isIgnored?.lowercased() != "true" else { return nil }
        var url = value("AWS_ENDPOINT_URL_\(service)") ?? value("AWS_ENDPOINT_URL") ?? profile("endpoint_url")
        while url?.last == "/" { url?.removeLast() }
        return url
    }

    /// - Throws: for one that tokens would go to in the clear.
    static func checked(_ url: String, _ service: String) throws(CredentialFailure) -> String {
        guard SecretPlace.isSafe(url), URLComponents(string: url)?.query == nil else {
            throw CredentialFailure(
                .unusable, at: "AWS's \(service)", "AWS_ENDPOINT_URL_\(service) or AWS_ENDPOINT_URL is no https",
                mend: "write https://, or unset it: secrets go there")
        }
        return url
    }
}
