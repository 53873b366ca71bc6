import Foundation
import Web

/// One server's way of giving tokens: how it is asked, again where it may help, and what its answers mean.
struct TokenExchange {
    /// What to do about what it says.
    struct Mends {
        /// It knows this client not, or not with this secret, scope or right.
        var refused: String
        /// What answers gives no tokens.
        var unusable: String
        var away = "look whether it can be reached from this machine, and whether it is well"
    }

    /// `the token server https://login.example.com/token`
    var place: String
    var http: HTTPOptions
    var mends: Mends
    /// Says by its status that it is there in a moment, beside 408, 429 and 5xx: 404 and 410 of Azure's metadata.
    var passingStatuses: Set<Int> = []
    /// The server's, which each of its answers tells.
    private let clock: ServerClock
    /// All tries of one request, in all.
    private static let patience = Duration.seconds(10)

    init(_ place: String, _ http: HTTPOptions, _ clock: ServerClock, _ mends: Mends) {
        self.place = place
        self.clock = clock
        self.http = http
        self.http.largestAnswer = 1 << 20
        self.mends = mends
    }

    /// A token as servers of OAuth 2.0 answer it (RFC 6749, 5.1), and those that follow them.
    func token(
        _ request: HTTPRequest, extensions: [String: String] = [:], _ isGivenUp: () -> Bool
    ) throws(CredentialFailure) -> Token {
        let asked = Date()
        let answer = try answer(request, isGivenUp)
        guard let said = try? JSONDecoder().decode(Answer.self, from: Data(answer.body)) else {
            throw CredentialFailure(
                .unusable, at: place, "HTTP status \(answer.status), and the answer is none of a token server's",
                mend: mends.unusable)
        }
        guard Token.isOne(said.token) else {
            throw CredentialFailure(.unusable, at: place, "what it gives is no token", mend: mends.unusable)
        }
        let skew = clock.skew
        let end = said.end.map { $0.addingTimeInterval(skew) } ?? said.lifetime.map(asked.addingTimeInterval)
        return Token(
            readable: said.token, expires: end ?? asked.addingTimeInterval(TokenKeeper.unsaid), extensions: extensions,
            skew: skew)
    }

    /// Any answer that is a success.
    func answer(_ request: HTTPRequest, _ isGivenUp: () -> Bool) throws(CredentialFailure) -> HTTPAnswer {
        let deadline = ContinuousClock.now + Self.patience
        return try withoutActuallyEscaping(isGivenUp) { (isGivenUp) throws(CredentialFailure) in
            try Tries(pause: .milliseconds(200), factor: 2, deadline: deadline, isGivenUp: isGivenUp)
                .run { () throws(CredentialFailure) in try once(request, isGivenUp, until: deadline) }
        }
    }

    private func once(
        _ request: HTTPRequest, _ isGivenUp: () -> Bool, until deadline: ContinuousClock.Instant
    ) throws(CredentialFailure) -> HTTPAnswer {
        var http = http
        http.timeout = min(http.timeout, max(deadline - .now, .seconds(1)))
        let asked = Date()
        let answer: HTTPAnswer
        do throws(HTTPFailure) {
            answer = try HTTPClient(http).send(request, isGivenUp: isGivenUp)
        } catch {
            throw failure(error)
        }
        clock.learn(from: answer, asked: asked)
        guard !(200..<300).contains(answer.status) else { return answer }
        throw refusal(answer)
    }

    private func failure(_ failure: HTTPFailure) -> CredentialFailure {
        switch failure.code {
        case .resolve, .connect, .timeout, .reset, .proxy, .givenUp, .other:
            CredentialFailure(.away, at: place, failure.words, mend: mends.away)
        case .tls:
            CredentialFailure(
                .unusable, at: place, failure.words,
                mend: "name the authority of its certificate in ca, or mend the host's name in url")
        case .files:
            CredentialFailure(.unusable, at: place, failure.words, mend: "let ca name a PEM file that can be read")
        case .tooLarge, .protocolError, .url:
            CredentialFailure(.unusable, at: place, failure.words, mend: mends.unusable)
        }
    }

    private func refusal(_ answer: HTTPAnswer) -> CredentialFailure {
        // Of the error only its name: the description of some servers repeats what was sent.
        let name = (try? JSONDecoder().decode(Refusal.self, from: Data(answer.body)))?.name
        let said = answer.redirect.map { "it sends elsewhere: \($0)" } ?? name ?? "nothing that a token server says"
        let words = "HTTP status \(answer.status), \(said)"
        if answer.isAway || passingStatuses.contains(answer.status) || name == "temporarily_unavailable" {
            return CredentialFailure(.away, at: place, words, mend: mends.away)
        }
        let isRefused = [401, 403].contains(answer.status) || answer.status == 400 && name != nil
        guard isRefused else { return CredentialFailure(.unusable, at: place, words, mend: mends.unusable) }
        // What a client has signed itself has its times by this machine's clock.
        let all = [words, clock.words(place)].compactMap(\.self).joined(separator: "; ")
        return CredentialFailure(.refused, at: place, all, mend: mends.refused)
    }

    /// `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110, 5.6.7).
    static func date(_ text: String) -> Date? {
        let formatter = DateFormatter()
        formatter.locale = Locale(identifier: "en_US_POSIX")
        formatter.timeZone = .gmt
        formatter.dateFormat = "EEE, dd MMM yyyy HH:mm:ss 'GMT'"
        return formatter.date(from: text)
    }

    private struct Answer: Decodable {
        var token: String
        /// In seconds from now.
        var lifetime: TimeInterval?
        /// By the server's clock; only some say it.
        var end: Date?

        private enum CodingKeys: String, CodingKey {
            case token = "access_token"
            case lifetime = "expires_in"
            case end = "expires_on"
        }

        init(from decoder: any Decoder) throws {
            let fields = try decoder.container(keyedBy: CodingKeys.self)
            token = try fields.decode(String.self, forKey: .token)
            /// A number by the standard, a text of some servers, and left out by others.
            func number(_ key: CodingKeys) -> Double? {
                let number = try? fields.decode(Double.self, forKey: key)
                return number ?? (try? fields.decode(String.self, forKey: key)).flatMap { Double($0) }
            }
            lifetime = number(.lifetime).map { min(max($0, 0), 86_400) }
            end = number(.end).flatMap {
                (0...253_402_300_799).contains($0) ? Date(timeIntervalSince1970: $0) : nil
            }
        }
    }

    private struct Refusal: Decodable {
        /// One of the standard's names, or one like them: no text of the server's own.
        var name: String?

        private enum CodingKeys: CodingKey { case error }

        init(from decoder: any Decoder) throws {
            let said = try decoder.container(keyedBy: CodingKeys.self).decode(String.self, forKey: .error)
            let isName = said.utf8.count <= 60 && said.wholeMatch(of: /[A-Za-z0-9_.-]+/) != nil
            name = isName ? said : nil
        }
    }
}
