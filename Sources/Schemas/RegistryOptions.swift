import Web

/// Where a registry is, and who asks it.
public struct RegistryOptions: Sendable {
    /// Several of the same registry, which are tried in turn. A path behind the host is kept, as Apicurio's
    /// `/apis/ccompat/v7`, or `/contexts/.name` for a context of Confluent's.
    public var urls: [String]
    public var http: HTTPOptions

    public init(urls: [String], http: HTTPOptions = HTTPOptions()) {
        self.urls = urls.map { url in
            var url = Substring(url)
            while url.last == "/" { url.removeLast() }
            return String(url)
        }
        self.http = http
    }

    /// The same for people: without users and passwords.
    public var place: String { urls.map(HTTPClient.withoutSecrets).joined(separator: ", ") }
}
