import Foundation
import Web

/// Tokens of OAuth 2.0 that a client gets by its own credentials (RFC 6749, 4.4), each kept while it is good.
///
/// Belongs to one thread, which waits in it.
public final class OAuthTokens {
    /// Who asks, and where. Whatever prints it, prints no secret.
    public struct Client: Sendable, Equatable {
        public var url: String
        var id: String
        var secret: String
        var scope: String?

        public init(url: String, id: String, secret: String, scope: String? = nil) {
            self.url = url
            self.id = id
            self.secret = secret
            self.scope = scope
        }
    }

    private let client: Client
    private let http: HTTPClient
    private var token: (text: String, until: ContinuousClock.Instant)?

    public init(_ client: Client, _ http: HTTPOptions) {
        self.client = client
        var http = http
        http.credentials = .basic(user: client.id.percentEncoded, password: client.secret.percentEncoded)
        self.http = HTTPClient(http)
    }

    /// The one at hand, or else another.
    public func current(_ isGivenUp: () -> Bool) throws(OAuthFailure) -> String {
        if let token, .now < token.until { return token.text }
        let asked = ContinuousClock.now
        let answer = try ask(isGivenUp)
        // Whoever checks it has a clock of its own, and the request is still on its way then.
        token = (answer.token, asked + .seconds(answer.lifetime) * 0.8)
        return answer.token
    }

    /// It was refused: the next one is another.
    public func forget() { token = nil }

    private struct Answer: Decodable {
        var token: String
        /// In seconds.
        var lifetime: Double

        private enum CodingKeys: String, CodingKey {
            case token = "access_token"
            case lifetime = "expires_in"
        }

        init(from decoder: any Decoder) throws {
            let fields = try decoder.container(keyedBy: CodingKeys.self)
            token = try fields.decode(String.self, forKey: .token)
            // A number by the standard, a text of some servers, and left out by others.
            let number = try? fields.decode(Double.self, forKey: .lifetime)
            let text = (try? fields.decode(String.self, forKey: .lifetime)).flatMap { Double($0) }
            lifetime = min(max(number ?? text ?? 300, 0), 86_400)
        }
    }

    private func ask(_ isGivenUp: () -> Bool) throws(OAuthFailure) -> Answer {
        var form = "grant_type=client_credentials"
        if let scope = client.scope { form += "&scope=\(scope.percentEncoded)" }
        let request = HTTPRequest(
            .post(Array(form.utf8)), client.url,
            headers: [
                ("Content-Type", "application/x-www-form-urlencoded"), ("Accept", "application/json"),
            ])
        let place = HTTPClient.withoutSecrets(client.url)
        let answer: HTTPAnswer
        do throws(HTTPFailure) {
            answer = try http.send(request, isGivenUp: isGivenUp)
        } catch {
            throw OAuthFailure(code: .unanswered(error), words: error.words, url: place)
        }
        if answer.status == 200, let said = try? JSONDecoder().decode(Answer.self, from: Data(answer.body)) {
            return said
        }
        // Of the error only its name: the description of some servers repeats what was sent.
        struct Refusal: Decodable { var error: String }
        let said = (try? JSONDecoder().decode(Refusal.self, from: Data(answer.body)))?.error.prefix(60)
        let code: OAuthFailure.Code =
            switch answer.status {
            case 408, 425, 429, 500...: .away
            case 400, 401, 403: said == nil && answer.status == 400 ? .noTokenServer : .refused
            default: .noTokenServer
            }
        throw OAuthFailure(
            code: code, status: answer.status, words: said.map(String.init) ?? "nothing that a token server says",
            url: place)
    }
}

extension OAuthTokens.Client: CustomStringConvertible, CustomReflectable {
    public var description: String { "a client of \(HTTPClient.withoutSecrets(url))" }
    public var customMirror: Mirror { Mirror(self, children: []) }
}

/// Why there is no token. It holds no secret, so it may be logged.
public struct OAuthFailure: Error, Sendable, CustomStringConvertible {
    public enum Code: Sendable {
        case unanswered(HTTPFailure)
        /// 408, 429, 5xx.
        case away
        /// The server knows no such client, or not with this secret or scope.
        case refused
        /// What answers is none.
        case noTokenServer
    }

    public var code: Code
    public var status: Int?
    public var words: String
    public var url: String

    public var description: String { "\(url): \(status.map { "HTTP status \($0), " } ?? "")\(words)" }
}
