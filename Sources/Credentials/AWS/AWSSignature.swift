import Foundation
import Web

/// Signs requests to AWS: Signature Version 4, in headers or in the URL.
///
/// Source: "AWS Signature Version 4 for API requests" in the IAM user guide, and the vectors published with it.
public struct AWSSignature: Sendable {
    static let algorithm = "AWS4-HMAC-SHA256"

    var credentials: AWSCredentials
    var region: String
    /// As AWS calls it in its credential scopes: `glue`.
    var service: String

    public init(_ credentials: AWSCredentials, region: String, service: String) {
        self.credentials = credentials
        self.region = region
        self.service = service
    }

    /// A request as it will be sent.
    public struct Request: Sendable {
        var method: String
        /// With the port, where it is not the scheme's own.
        var host: String
        var path: String
        /// Not escaped.
        var query: [(name: String, value: String)]
        /// Those that are signed as well.
        var headers: [(name: String, value: String)]
        var body: [UInt8]

        public init(
            _ method: String, host: String, path: String = "/", query: [(name: String, value: String)] = [],
            headers: [(name: String, value: String)] = [], body: [UInt8] = []
        ) {
            self.method = method
            self.host = host
            self.path = path
            self.query = query
            self.headers = headers
            self.body = body
        }
    }

    /// The headers that a request needs beside its own. They are good for a quarter of an hour.
    public func headers(_ request: Request, at date: Date = Date()) -> [(name: String, value: String)] {
        let time = Self.time(date)
        var added: [(name: String, value: String)] = [("X-Amz-Date", time)]
        if let token = credentials.sessionToken { added.append(("X-Amz-Security-Token", token)) }
        let (canonical, names) = Self.canonical(request, added)
        added.append(
            (
                "Authorization",
                "\(Self.algorithm) Credential=\(credentials.accessKeyID)/\(scope(time)), SignedHeaders=\(names), "
                    + "Signature=\(signature(of: canonical, time))"
            ))
        return added
    }

    /// What the signature is good for, beside the request itself.
    func scope(_ time: String) -> String { "\(time.prefix(8))/\(region)/\(service)/aws4_request" }

    /// - Parameter canonical: the request in the one form that both sides make of it.
    func signature(of canonical: String, _ time: String) -> String {
        let signed = [Self.algorithm, time, scope(time), SHA256.hexadecimal(SHA256.hash(Array(canonical.utf8)))]
        return SHA256.hexadecimal(
            SHA256.authenticate(Array(signed.joined(separator: "\n").utf8), key: key(time.prefix(8))))
    }

    /// A key for this day, place and service, so that the secret itself signs nothing.
    private func key(_ day: Substring) -> [UInt8] {
        [String(day), region, service, "aws4_request"].reduce(Array("AWS4\(credentials.secretAccessKey)".utf8)) {
            key, part in SHA256.authenticate(Array(part.utf8), key: key)
        }
    }

    static func canonical(
        _ request: Request, _ added: [(name: String, value: String)]
    ) -> (text: String, names: String) {
        let headers = (request.headers + added + [("Host", request.host)])
            .map { (name: $0.name.lowercased(), value: trimmed($0.value)) }.sorted { $0.name < $1.name }
        let names = headers.map(\.name).joined(separator: ";")
        let query = request.query.map { ($0.name.percentEncoded, $0.value.percentEncoded) }.sorted { $0 < $1 }
        let lines =
            [
                request.method,
                request.path.split(separator: "/", omittingEmptySubsequences: false)
                    .map { String($0).percentEncoded }.joined(separator: "/"),
                query.map { "\($0)=\($1)" }.joined(separator: "&"),
            ] + headers.map { "\($0.name):\($0.value)" }
            + ["", names, SHA256.hexadecimal(SHA256.hash(request.body))]
        return (lines.joined(separator: "\n"), names)
    }

    /// Without white space at its ends, and with single spaces.
    private static func trimmed(_ value: String) -> String { value.split(separator: " ").joined(separator: " ") }

    /// `20150830T123600Z`
    static func time(_ date: Date) -> String {
        var calendar = Calendar(identifier: .gregorian)
        calendar.timeZone = .gmt
        let parts = calendar.dateComponents([.year, .month, .day, .hour, .minute, .second], from: date)
        func two(_ number: Int?) -> String { (number ?? 0) < 10 ? "0\(number ?? 0)" : "\(number ?? 0)" }
        return "\(parts.year ?? 0)\(two(parts.month))\(two(parts.day))T\(two(parts.hour))\(two(parts.minute))"
            + "\(two(parts.second))Z"
    }
}
