import CRdKafka
import Synchronization

/// Hands a client its provider's tokens, as long as there is the client.
final class TokenSink: Sendable {
    private let provider: any TokenProvider
    private struct State {
        var isOpen = true
        var hasToken = false
    }

    private let state = Mutex(State())

    init(_ provider: any TokenProvider) { self.provider = provider }

    /// Has the handle given a token, at once or as soon as there is one. A handle that is told of a failure keeps the token
    /// it has, and asks again in ten seconds.
    func ask(for handle: OpaquePointer) {
        nonisolated(unsafe) let handle = handle  // any thread may set a token, as long as there is the handle: `isOpen`
        provider.provide(isRenewal: state.withLock { $0.hasToken }) { [self] result in
            state.withLock { state in
                guard state.isOpen else { return }
                switch result {
                case .success(let token): state.hasToken = Self.set(token, on: handle) || state.hasToken
                case .failure(let failure): rd_kafka_oauthbearer_set_token_failure(handle, failure.words)
                }
            }
        }
    }

    /// Returns when nobody is at the handle any more, and nobody comes.
    func close() { state.withLock { $0.isOpen = false } }

    /// - Returns: whether librdkafka takes it.
    private static func set(_ token: BearerToken, on handle: OpaquePointer) -> Bool {
        let until = Int64(token.expires.timeIntervalSince1970 * 1000)
        let extensions = token.extensions.sorted { $0.key < $1.key }.flatMap { [$0.key, $0.value] }
        var reason = ReasonBuffer()
        let code = withCStrings(extensions) { pointers in
            reason.fill {
                rd_kafka_oauthbearer_set_token(
                    handle, token.text, until, token.principal, pointers, extensions.count, $0, $1)
            }
        }
        guard code != RD_KAFKA_RESP_ERR_NO_ERROR else { return true }
        rd_kafka_oauthbearer_set_token_failure(handle, reason.text)
        return false
    }
}

/// An array of C strings, good inside `body`.
private func withCStrings<Result>(
    _ strings: [String], _ body: (UnsafeMutablePointer<UnsafePointer<CChar>?>?) -> Result
) -> Result {
    let bytes = strings.map { Array($0.utf8CString) }
    func descend(_ index: Int, _ pointers: inout [UnsafePointer<CChar>?]) -> Result {
        guard index < bytes.count else { return pointers.withUnsafeMutableBufferPointer { body($0.baseAddress) } }
        return bytes[index].withUnsafeBufferPointer { buffer in
            pointers.append(buffer.baseAddress)
            return descend(index + 1, &pointers)
        }
    }
    var pointers: [UnsafePointer<CChar>?] = []
    return descend(0, &pointers)
}
