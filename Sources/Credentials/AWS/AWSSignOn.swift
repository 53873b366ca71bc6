import Foundation
import Web

/// A session of IAM Identity Center.
struct AWSSignOn: Sendable, Equatable {
    /// The profile that wants it.
    var profile: String
    var region: String
    var account: String
    var role: String
    /// What its token is kept under: the session's name, or in older files the URL where it begins.
    var key: String
}

extension AWSSignOn {
    /// The file that `aws sso login` keeps the session's token in.
    func cache(home: String) -> String {
        "\(home)/.aws/sso/cache/\(SHA1.hexadecimal(SHA1.hash(Array(key.utf8)))).json"
    }

    private struct Login: Decodable {
        var accessToken: String
        var expiresAt: String
    }

    private struct Answer: Decodable {
        struct Credentials: Decodable {
            var accessKeyId: String
            var secretAccessKey: String
            var sessionToken: String
            /// In milliseconds since 1970.
            var expiration: Double
        }
        var roleCredentials: Credentials
    }

    /// The role's credentials, for whom the login's token lets in.
    func credentials(
        _ exchange: AWSExchange, home: String, environment: [String: String], setting: (String) -> String?
    ) throws(CredentialFailure) -> AWSCredentials {
        let place = AWSCredentialSource.signOn(self).place
        let mend = "run `aws sso login --profile \(profile)` as the loader's user; a daemon had better have a role"
        // Read each time: whoever signs on again, does it from a shell.
        guard let text = FileManager.default.contents(atPath: cache(home: home)),
            let login = try? JSONDecoder().decode(Login.self, from: text)
        else { throw CredentialFailure(.refused, at: place, "nobody has signed on", mend: mend) }
        guard let end = Token.date(login.expiresAt), end > exchange.clock.now else {
            throw CredentialFailure(.refused, at: place, "the login has ended", mend: mend)
        }
        let own = try AWSEndpoint.own("SSO", environment: environment, profile: setting).map {
            url throws(CredentialFailure) in try AWSEndpoint.checked(url, "SSO")
        }
        let base = own ?? "https://portal.sso.\(region).\(AWSRegion.domain(region))"
        let query = "role_name=\(role.percentEncoded)&account_id=\(account.percentEncoded)"
        let request = HTTPRequest(
            .get, "\(base)/federation/credentials?\(query)",
            headers: [("x-amz-sso_bearer_token", login.accessToken), ("Accept", "application/json")])
        return try exchange.again { () throws(CredentialFailure) in
            let answer: HTTPAnswer
            do throws(HTTPFailure) {
                answer = try exchange.send(request, AWSExchange.far)
            } catch {
                throw CredentialFailure(error, at: place)
            }
            if answer.isAway {
                throw CredentialFailure(.away, at: place, "HTTP status \(answer.status)", mend: "wait")
            }
            guard answer.status == 200, let said = try? JSONDecoder().decode(Answer.self, from: Data(answer.body))
            else {
                throw CredentialFailure(
                    .refused, at: place, "HTTP status \(answer.status) for the role \(role) of \(account)",
                    mend: [401, 403].contains(answer.status)
                        ? mend : "look at sso_account_id and sso_role_name: `aws configure sso --profile \(profile)`")
            }
            let credentials = said.roleCredentials
            return AWSCredentials(
                accessKeyID: credentials.accessKeyId, secretAccessKey: credentials.secretAccessKey,
                sessionToken: credentials.sessionToken,
                expires: Date(timeIntervalSince1970: credentials.expiration / 1000),
                holder: "the role \(role) of \(account)")
        }
    }
}
