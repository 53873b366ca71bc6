import Foundation
import Web

/// Asks AWS's endpoints for one attempt to get credentials, and learns AWS's time from what they answer.
struct AWSExchange {
    let clock: AWSClock
    /// Until when the attempt has to be done.
    let deadline: ContinuousClock.Instant
    let isGivenUp: () -> Bool

    /// How a metadata service is asked: past every proxy, and it is near.
    static func near(_ timeout: Duration) -> HTTPOptions {
        HTTPOptions(connectTimeout: timeout, timeout: timeout, largestAnswer: 1 << 20, isDirect: true)
    }

    static let far = HTTPOptions(connectTimeout: .seconds(3), timeout: .seconds(5), largestAnswer: 1 << 20)

    func send(_ request: HTTPRequest, _ http: HTTPOptions) throws(HTTPFailure) -> HTTPAnswer {
        var http = http
        http.timeout = min(http.timeout, max(deadline - .now, .milliseconds(100)))
        let asked = clock.local
        let answer = try HTTPClient(http).send(request, isGivenUp: isGivenUp)
        clock.learn(from: answer, asked: asked)
        return answer
    }

    /// Does it again while it fails as what may come by itself.
    func again<Value>(_ attempt: () throws(CredentialFailure) -> Value) throws(CredentialFailure) -> Value {
        try Tries(pause: .milliseconds(100), factor: 3, deadline: deadline, isGivenUp: isGivenUp).run(attempt)
    }
}

extension HTTPAnswer {
    /// The server is there, and says that it cannot now.
    var isAway: Bool { status == 408 || status == 425 || status == 429 || status >= 500 }
}

extension CredentialFailure {
    /// Nobody has answered.
    init(_ failure: HTTPFailure, at place: String) {
        switch failure.code {
        case .tls, .files:
            self.init(
                .unusable, at: place, failure.words,
                mend:
                    "add the authority of its certificate to those of the system, or take a proxy away that replaces it"
            )
        case .url, .protocolError, .tooLarge:
            self.init(
                .unusable, at: place, failure.words, mend: "look at the AWS_ENDPOINT_URL variables and https_proxy")
        case .resolve, .connect, .timeout, .reset, .proxy, .givenUp, .other:
            self.init(
                .away, at: place, failure.words, mend: "look whether it can be reached from here, and at https_proxy")
        }
    }
}
