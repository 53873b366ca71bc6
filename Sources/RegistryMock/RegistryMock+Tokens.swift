import Foundation

extension RegistryMock {
    /// A token server's state.
    struct Tokens {
        var authorization: String
        var lifetime: Int
        var status: Int?
        var count = 0
        var isRevoked = false

        var last: String { "token-\(count)" }
    }
}

/// A token server of OAuth 2.0, for clients with credentials of their own, and the check of its tokens.
extension RegistryMock.State {
    /// - Returns: nil where the request goes on.
    mutating func tokenAnswer(_ request: MockHTTPServer.Request) -> MockHTTPServer.Answer? {
        guard var held = tokens else { return nil }
        guard request.path == "/oauth/token" else {
            let isGood = request.headers["authorization"] == "Bearer \(held.last)" && !held.isRevoked
            guard !isGood else { return nil }
            requests.append(request.path)
            return request.path == "/nothing"
                ? .error(404, 404, "HTTP 404 Not Found") : .error(401, 401, "Unauthorized")
        }
        if let status = held.status { return .error(status, status, "as it was told") }
        let form = String(decoding: request.body, as: UTF8.self)
        guard request.method == "POST", form.hasPrefix("grant_type=client_credentials") else {
            return .oauth(400, ["error": "unsupported_grant_type"])
        }
        guard request.headers["authorization"] == held.authorization else {
            return .oauth(401, ["error": "invalid_client"])
        }
        held.count += 1
        held.isRevoked = false
        tokens = held
        return .oauth(200, ["access_token": held.last, "token_type": "Bearer", "expires_in": held.lifetime])
    }
}

extension MockHTTPServer.Answer {
    fileprivate static func oauth(_ status: Int, _ body: [String: Any]) -> MockHTTPServer.Answer {
        .said(
            status: status, headers: ["Content-Type": "application/json"],
            body: Array((try? JSONSerialization.data(withJSONObject: body)) ?? Data()))
    }
}
