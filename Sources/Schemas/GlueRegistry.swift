import Credentials
import Foundation
import Web

/// AWS Glue's schema registry.
///
/// Belongs to one thread, which waits in it. What it is told is other people's input: it is looked at, and limited.
final class GlueRegistry: RegistryAPI {
    private let options: RegistryOptions
    /// Once it is known where it is: an instance hears its region from its metadata.
    private var reached: Reached?

    private struct Reached {
        var connection: RegistryConnection
        var region: String
        var chain: AWSCredentialChain
    }

    /// - Parameter options: with an identity of AWS's, without which nothing is asked. Without a URL it is AWS's own in the region.
    init(_ options: RegistryOptions) { self.options = options }

    func schema(
        _ id: SchemaID, _ name: SchemaName?, _ isGivenUp: () -> Bool
    ) throws(RegistryFailure) -> RegisteredSchema {
        try schema(#"{"SchemaVersionId":"\#(id)"}"#, isGivenUp)
    }

    /// - Parameter subject: a schema, with its registry and a slash before it if that is not `default-registry`.
    func newest(ofSubject subject: String, _ isGivenUp: () -> Bool) throws(RegistryFailure) -> RegisteredSchema {
        let parts = subject.split(separator: "/", maxSplits: 1).map(String.init)
        let question: [String: [String: Any]] = [
            "SchemaId": [
                "RegistryName": parts.count == 2 ? parts[0] : "default-registry", "SchemaName": parts.last ?? subject,
            ],
            "SchemaVersionNumber": ["LatestVersion": true],
        ]
        let text = (try? JSONSerialization.data(withJSONObject: question)) ?? Data()
        return try schema(String(decoding: text, as: UTF8.self), isGivenUp)
    }

    /// Asks for what nobody has: that it is not there, is said to whoever may ask for others.
    func greet(_ isGivenUp: () -> Bool) throws(RegistryFailure) {
        do throws(RegistryFailure) {
            _ = try schema(#"{"SchemaVersionId":"00000000-0000-0000-0000-000000000000"}"#, isGivenUp)
        } catch  where error.code == .unknown {
            // As it should be.
        }
    }

    private struct Answer: Decodable {
        var definition: String
        var format: String
        /// `arn:aws:glue:REGION:ACCOUNT:schema/REGISTRY/SCHEMA`
        var arn: String?
        var version: Int?
        var status: String?

        private enum CodingKeys: String, CodingKey {
            case definition = "SchemaDefinition"
            case format = "DataFormat"
            case arn = "SchemaArn"
            case version = "VersionNumber"
            case status = "Status"
        }

        var subject: String? {
            guard let arn, let start = arn.firstRange(of: ":schema/") else { return nil }
            return String(arn[start.upperBound...])
        }
    }

    private func schema(_ question: String, _ isGivenUp: () -> Bool) throws(RegistryFailure) -> RegisteredSchema {
        let reached = try reach(isGivenUp)
        let answer: Answer = try reached.connection.inTurn { url throws(RegistryFailure) in
            try ask(question, at: url, reached, isGivenUp)
        }
        func schema(_ content: RegisteredSchema.Content) -> RegisteredSchema {
            RegisteredSchema(content, subject: answer.subject, version: answer.version)
        }
        let text = SchemaText(text: answer.definition)
        switch answer.format {
        case "AVRO": return schema(text.content(.avro))
        case "JSON": return schema(text.content(.json))
        case "PROTOBUF": return schema(text.content(.protobuf))
        case let format: return schema(.unreadable("is of a format that is not read: \(format.prefix(40))"))
        }
    }

    // MARK: Requests

    private func reach(_ isGivenUp: () -> Bool) throws(RegistryFailure) -> Reached {
        if let reached { return reached }
        guard let aws = options.aws else {
            throw RegistryFailure(.credentials, "there are no credentials of AWS", url: options.place)
        }
        let hosts = options.urls.compactMap { URLComponents(string: $0)?.host }
        let region: String
        do throws(CredentialFailure) {
            region = try aws.chain.region(AWSRegion(named: aws.region, hosts: hosts), isGivenUp)
        } catch {
            throw failure(error, isGivenUp)
        }
        var options = options
        if options.urls.isEmpty { options.urls = [RegistryOptions.AWS.url(ofRegion: region)] }
        let reached = Reached(connection: RegistryConnection(options), region: region, chain: aws.chain)
        self.reached = reached
        return reached
    }

    private func failure(_ failure: CredentialFailure, _ isGivenUp: () -> Bool) -> RegistryFailure {
        let code: RegistryFailure.Code =
            failure.code == .away ? isGivenUp() ? .givenUp : .away : .credentials
        var registry = RegistryFailure(code, "\(failure.words); \(failure.mend)", url: failure.place)
        registry.kind = .glue
        return registry
    }

    /// - Parameter isAgain: whether others were refused just before.
    private func ask(
        _ question: String, at url: String, _ reached: Reached, isAgain: Bool = false, _ isGivenUp: () -> Bool
    ) throws(RegistryFailure) -> Answer {
        let place = HTTPClient.withoutSecrets(url)
        let credentials: AWSCredentials
        do throws(CredentialFailure) {
            credentials = try reached.chain.credentials(isGivenUp)
        } catch {
            throw failure(error, isGivenUp)
        }
        let parts = URLComponents(string: url)
        let path = parts.map(\.percentEncodedPath) ?? ""
        let body = Array(question.utf8)
        var headers = [
            (name: "Content-Type", value: "application/x-amz-json-1.1"),
            (name: "X-Amz-Target", value: "AWSGlue.GetSchemaVersion"),
        ]
        let host = (parts?.host ?? "") + (parts?.port.map { ":\($0)" } ?? "")
        let clock = reached.chain.clock
        headers += AWSSignature(credentials, region: reached.region, service: "glue").headers(
            AWSSignature.Request("POST", host: host, path: path.isEmpty ? "/" : path, headers: headers, body: body),
            at: clock.now)
        let whole = path.isEmpty ? url + "/" : url
        let asked = clock.local
        let answer = try reached.connection.send(HTTPRequest(.post(body), whole, headers: headers), isGivenUp)
        clock.learn(from: answer, asked: asked)
        guard answer.status == 200 else {
            let failure = Self.failure(answer, place)
            // It has told its time, and where a session was ended before its time there may be another.
            guard failure.code == .credentials, !isAgain else { throw failure }
            reached.chain.forget(credentials)
            return try ask(question, at: url, reached, isAgain: true, isGivenUp)
        }
        let read = try RegistryAnswer.decode(Answer.self, answer, place)
        // Glue is still looking whether it goes with the versions before.
        guard read.status != "PENDING" else {
            throw RegistryFailure(.unknown, status: 200, "the version is not there yet: PENDING", url: place)
        }
        return read
    }

    private struct Failure: Decodable {
        /// `EntityNotFoundException`, sometimes with a name space and `#` before it.
        var type: String?
        var message: String?

        private enum CodingKeys: String, CodingKey {
            case type = "__type"
            case upper = "Message"
            case lower = "message"
        }

        init(from decoder: any Decoder) throws {
            let fields = try decoder.container(keyedBy: CodingKeys.self)
            type = try fields.decodeIfPresent(String.self, forKey: .type)
            message =
                try fields.decodeIfPresent(String.self, forKey: .upper)
                ?? fields.decodeIfPresent(String.self, forKey: .lower)
        }

        var name: String { String(type?.split(separator: "#").last ?? "") }
    }

    /// By the error's name: nearly all of them have the status 400.
    private static func failure(_ answer: HTTPAnswer, _ place: String) -> RegistryFailure {
        let said = try? JSONDecoder().decode(Failure.self, from: Data(answer.body))
        let code: RegistryFailure.Code
        switch said?.name ?? "" {
        case "EntityNotFoundException", "InvalidInputException": code = .unknown
        case "AccessDeniedException", "AccessDenied", "OptInRequired": code = .rights
        case "UnrecognizedClientException", "InvalidSignatureException", "SignatureDoesNotMatch",
            "InvalidClientTokenId", "MissingAuthenticationTokenException", "MissingAuthenticationToken",
            "IncompleteSignatureException", "IncompleteSignature", "ExpiredTokenException", "ExpiredToken",
            "NotAuthorized":
            code = .credentials
        case let name where name.contains("Throttl") || name.hasPrefix("TooManyRequests"): code = .away
        case "RequestLimitExceeded", "InternalServiceException", "InternalFailure", "ServiceUnavailable",
            "ServiceUnavailableException", "OperationTimeoutException":
            code = .away
        default: return RegistryAnswer.failure(answer, place, words: said?.type, isUnknown: false)
        }
        // Behind the first line of some stands the request as it was signed, the session's token in it.
        let line = said?.message.map { String($0.prefix { !$0.isNewline }) }
        let words = [said?.name, line].compactMap { $0 }.filter { !$0.isEmpty }.joined(separator: ": ")
        return RegistryFailure(code, status: answer.status, RegistryAnswer.oneLine(words), url: place)
    }
}
