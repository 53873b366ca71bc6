import Foundation
import Web

/// Where a container asks for its credentials.
struct AWSContainerEndpoint: Sendable, Equatable {
    var url: String
    /// Read at each request: what is in it changes.
    var tokenFile: String?
    /// In its place.
    var token: String?

    /// Over https it may be anywhere, because a certificate says who answers; else only where ECS and EKS have it, or a sidecar.
    static func isPermitted(_ url: String) -> Bool {
        guard let parts = URLComponents(string: url), let host = parts.host, parts.user == nil, parts.password == nil
        else {
            return false
        }
        let hosts: Set = ["169.254.170.2", "169.254.170.23", "fd00:ec2::23", "[fd00:ec2::23]"]
        switch parts.scheme?.lowercased() {
        case "https": return true
        case "http": return hosts.contains(host.lowercased()) || LocalHost.isLoopback(host)
        default: return false
        }
    }
}

extension AWSContainerEndpoint: CustomStringConvertible, CustomReflectable {
    var description: String { url }
    var customMirror: Mirror { Mirror(self, children: []) }
}

extension AWSContainerEndpoint {
    private static let patience = Duration.seconds(2)

    func credentials(_ exchange: AWSExchange) throws(CredentialFailure) -> AWSCredentials {
        let place = AWSCredentialSource.container(self).place
        return try exchange.again { () throws(CredentialFailure) in
            var headers = [(name: "Accept", value: "application/json")]
            if let token = try authorization(place) { headers.append(("Authorization", token)) }
            let answer: HTTPAnswer
            do throws(HTTPFailure) {
                answer = try exchange.send(HTTPRequest(.get, url, headers: headers), AWSExchange.near(Self.patience))
            } catch {
                throw CredentialFailure(
                    .away, at: place, error.words,
                    mend:
                        "look whether the agent runs: in EKS `kubectl -n kube-system get daemonset eks-pod-identity-agent`"
                )
            }
            guard answer.status == 200 else {
                throw CredentialFailure(
                    answer.isAway ? .away : .refused, at: place, "HTTP status \(answer.status)",
                    mend: "give the task a role (taskRoleArn), or the pod's service account a Pod Identity association")
            }
            guard let credentials = AWSCredentialAnswer(answer.body)?.credentials else {
                throw CredentialFailure(
                    .unusable, at: place, "what it answers has no credentials in it",
                    mend: "look at the AWS_CONTAINER_CREDENTIALS variables: something else answers")
            }
            return credentials
        }
    }

    /// The file goes before the variable, and is read each time.
    private func authorization(_ place: String) throws(CredentialFailure) -> String? {
        var text = token
        if let tokenFile {
            guard let bytes = FileManager.default.contents(atPath: tokenFile) else {
                throw CredentialFailure(
                    .unusable, at: place, "the file \(tokenFile) cannot be read",
                    mend: "let the loader's user read what AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE names")
            }
            text = String(decoding: bytes, as: UTF8.self)
            // Whatever has written it, a line's end behind it is not the token's.
            while text?.last?.isNewline == true { text?.removeLast() }
        }
        // In a header it would begin another.
        guard text?.contains(where: \.isNewline) != true else {
            throw CredentialFailure(
                .unusable, at: place, "the token for it has a line's end in it",
                mend: "look at AWS_CONTAINER_AUTHORIZATION_TOKEN and …_TOKEN_FILE")
        }
        return text
    }
}
