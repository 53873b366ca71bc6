import Credentials
import Foundation
import Web

/// Asks a registry over HTTP, at one of its URLs after another.
///
/// Belongs to one thread, which waits in it.
final class RegistryConnection {
    private let options: RegistryOptions
    private let client: HTTPClient
    /// Of several URLs the one that has answered last, or comes after those that have not.
    private var current = 0

    /// How long a token may take.
    private static let patience = Duration.seconds(15)

    init(_ options: RegistryOptions) {
        self.options = options
        client = HTTPClient(options.http)
    }

    /// Asks one URL after another, from the one that has answered last.
    func inTurn<Answer>(
        _ ask: (_ url: String) throws(RegistryFailure) -> Answer
    ) throws(RegistryFailure) -> Answer {
        var failure: RegistryFailure?
        for _ in options.urls.indices {
            do throws(RegistryFailure) {
                return try ask(options.urls[current])
            } catch {
                // What one does not have or does not allow, none of them does.
                switch error.code {
                case .unknown, .givenUp, .credentials, .rights, .files: throw of(error)
                case .away, .tls, .noRegistry, .url: failure = of(error)
                }
                current = (current + 1) % options.urls.count
            }
        }
        throw failure ?? RegistryFailure(.url, "there is no URL", url: "")
    }

    private func of(_ failure: RegistryFailure) -> RegistryFailure {
        var failure = failure
        failure.kind = options.naming.kind
        return failure
    }

    /// Asks once, whatever the status; once more with another token, where one is refused.
    func send(_ request: HTTPRequest, _ isGivenUp: () -> Bool) throws(RegistryFailure) -> HTTPAnswer {
        var request = request
        request.headers += options.headers
        guard let tokens = options.tokens else { return try sendOnce(request, isGivenUp) }
        let token = try token(tokens, isGivenUp)
        let answer = try send(request, token, isGivenUp)
        guard answer.status == 401 else { return answer }
        tokens.forget(token)
        return try send(request, try self.token(tokens, isGivenUp), isGivenUp)
    }

    private func send(
        _ request: HTTPRequest, _ token: Token, _ isGivenUp: () -> Bool
    ) throws(RegistryFailure) -> HTTPAnswer {
        var request = request
        request.headers.append(("Authorization", "Bearer \(token.text)"))
        return try sendOnce(request, isGivenUp)
    }

    private func sendOnce(_ request: HTTPRequest, _ isGivenUp: () -> Bool) throws(RegistryFailure) -> HTTPAnswer {
        if let credentials = options.readCredentials?() { client.use(credentials) }
        do throws(HTTPFailure) {
            let answer = try client.send(request, isGivenUp: isGivenUp)
            if let certificate = answer.certificate {
                options.certificates.note(server: certificate, own: options.http.tls.certificate)
            }
            return answer
        } catch {
            throw RegistryFailure(error)
        }
    }

    private func token(_ tokens: TokenKeeper, _ isGivenUp: () -> Bool) throws(RegistryFailure) -> Token {
        do throws(CredentialFailure) {
            return try tokens.token(within: Self.patience, isGivenUp)
        } catch {
            let code: RegistryFailure.Code =
                switch error.code {
                case .away: isGivenUp() ? .givenUp : .away
                case .refused: .credentials
                case .unusable: .noRegistry
                }
            throw RegistryFailure(code, error.words, url: error.place)
        }
    }
}

/// What all registries' answers have.
enum RegistryAnswer {
    static func decode<Answer: Decodable>(
        _ type: Answer.Type, _ answer: HTTPAnswer, _ place: String
    ) throws(RegistryFailure) -> Answer {
        do {
            return try JSONDecoder().decode(Answer.self, from: Data(answer.body))
        } catch {
            throw RegistryFailure(
                .noRegistry, status: answer.status, "the answer is none of a schema registry's", url: place)
        }
    }

    /// What a status means that is no success.
    ///
    /// - Parameters:
    ///   - words: the registry's own; nil: it says nothing that a registry does.
    ///   - isUnknown: it says so in its own way that it has no such schema.
    static func failure(
        _ answer: HTTPAnswer, _ place: String, words: String?, isUnknown: Bool
    ) -> RegistryFailure {
        let code: RegistryFailure.Code =
            switch answer.status {
            case 401: .credentials
            case 403: .rights
            case 408, 425, 429, 500...: .away
            default: isUnknown ? .unknown : .noRegistry
            }
        let said = answer.redirect.map { "it sends elsewhere: \($0)" } ?? words.map(oneLine)
        return RegistryFailure(code, status: answer.status, said ?? "nothing that a registry says", url: place)
    }

    /// Other people's words, of which a log takes a line.
    static func oneLine(_ words: String) -> String {
        String(words.prefix(300).map { $0.isNewline ? " " : $0 })
    }
}
