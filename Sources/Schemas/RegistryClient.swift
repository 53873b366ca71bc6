import Foundation
import Records
import Web

/// A registry with Confluent's API, as Redpanda, Karapace and Apicurio have it as well.
///
/// Belongs to one thread, which waits in it. What it is told is other people's input: it is looked at, and limited.
final class RegistryClient {
    private let options: RegistryOptions
    private let client: HTTPClient
    /// Of several URLs the one that has answered last, or comes after those that have not.
    private var current = 0

    /// Schemas that one may refer to, also by way of others.
    private static let mostReferences = 500

    init(_ options: RegistryOptions) {
        self.options = options
        client = HTTPClient(options.http)
    }

    // MARK: Schemas

    /// The schema of an id.
    func schema(number: Int32, _ isGivenUp: () -> Bool) throws(RegistryFailure) -> RegisteredSchema {
        // Otherwise the answer comes with the highest id that there is.
        let answer: SchemaAnswer = try get("/schemas/ids/\(number)?fetchMaxId=false", isGivenUp)
        var schema = try read(answer, at: "/schemas/ids/\(number)?fetchMaxId=false&", isGivenUp)
        schema.number = number
        return schema
    }

    func schema(guid: String, _ isGivenUp: () -> Bool) throws(RegistryFailure) -> RegisteredSchema {
        let answer: SchemaAnswer = try get("/schemas/guids/\(guid)", isGivenUp)
        return try read(answer, at: "/schemas/guids/\(guid)?", isGivenUp)
    }

    /// The newest version of a subject.
    func newest(ofSubject subject: String, _ isGivenUp: () -> Bool) throws(RegistryFailure) -> RegisteredSchema {
        let path = "/subjects/\(Self.escaped(subject))/versions/"
        let answer: SchemaAnswer = try get(path + "latest", isGivenUp)
        // The newest may be another a moment later.
        return try read(answer, at: path + "\(answer.version.map { "\($0)" } ?? "latest")?", isGivenUp)
    }

    /// The subject and the version that an id stands for; of several the first. Older registries do not say it with the
    /// schema.
    func versions(ofNumber number: Int32, _ isGivenUp: () -> Bool) throws(RegistryFailure) -> SubjectVersion? {
        let all: [SubjectVersion] = try get("/schemas/ids/\(number)/versions", isGivenUp)
        return all.first
    }

    /// Asks for what every registry answers and everybody may know: it is there, and lets this one in.
    func greet(_ isGivenUp: () -> Bool) throws(RegistryFailure) {
        do throws(RegistryFailure) {
            let _: [String] = try get("/schemas/types", isGivenUp)
        } catch  where error.code == .rights {
            // Whoever may read schemas need not be told which kinds there are.
        }
    }

    struct SubjectVersion: Decodable {
        var subject: String
        var version: Int
    }

    private struct SchemaAnswer: Decodable {
        struct Reference: Decodable {
            var name: String
            var subject: String
            var version: Int
        }
        struct Rule: Decodable {
            var type: String?
            var disabled: Bool?
        }
        struct Rules: Decodable {
            var domainRules: [Rule]?
            var encodingRules: [Rule]?
        }

        var schema: String
        /// Of Avro where it is absent.
        var schemaType: String?
        var references: [Reference]?
        var ruleSet: Rules?
        var subject: String?
        var version: Int?
        var id: Int32?

        var isEncrypted: Bool {
            let rules = (ruleSet?.domainRules ?? []) + (ruleSet?.encodingRules ?? [])
            return rules.contains { ($0.type ?? "").uppercased().hasPrefix("ENCRYPT") && $0.disabled != true }
        }
    }

    /// - Parameter place: where the same schema is asked for in another form.
    private func read(
        _ answer: SchemaAnswer, at place: String, _ isGivenUp: () -> Bool
    ) throws(RegistryFailure) -> RegisteredSchema {
        func schema(_ content: RegisteredSchema.Content) -> RegisteredSchema {
            RegisteredSchema(content, subject: answer.subject, version: answer.version, number: answer.id)
        }
        if answer.isEncrypted {
            return schema(
                .unreadable(
                    "has rules of encryption: fields of its messages are ciphertext, which is not loaded as if it were "
                        + "their values"))
        }
        switch answer.schemaType ?? "AVRO" {
        case "JSON": return schema(.json)
        case "AVRO":
            var references: [(name: String, text: String)] = []
            do throws(ReferenceFailure) {
                var known: Set<String> = []
                try collect(answer.references ?? [], &references, &known, isGivenUp)
            } catch {
                switch error {
                case .registry(let failure): throw failure
                case .schema(let words): return schema(.unreadable(words))
                }
            }
            do throws(AvroSchemaFailure) {
                return schema(.avro(try AvroSchema(answer.schema, references: references)))
            } catch {
                return schema(.unreadable("is none of Avro's: \(error)"))
            }
        case "PROTOBUF":
            do throws(ReferenceFailure) {
                return schema(.protobuf(try protobuf(answer, at: place, isGivenUp)))
            } catch {
                switch error {
                case .registry(let failure): throw failure
                case .schema(let words): return schema(.unreadable(words))
                }
            }
        case let type: return schema(.unreadable("is of a type that is not read: \(type.prefix(40))"))
        }
    }

    // MARK: Protobuf

    /// A file as a registry has it, and where it is asked for in another form.
    private typealias ProtobufFile = (name: String, answer: SchemaAnswer, place: String)

    /// Registries have the texts of files, and some producers have registered descriptors. Where a text is not understood, the
    /// registry may do better: many give a descriptor in its place where they are asked for that.
    private func protobuf(
        _ answer: SchemaAnswer, at place: String, _ isGivenUp: () -> Bool
    ) throws(ReferenceFailure) -> ProtobufSchema {
        var files: [ProtobufFile] = [(answer.subject ?? "schema.proto", answer, place)]
        var known: Set<String> = []
        var wanted = answer.references ?? []
        while let reference = wanted.popLast() {
            guard known.insert(reference.name).inserted else { continue }
            guard known.count <= Self.mostReferences else {
                throw .schema("refers to more than \(Self.mostReferences) others")
            }
            let path = "/subjects/\(Self.escaped(reference.subject))/versions/\(reference.version)?deleted=true"
            let imported = try referred(reference, path, isGivenUp)
            files.append((reference.name, imported, path + "&"))
            wanted += imported.references ?? []
        }
        let mistake: ProtobufSchemaFailure
        do throws(ProtobufSchemaFailure) {
            return try Self.protobuf(files)
        } catch {
            mistake = error
        }
        // What is wrong with the texts has a place that somebody can look at.
        if let compiled = try compiled(files, isGivenUp), let schema = try? Self.protobuf(compiled) { return schema }
        throw .schema("is none of Protobuf's: \(mistake)")
    }

    private static func protobuf(_ files: [ProtobufFile]) throws(ProtobufSchemaFailure) -> ProtobufSchema {
        var sources = files.map { file in
            let descriptor = Data(base64Encoded: file.answer.schema)
            return (
                name: file.name,
                source: descriptor.map { ProtobufSource.descriptors(Array($0)) }
                    ?? .text(Array(file.answer.schema.utf8))
            )
        }
        let first = sources.removeFirst()
        return try ProtobufSchema(first.source, named: first.name, with: sources)
    }

    /// - Returns: nil if the registry gives no descriptor for one of them.
    private func compiled(
        _ files: [ProtobufFile], _ isGivenUp: () -> Bool
    ) throws(ReferenceFailure) -> [ProtobufFile]? {
        var files = files
        for index in files.indices where Data(base64Encoded: files[index].answer.schema) == nil {
            do throws(RegistryFailure) {
                files[index].answer = try get(files[index].place + "format=serialized", isGivenUp)
            } catch {
                throw .registry(error)
            }
            guard Data(base64Encoded: files[index].answer.schema) != nil else { return nil }
        }
        return files
    }

    private enum ReferenceFailure: Error {
        case registry(RegistryFailure)
        case schema(String)
    }

    /// What a schema refers to, and what that refers to: also versions that were deleted since, of which there may still be
    /// messages.
    private func collect(
        _ wanted: [SchemaAnswer.Reference], _ found: inout [(name: String, text: String)], _ known: inout Set<String>,
        _ isGivenUp: () -> Bool
    ) throws(ReferenceFailure) {
        for reference in wanted where known.insert(reference.name).inserted {
            guard known.count <= Self.mostReferences else {
                throw .schema("refers to more than \(Self.mostReferences) others")
            }
            let path = "/subjects/\(Self.escaped(reference.subject))/versions/\(reference.version)?deleted=true"
            let answer = try referred(reference, path, isGivenUp)
            try collect(answer.references ?? [], &found, &known, isGivenUp)
            found.append((reference.name, answer.schema))
        }
    }

    private func referred(
        _ reference: SchemaAnswer.Reference, _ path: String, _ isGivenUp: () -> Bool
    ) throws(ReferenceFailure) -> SchemaAnswer {
        do throws(RegistryFailure) {
            return try get(path, isGivenUp)
        } catch  where error.code == .unknown {
            throw .schema(
                "refers to \(reference.name), version \(reference.version) of \(reference.subject), which the "
                    + "registry does not have")
        } catch {
            throw .registry(error)
        }
    }

    // MARK: Requests

    /// Asks one URL after another, from the one that has answered last.
    private func get<Answer: Decodable>(_ path: String, _ isGivenUp: () -> Bool) throws(RegistryFailure) -> Answer {
        var failure: RegistryFailure?
        for _ in options.urls.indices {
            do throws(RegistryFailure) {
                return try get(path, from: options.urls[current], isGivenUp)
            } catch {
                // What one does not have or does not allow, none of them does.
                switch error.code {
                case .unknown, .givenUp, .credentials, .rights, .files: throw error
                case .away, .tls, .noRegistry, .url: failure = error
                }
                current = (current + 1) % options.urls.count
            }
        }
        throw failure ?? RegistryFailure(.url, "there is no URL", url: "")
    }

    private func get<Answer: Decodable>(
        _ path: String, from url: String, _ isGivenUp: () -> Bool
    ) throws(RegistryFailure) -> Answer {
        let whole = url + path
        let answer: HTTPAnswer
        do throws(HTTPFailure) {
            let request = HTTPRequest(
                .get, whole, headers: [("Accept", "application/vnd.schemaregistry.v1+json, application/json")])
            answer = try client.send(request, isGivenUp: isGivenUp)
        } catch {
            throw RegistryFailure(error)
        }
        let place = HTTPClient.withoutSecrets(whole)
        guard answer.status == 200 else { throw Self.failure(answer, place) }
        do {
            return try JSONDecoder().decode(Answer.self, from: Data(answer.body))
        } catch {
            throw RegistryFailure(.noRegistry, status: 200, "the answer is none of a schema registry's", url: place)
        }
    }

    private struct ErrorAnswer: Decodable {
        var errorCode: Int?
        var message: String?

        enum CodingKeys: String, CodingKey {
            case errorCode = "error_code"
            case message
        }
    }

    private static func failure(_ answer: HTTPAnswer, _ place: String) -> RegistryFailure {
        let said = try? JSONDecoder().decode(ErrorAnswer.self, from: Data(answer.body))
        let code: RegistryFailure.Code
        var words = said?.message.map(Self.oneLine) ?? "nothing that a registry says"
        switch answer.status {
        case 401: code = .credentials
        case 403: code = .rights
        case 408, 425, 429, 500...: code = .away
        // 40401 subject, 40402 version, 40403 schema, 40404 to 40407 deleted ones. 404 alone is said of a path.
        case 404 where (40401...40499).contains(said?.errorCode ?? 0): code = .unknown
        case 404 where place.contains("/schemas/guids/"):
            (code, words) = (.unknown, "the registry knows no GUIDs; Confluent's does from version 8 on")
        case 422: code = .unknown
        default: code = .noRegistry
        }
        if let redirect = answer.redirect { words = "it sends elsewhere: \(redirect)" }
        return RegistryFailure(code, status: answer.status, words, url: place)
    }

    /// Other people's words, of which a log takes a line.
    private static func oneLine(_ words: String) -> String {
        String(words.prefix(300).map { $0.isNewline ? " " : $0 })
    }

    /// A subject as a part of a path: it may have any character.
    private static func escaped(_ subject: String) -> String {
        let plain = Set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~".utf8)
        return subject.utf8.map { byte in
            if plain.contains(byte) { return String(UnicodeScalar(byte)) }
            let digits = String(byte, radix: 16, uppercase: true)
            return "%" + (digits.count < 2 ? "0" : "") + digits
        }.joined()
    }
}
