import Foundation
import Web

/// Azure's schema registry, which is part of a namespace of Event Hubs.
///
/// Belongs to one thread, which waits in it. What it is told is other people's input: it is looked at, and limited.
final class AzureRegistry: RegistryAPI {
    private static let version = "api-version=2023-07-01"

    private let connection: RegistryConnection

    init(_ options: RegistryOptions) { connection = RegistryConnection(options) }

    func schema(
        _ id: SchemaID, _ name: SchemaName?, _ isGivenUp: () -> Bool
    ) throws(RegistryFailure) -> RegisteredSchema {
        try schema(at: "/$schemaGroups/$schemas/\(id.description.filter { $0 != "-" })", isGivenUp)
    }

    /// - Parameter subject: a schema with its group and a slash before it.
    func newest(ofSubject subject: String, _ isGivenUp: () -> Bool) throws(RegistryFailure) -> RegisteredSchema {
        let parts = subject.split(separator: "/", maxSplits: 1).map { String($0).percentEncoded }
        guard parts.count == 2 else {
            throw RegistryFailure(.unknown, "a schema of Azure's has its group and a slash before its name", url: "")
        }
        let path = "/$schemaGroups/\(parts[0])/schemas/\(parts[1])/versions"
        struct Versions: Decodable {
            var schemaVersions: [Int]
            private enum CodingKeys: String, CodingKey {
                case schemaVersions, versions, value
                case upperValue = "Value"
            }
            /// Its name differs with the version of the API.
            init(from decoder: any Decoder) throws {
                let fields = try decoder.container(keyedBy: CodingKeys.self)
                let key = fields.allKeys.first ?? .value
                schemaVersions = try fields.decode([Int].self, forKey: key)
            }
        }
        let answer = try get(path, isGivenUp)
        let versions = try RegistryAnswer.decode(Versions.self, answer, path).schemaVersions
        guard let newest = versions.max() else {
            throw RegistryFailure(.unknown, "the schema has no version", url: path)
        }
        return try schema(at: "\(path)/\(newest)", isGivenUp)
    }

    func greet(_ isGivenUp: () -> Bool) throws(RegistryFailure) {
        let answer = try get("/$schemaGroups", isGivenUp)
        guard (try? JSONSerialization.jsonObject(with: Data(answer.body))) is [String: Any] else {
            throw RegistryFailure(.noRegistry, status: 200, "the answer is none of a schema registry's", url: "")
        }
    }

    private func schema(at path: String, _ isGivenUp: () -> Bool) throws(RegistryFailure) -> RegisteredSchema {
        let answer = try get(path, isGivenUp)
        let names = [answer.headers["schema-group-name"], answer.headers["schema-name"]].compactMap { $0 }
        func schema(_ content: RegisteredSchema.Content) -> RegisteredSchema {
            RegisteredSchema(
                content, subject: names.isEmpty ? nil : names.joined(separator: "/"),
                version: answer.headers["schema-version"].flatMap { Int($0) })
        }
        let text = SchemaText(text: String(decoding: answer.body, as: UTF8.self))
        // `application/json; serialization=Avro`, or `text/plain` of what is nobody's.
        let type = answer.headers["content-type"]?.lowercased() ?? "avro"
        if type.contains("avro") { return schema(text.content(.avro)) }
        if type.contains("serialization=json") { return schema(text.content(.json)) }
        if type.contains("protobuf") { return schema(text.content(.protobuf)) }
        return schema(.unreadable("is of a format that is not read: \(RegistryAnswer.oneLine(type).prefix(60))"))
    }

    // MARK: Requests

    private func get(_ path: String, _ isGivenUp: () -> Bool) throws(RegistryFailure) -> HTTPAnswer {
        try connection.inTurn { url throws(RegistryFailure) in
            let whole = "\(url)\(path)?\(Self.version)"
            let answer = try connection.send(HTTPRequest(.get, whole), isGivenUp)
            guard answer.status != 200 else { return answer }
            throw Self.failure(answer, HTTPClient.withoutSecrets(whole))
        }
    }

    private static func failure(_ answer: HTTPAnswer, _ place: String) -> RegistryFailure {
        struct Failure: Decodable {
            struct Said: Decodable {
                var code: String?
                var message: String?
            }
            var error: Said
        }
        let said = (try? JSONDecoder().decode(Failure.self, from: Data(answer.body)))?.error
        let words = said.map { [$0.code, $0.message].compactMap { $0 }.joined(separator: ": ") }
        return RegistryAnswer.failure(
            answer, place, words: words, isUnknown: answer.status == 404 && said?.code != nil)
    }
}
