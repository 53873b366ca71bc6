import Foundation

/// Tokens that a program prints.
///
/// It is started without a shell, with the loader's own environment, and is given 15 s; then it ends, with all that it has
/// started. On its standard output it says the token alone, or `{"token", "expires_at", "principal"}`.
public final class CommandTokens: TokenSource {
    private let command: [String]
    private let extensions: [String: String]
    private let patience: Duration
    private let isPassword: Bool

    /// - Parameters:
    ///   - command: the program, found by `PATH`, and its arguments, each as it is.
    ///   - isPassword: what it prints may be any text but for its last line break, as passwords may.
    public init(
        _ command: [String], extensions: [String: String] = [:], isPassword: Bool = false,
        patience: Duration = .seconds(15)
    ) {
        self.command = command
        self.isPassword = isPassword
        self.extensions = extensions
        self.patience = patience
    }

    /// Its arguments may be secrets.
    public var place: String { "the command \(command.first ?? "")" }

    public func fetch(_ isGivenUp: @escaping @Sendable () -> Bool) throws(CredentialFailure) -> Token {
        let asked = Date()
        let outcome: ChildProcess.Outcome
        do throws(ChildProcess.Failure) {
            outcome = try ChildProcess.run(command, within: patience, isGivenUp)
        } catch {
            throw failure(error)
        }
        guard outcome.status == 0 else { throw refusal(outcome) }
        return try token(outcome.output, asked)
    }

    private func failure(_ failure: ChildProcess.Failure) -> CredentialFailure {
        switch failure {
        case .start(let words):
            CredentialFailure(
                .unusable, at: place, "it cannot be started: \(words)",
                mend: "mend command: it is a list of the program and its arguments, for no shell")
        case .late(let lastLine):
            CredentialFailure(
                .away, at: place, "no token within \(patience.components.seconds) s", mend: "run it by hand",
                detail: lastLine)
        case .tooMuch:
            CredentialFailure(
                .unusable, at: place, "it prints too much for a token", mend: "let it print the token alone")
        }
    }

    private func refusal(_ outcome: ChildProcess.Outcome) -> CredentialFailure {
        // `sysexits.h`: a service is not there, or may be tried again.
        let isAway = outcome.status == 69 || outcome.status == 75
        let words = outcome.status < 0 ? "ended by signal \(-outcome.status)" : "exit status \(outcome.status)"
        return CredentialFailure(
            isAway ? .away : .refused, at: place, words,
            mend: "run it by hand, as the loader's user; log.level debug has the last line that it writes",
            detail: outcome.lastLine)
    }

    private struct Said: Decodable {
        var token: String
        var end: Date?
        var principal: String?

        private enum CodingKeys: String, CodingKey {
            case token
            case end = "expires_at"
            case principal
        }

        init(from decoder: any Decoder) throws {
            let fields = try decoder.container(keyedBy: CodingKeys.self)
            token = try fields.decode(String.self, forKey: .token)
            principal = try fields.decodeIfPresent(String.self, forKey: .principal)
            if let seconds = try? fields.decode(Double.self, forKey: .end) {
                end = Date(timeIntervalSince1970: seconds)
            } else if let text = try fields.decodeIfPresent(String.self, forKey: .end) {
                guard let date = Token.date(text) else {
                    throw DecodingError.dataCorruptedError(forKey: .end, in: fields, debugDescription: "no time")
                }
                end = date
            }
        }
    }

    private func token(_ output: [UInt8], _ asked: Date) throws(CredentialFailure) -> Token {
        var text = String(decoding: output, as: UTF8.self)
        if !isPassword {
            text = text.trimmingCharacters(in: .whitespacesAndNewlines)
        } else if let last = text.last, last.isNewline {
            text.removeLast()
        }
        let mend = "let it print the token alone, or {\"token\": …, \"expires_at\": \"2026-01-02T03:04:05Z\"}"
        var token = Token(readable: text, expires: nil, extensions: extensions)
        if text.hasPrefix("{") {
            let said = try? JSONDecoder().decode(Said.self, from: Data(output))
            guard said != nil || isPassword else {
                throw CredentialFailure(.unusable, at: place, "what it prints names no token", mend: mend)
            }
            if let said {
                token = Token(
                    readable: said.token, expires: said.end, principal: said.principal, extensions: extensions)
                // It knows better than the token when that ends for us.
                token.expires = said.end ?? token.expires
            }
        }
        let isFit = isPassword ? !token.text.isEmpty && !token.text.utf8.contains(0) : Token.isOne(token.text)
        guard isFit else {
            throw CredentialFailure(.unusable, at: place, "what it prints is no token", mend: mend)
        }
        guard token.expires.map({ $0 > asked }) ?? true else {
            throw CredentialFailure(
                .unusable, at: place, "the token that it prints has ended",
                mend: "let it print one that is still good, and look at this machine's clock")
        }
        return token
    }
}
