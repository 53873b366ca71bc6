import Credentials
import Foundation
import Kafka

extension TokenKeeper: TokenProvider {
    public func provide(
        isRenewal: Bool, _ answer: @escaping @Sendable (Result<BearerToken, BearerTokenFailure>) -> Void
    ) {
        token(isRenewal ? .next : .any) { result in
            answer(
                result.map(BearerToken.init).mapError { BearerTokenFailure(words: $0.description) })
        }
    }

    public func wasRefused(_ text: String) { renew(text) }
}

extension BearerToken {
    /// A token that does not say until when it is good is asked for again after a while; whom it is for, brokers know
    /// from itself.
    init(_ token: Token) {
        self.init(
            text: token.text, expires: token.expires ?? Date().addingTimeInterval(TokenKeeper.unsaid),
            principal: token.principal ?? "loader", extensions: token.extensions)
    }
}
