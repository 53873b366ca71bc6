import CRdKafka
import Synchronization

/// Hands a client its provider's tokens, as long as there is the client.
final class TokenSink: Sendable {
    private let provider: any TokenProvider
    private let isOpen = Mutex(true)

    init(_ provider: any TokenProvider) { self.provider = provider }

    /// Has the handle given a token, at once or as soon as there is one. A handle that is told of a failure keeps the token
    /// it has, and asks again in ten seconds.
    func ask(for handle: OpaquePointer) {
        nonisolated(unsafe) let handle = handle  // any thread may set a token, as long as there is the handle: `isOpen`
        provider.provide { [self] result in
            isOpen.withLock { isOpen in
                guard isOpen else { return }
                switch result {
                case .success(let token): Self.set(token, on: handle)
                case .failure(let failure): rd_kafka_oauthbearer_set_token_failure(handle, failure.words)
                }
            }
        }
    }

    /// Returns when nobody is at the handle any more, and nobody comes.
    func close() { isOpen.withLock { $0 = false } }

    private static func set(_ token: BearerToken, on handle: OpaquePointer) {
        let until = Int64(token.expires.timeIntervalSince1970 * 1000)
        let extensions = token.extensions.sorted { $0.key < $1.key }.flatMap { [$0.key, $0.value] }
        var reason = ReasonBuffer()
        let code = withCStrings(extensions) { pointers in
            reason.fill {
                rd_kafka_oauthbearer_set_token(
                    handle, token.text, until, token.principal, pointers, extensions.count, $0, $1)
            }
        }
        if code != RD_KAFKA_RESP_ERR_NO_ERROR { rd_kafka_oauthbearer_set_token_failure(handle, reason.text) }
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
