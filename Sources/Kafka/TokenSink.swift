import CRdKafka
import Synchronization

/// Hands a client its provider's tokens, as long as there is the client.
final class TokenSink: Sendable {
    private struct Handle: @unchecked Sendable {
        // Unchecked: any thread may set a token, as long as there is the handle: `isOpen`.
        let pointer: OpaquePointer
    }

    private struct State {
        var isOpen = true
        /// That has asked; nil: none has.
        var handle: Handle?
        /// The last that the handle has taken, and when another was asked for because brokers refuse it.
        var text: String?
        var refused: ContinuousClock.Instant?
    }

    private let provider: any TokenProvider
    private let state = Mutex(State())
    /// Of all handles of the process that have asked, as long as they are there.
    private static let open = Mutex<[TokenSink]>([])

    /// Brokers that refuse a token refuse it at each connection, and the next one perhaps as well.
    private static let pauseBehindRefusal = Duration.seconds(10)

    init(_ provider: any TokenProvider) { self.provider = provider }

    /// Has the handle given a token, at once or as soon as there is one. A handle that is told of a failure keeps the token
    /// it has, and asks again in ten seconds.
    func ask(for handle: OpaquePointer) {
        let handle = Handle(pointer: handle)
        let isRenewal = state.withLock { state in
            if state.isOpen, state.handle == nil {
                state.handle = handle
                Self.open.withLock { $0.append(self) }
            }
            return state.text != nil
        }
        provider.provide(isRenewal: isRenewal) { [self] result in
            state.withLock { state in
                guard state.isOpen else { return }
                switch result {
                case .success(let token): if Self.set(token, on: handle.pointer) { state.text = token.text }
                case .failure(let failure): rd_kafka_oauthbearer_set_token_failure(handle.pointer, failure.words)
                }
            }
        }
    }

    /// The brokers refuse the token of this handle. It has each that has the same given another, without waiting until most of its
    /// time is over: whoever gives them may have changed his keys, or what a token says. Not every client hears of a refusal.
    func replaceRefused() {
        let text = state.withLock { state -> String? in
            guard state.refused.map({ .now - $0 >= Self.pauseBehindRefusal }) ?? true else { return nil }
            if state.text != nil { state.refused = .now }
            return state.text
        }
        guard let text else { return }
        provider.wasRefused(text)
        for sink in Self.open.withLock(\.self) where sink.provider === provider { sink.replace(text) }
    }

    private func replace(_ refused: String) {
        if let handle = state.withLock({ $0.text == refused ? $0.handle : nil }) { ask(for: handle.pointer) }
    }

    /// Returns when nobody is at the handle any more, and nobody comes.
    func close() {
        state.withLock { $0.isOpen = false }
        Self.open.withLock { sinks in sinks.removeAll { $0 === self } }
    }

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
