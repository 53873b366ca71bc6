import Foundation
import Records
import Web

/// A registry with Confluent's API, as Redpanda, Karapace and Apicurio have it as well.
///
/// Belongs to one thread, which waits in it. What it is told is other people's input: it is looked at, and limited.
final class RegistryClient: RegistryAPI {
    private let connection: RegistryConnection

    /// Schemas that one may refer to, also by way of others.
    private static let mostReferences = 500

    init(_ options: RegistryOptions) { connection = RegistryConnection(options) }

    // MARK: Schemas

    func schema(
        _ id: SchemaID, _ name: SchemaName?, _ isGivenUp: () -> Bool
    ) throws(RegistryFailure) -> RegisteredSchema {
        if let number = id.number { return try schema(number: number, isGivenUp) }
        return try schema(guid: id.description, isGivenUp)
    }

    private func schema(number: Int32, _ isGivenUp: () -> Bool) throws(RegistryFailure) -> RegisteredSchema {
        // Otherwise the answer comes with the highest id that there is.
        let answer: SchemaAnswer = try get("/schemas/ids/\(number)?fetchMaxId=false", isGivenUp)
        var schema = try read(answer, at: "/schemas/ids/\(number)?fetchMaxId=false&", isGivenUp)
        schema.number = number
        return schema
    }

    private func schema(guid: String, _ isGivenUp: () -> Bool) throws(RegistryFailure) -> RegisteredSchema {
        let answer: SchemaAnswer = try get("/schemas/guids/\(guid)", isGivenUp)
        return try read(answer, at: "/schemas/guids/\(guid)?", isGivenUp)
    }

    func newest(ofSubject subject: String, _ isGivenUp: () -> Bool) throws(RegistryFailure) -> RegisteredSchema {
        let path = "/subjects/\(subject.percentEncoded)/versions/"
        let answer: SchemaAnswer = try get(path + "latest", isGivenUp)
        // The newest may be another a moment later.
        return try read(answer, at: path + "\(answer.version.map { "\($0)" } ?? "latest")?", isGivenUp)
    }

    /// Of several the first. Older registries do not say it with the schema.
    func place(of id: SchemaID) throws(RegistryFailure) -> (subject: String, version: Int)? {
        guard let number = id.number else { return nil }
        let all: [SubjectVersion] = try get("/schemas/ids/\(number)/versions") { false }
        return all.first.map { ($0.subject, $0.version) }
    }

    /// Asks for what every registry answers and everybody may know: it is there, and lets this one in.
    func greet(_ isGivenUp: () -> Bool) throws(RegistryFailure) {
        do throws(RegistryFailure) {
            let _: [String] = try get("/schemas/types", isGivenUp)
        } catch  where error.code == .rights {
            // Whoever may read schemas need not be told which kinds there are.
        }
    }

    private struct SubjectVersion: Decodable {
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
        case "JSON":
            var text = SchemaText(text: answer.schema)
            var known: Set<String> = []
            // Its messages are read without what it refers to, which only says more of their fields: nobody waits for it.
            try? collect(answer.references ?? [], &text.references, &known, isGivenUp)
            return schema(text.content(.json))
        case "AVRO":
            var text = SchemaText(text: answer.schema)
            do throws(ReferenceFailure) {
                var known: Set<String> = []
                try collect(answer.references ?? [], &text.references, &known, isGivenUp)
            } catch {
                switch error {
                case .registry(let failure): throw failure
                case .schema(let words): return schema(.unreadable(words))
                }
            }
            return schema(text.content(.avro))
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
            let path =
                "/subjects/\(reference.subject.percentEncoded)/versions/\(reference.version)?deleted=true"
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
        _ wanted: [SchemaAnswer.Reference], _ found: inout [SchemaText.Reference], _ known: inout Set<String>,
        _ isGivenUp: () -> Bool
    ) throws(ReferenceFailure) {
        for reference in wanted where known.insert(reference.name).inserted {
            guard known.count <= Self.mostReferences else {
                throw .schema("refers to more than \(Self.mostReferences) others")
            }
            let path =
                "/subjects/\(reference.subject.percentEncoded)/versions/\(reference.version)?deleted=true"
            let answer = try referred(reference, path, isGivenUp)
            try collect(answer.references ?? [], &found, &known, isGivenUp)
            found.append(SchemaText.Reference(name: reference.name, text: answer.schema))
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

    private func get<Answer: Decodable>(_ path: String, _ isGivenUp: () -> Bool) throws(RegistryFailure) -> Answer {
        try connection.inTurn { url throws(RegistryFailure) in try get(path, from: url, isGivenUp) }
    }

    private func get<Answer: Decodable>(
        _ path: String, from url: String, _ isGivenUp: () -> Bool
    ) throws(RegistryFailure) -> Answer {
        let whole = url + path
        let request = HTTPRequest(
            .get, whole, headers: [("Accept", "application/vnd.schemaregistry.v1+json, application/json")])
        let answer = try connection.send(request, isGivenUp)
        let place = HTTPClient.withoutSecrets(whole)
        guard answer.status == 200 else { throw Self.failure(answer, place) }
        return try RegistryAnswer.decode(Answer.self, answer, place)
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
        // 40401 subject, 40402 version, 40403 schema, 40404 to 40407 deleted ones. 404 alone is said of a path.
        var isUnknown = answer.status == 422 || (40401...40499).contains(said?.errorCode ?? 0)
        var words = said?.message
        if answer.status == 404, !isUnknown, place.contains("/schemas/guids/") {
            (isUnknown, words) = (true, "the registry knows no GUIDs; Confluent's does from version 8 on")
        }
        return RegistryAnswer.failure(answer, place, words: words, isUnknown: isUnknown)
    }
}
