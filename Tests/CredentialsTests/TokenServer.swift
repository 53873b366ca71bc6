import Foundation
import RegistryMock
import Synchronization

@testable import Credentials

/// A server of tokens that answers as it is told, and remembers what it was asked.
final class TokenServer: Sendable {
    typealias Request = MockHTTPServer.Request
    typealias Answer = MockHTTPServer.Answer

    private struct State {
        var requests: [Request] = []
        var answers: [Answer] = []
        var last: Answer = .silence
    }

    private final class Held: Sendable { let state = Mutex(State()) }

    private let held = Held()
    private let server: MockHTTPServer

    init() throws {
        let held = held
        server = try MockHTTPServer { request in
            held.state.withLock { state in
                state.requests.append(request)
                if !state.answers.isEmpty { state.last = state.answers.removeFirst() }
                return state.last
            }
        }
    }

    deinit { server.stop() }

    var url: String { server.url }
    var requests: [Request] { held.state.withLock { $0.requests } }

    /// One answer after another; the last of them stays.
    func answer(_ answers: Answer...) { held.state.withLock { $0.answers = answers } }
}

extension MockHTTPServer.Answer {
    static func json(_ fields: [String: Any], status: Int = 200, headers: [String: String] = [:]) -> Self {
        let body = (try? JSONSerialization.data(withJSONObject: fields)) ?? Data()
        return .said(
            status: status, headers: ["Content-Type": "application/json"].merging(headers) { $1 }, body: Array(body))
    }

    static func text(_ text: String, status: Int = 200, headers: [String: String] = [:]) -> Self {
        .said(status: status, headers: headers, body: Array(text.utf8))
    }
}

extension MockHTTPServer.Request {
    /// The fields of a form.
    var form: [String: String] {
        var parts = URLComponents()
        parts.percentEncodedQuery = String(decoding: body, as: UTF8.self)
        return Dictionary((parts.queryItems ?? []).map { ($0.name, $0.value ?? "") }) { $1 }
    }
}

/// A token that says this of itself, and that nobody has signed.
func readableToken(_ claims: [String: Any]) -> String {
    let parts = [["alg": "none"], claims].compactMap { try? JSONSerialization.data(withJSONObject: $0) }
    return parts.map(\.base64URL).joined(separator: ".") + ".c2ln"
}

/// Why a source has no token; nil if it has one.
func whyNone(of source: any TokenSource) -> CredentialFailure? {
    do throws(CredentialFailure) {
        _ = try source.fetch { false }
        return nil
    } catch {
        return error
    }
}
