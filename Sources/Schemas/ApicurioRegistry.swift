import Foundation
import Web

/// A registry with Apicurio's own API: version 3, and version 2 where it has no other.
///
/// Belongs to one thread, which waits in it. What it is told is other people's input: it is looked at, and limited.
final class ApicurioRegistry: RegistryAPI {
    private let connection: RegistryConnection
    private let naming: SchemaNaming
    /// The version of the API behind each URL, found out once.
    private var bases: [String: Base] = [:]

    private struct Base {
        var url: String
        var version: Int
    }

    /// Schemas that one may refer to, also by way of others.
    private static let mostReferences = 500

    init(_ options: RegistryOptions) {
        connection = RegistryConnection(options)
        naming = options.naming
    }

    // MARK: Schemas

    func schema(
        _ id: SchemaID, _ name: SchemaName?, _ isGivenUp: () -> Bool
    ) throws(RegistryFailure) -> RegisteredSchema {
        try connection.inTurn { url throws(RegistryFailure) in
            let base = try base(of: url, isGivenUp)
            return try schema(try wanted(id, name), base, isGivenUp)
        }
    }

    /// - Parameter subject: an artifact, with its group and a slash before it if that is not `default`.
    func newest(ofSubject subject: String, _ isGivenUp: () -> Bool) throws(RegistryFailure) -> RegisteredSchema {
        let parts = subject.split(separator: "/", maxSplits: 1)
        let (group, artifact) = parts.count == 2 ? (String(parts[0]), String(parts[1])) : ("default", subject)
        return try connection.inTurn { url throws(RegistryFailure) in
            let base = try base(of: url, isGivenUp)
            return try schema(.artifact(artifact, group: group, version: nil), base, isGivenUp)
        }
    }

    /// It says who may read anything at all.
    func greet(_ isGivenUp: () -> Bool) throws(RegistryFailure) {
        try connection.inTurn { url throws(RegistryFailure) in
            let base = try base(of: url, isGivenUp)
            let _: Count = try get(base, Self.search(base) + "?limit=1", isGivenUp)
        }
    }

    private enum Wanted {
        case content(UInt64)
        case global(UInt64)
        case hash(String)
        case artifact(String, group: String, version: String?)
    }

    private func wanted(_ id: SchemaID, _ name: SchemaName?) throws(RegistryFailure) -> Wanted {
        switch (id.kind, name?.form) {
        case (.content, _): return .content(id.low)
        case (.global, _): return .global(id.low)
        // A route's own.
        case (.number, _): return naming.numbers == .global ? .global(id.low) : .content(id.low)
        case (_, .hash(let hash)): return .hash(hash)
        case (_, .artifact(let artifact, let group, let version)):
            return .artifact(artifact, group: group, version: version)
        default: throw RegistryFailure(.unknown, "it has no such ids", url: "")
        }
    }

    private func schema(
        _ wanted: Wanted, _ base: Base, _ isGivenUp: () -> Bool
    ) throws(RegistryFailure) -> RegisteredSchema {
        let wanted = try settled(wanted, base, isGivenUp)
        let path = Self.path(wanted, base)
        var text = SchemaText(text: try self.text(base, path.text, isGivenUp))
        let found = try find(wanted, base, isGivenUp)
        let type = found?.type?.uppercased()
        func schema(_ content: RegisteredSchema.Content) -> RegisteredSchema {
            RegisteredSchema(content, subject: found?.subject, version: found?.version.flatMap { Int($0) })
        }
        var known: Set<Reference> = []
        if type == "JSON" {
            // Its messages are read without what it refers to, which only says more of their fields: nobody waits for it.
            try? collect(path.references, base, &text.references, &known, isGivenUp)
            return schema(text.content(.json))
        }
        do throws(ReferenceFailure) {
            try collect(path.references, base, &text.references, &known, isGivenUp)
        } catch {
            switch error {
            case .registry(let failure): throw failure
            case .schema(let words): return schema(.unreadable(words))
            }
        }
        switch type {
        case "AVRO": return schema(text.content(.avro))
        case "PROTOBUF": return schema(text.content(.protobuf))
        case nil: return schema(text.content(text.language))
        case let type?: return schema(.unreadable("is of a type that is not read: \(type.prefix(40))"))
        }
    }

    private static func path(_ wanted: Wanted, _ base: Base) -> (text: String, references: String) {
        func both(_ path: String, _ rest: String = "") -> (String, String) { (path + rest, path + "/references") }
        let isThird = base.version == 3
        switch wanted {
        case .content(let id): return both("/ids/contentIds/\(id)")
        case .global(let id): return both("/ids/globalIds/\(id)")
        case .hash(let hash): return both("/ids/contentHashes/\(hash.percentEncoded)")
        case .artifact(let artifact, let group, let version):
            let version = version.map(\.percentEncoded) ?? "branch=latest"
            return both("\(path(artifact, group))/versions/\(version)", isThird ? "/content" : "")
        }
    }

    private static func path(_ artifact: String, _ group: String) -> String {
        "/groups/\(group.percentEncoded)/artifacts/\(artifact.percentEncoded)"
    }

    /// Version 2 has no name for the newest version that its references could be asked by.
    private func settled(_ wanted: Wanted, _ base: Base, _ isGivenUp: () -> Bool) throws(RegistryFailure) -> Wanted {
        guard case .artifact(let artifact, let group, nil) = wanted, base.version == 2 else { return wanted }
        struct Metadata: Decodable { var version: String }
        let metadata: Metadata = try get(base, Self.path(artifact, group) + "/meta", isGivenUp)
        return .artifact(artifact, group: group, version: metadata.version)
    }

    // MARK: What it is

    private struct Found {
        var type: String?
        var subject: String?
        var version: String?
    }

    private struct Count: Decodable { var count: Int }

    private struct VersionSearch: Decodable {
        struct Version: Decodable {
            var artifactType: String?
            var groupId: String?
            var artifactId: String?
            var version: String?
        }
        var versions: [Version]
    }

    private struct ArtifactSearch: Decodable {
        struct Artifact: Decodable {
            var type: String?
            var groupId: String?
            var id: String?
        }
        var artifacts: [Artifact]
    }

    private static func search(_ base: Base) -> String { base.version == 3 ? "/search/versions" : "/search/artifacts" }

    /// What an id stands for: of a text alone nobody says which language it is in. Nil where the search does not find it.
    private func find(
        _ wanted: Wanted, _ base: Base, _ isGivenUp: () -> Bool
    ) throws(RegistryFailure) -> Found? {
        let query: String
        switch wanted {
        case .content(let id): query = "contentId=\(id)"
        case .global(let id): query = "globalId=\(id)"
        case .hash: return nil
        case .artifact(let artifact, let group, let version):
            guard base.version == 3 else { return nil }
            query =
                "groupId=\(group.percentEncoded)&artifactId=\(artifact.percentEncoded)"
                + (version.map { "&version=\($0.percentEncoded)" } ?? "&orderby=globalId&order=desc")
        }
        let path = "\(Self.search(base))?\(query)&limit=1"
        do throws(RegistryFailure) {
            if base.version == 3 {
                let answer: VersionSearch = try get(base, path, isGivenUp)
                return answer.versions.first.map { version in
                    Found(
                        type: version.artifactType,
                        subject: version.artifactId.map { Self.subject($0, version.groupId) }, version: version.version)
                }
            }
            let answer: ArtifactSearch = try get(base, path, isGivenUp)
            return answer.artifacts.first.map { artifact in
                Found(type: artifact.type, subject: artifact.id.map { Self.subject($0, artifact.groupId) })
            }
        } catch  where error.code == .rights || error.code == .noRegistry || error.code == .unknown {
            // Who may read a schema need not be let search, and older ones do not search by ids.
            return nil
        }
    }

    private static func subject(_ artifact: String, _ group: String?) -> String {
        guard let group, !group.isEmpty, group != "default" else { return artifact }
        return "\(group)/\(artifact)"
    }

    // MARK: References

    private struct Reference: Decodable, Hashable {
        var groupId: String?
        var artifactId: String
        var version: String?
        var name: String
    }

    private enum ReferenceFailure: Error {
        case registry(RegistryFailure)
        case schema(String)
    }

    /// What a schema refers to, and what that refers to.
    ///
    /// - Parameter path: where a list of it is.
    private func collect(
        _ path: String, _ base: Base, _ found: inout [SchemaText.Reference], _ known: inout Set<Reference>,
        _ isGivenUp: () -> Bool
    ) throws(ReferenceFailure) {
        let wanted: [Reference]
        do throws(RegistryFailure) {
            wanted = try get(base, path, isGivenUp)
        } catch {
            throw .registry(error)
        }
        for reference in wanted where known.insert(reference).inserted {
            guard known.count <= Self.mostReferences else {
                throw .schema("refers to more than \(Self.mostReferences) others")
            }
            let path = Self.path(
                .artifact(reference.artifactId, group: reference.groupId ?? "default", version: reference.version), base
            )
            let text: String
            do throws(RegistryFailure) {
                text = try self.text(base, path.text, isGivenUp)
            } catch  where error.code == .unknown {
                throw .schema(
                    "refers to \(reference.name), version \(reference.version ?? "latest") of "
                        + "\(Self.subject(reference.artifactId, reference.groupId)), which the registry does not have")
            } catch {
                throw .registry(error)
            }
            try collect(path.references, base, &found, &known, isGivenUp)
            found.append(SchemaText.Reference(name: reference.name, text: text))
        }
    }

    // MARK: Requests

    /// Where the API is: in the URL itself, or behind it.
    private func base(of url: String, _ isGivenUp: () -> Bool) throws(RegistryFailure) -> Base {
        if let known = bases[url] { return known }
        for version in [3, 2] where url.hasSuffix("/apis/registry/v\(version)") {
            bases[url] = Base(url: url, version: version)
        }
        if let known = bases[url] { return known }
        let root = url.hasSuffix("/apis/registry") ? url : url + "/apis/registry"
        struct Info: Decodable { var version: String }
        do throws(RegistryFailure) {
            let base = Base(url: root + "/v3", version: 3)
            let _: Info = try get(base, "/system/info", isGivenUp)
            bases[url] = base
            return base
        } catch  where error.status == 404 {
            let base = Base(url: root + "/v2", version: 2)
            let _: Info = try get(base, "/system/info", isGivenUp)
            bases[url] = base
            return base
        }
    }

    private func get<Answer: Decodable>(
        _ base: Base, _ path: String, _ isGivenUp: () -> Bool
    ) throws(RegistryFailure) -> Answer {
        let answer = try send(base, path, accept: "application/json", isGivenUp)
        return try RegistryAnswer.decode(Answer.self, answer, HTTPClient.withoutSecrets(base.url + path))
    }

    private func text(_ base: Base, _ path: String, _ isGivenUp: () -> Bool) throws(RegistryFailure) -> String {
        String(decoding: try send(base, path, accept: "*/*", isGivenUp).body, as: UTF8.self)
    }

    private func send(
        _ base: Base, _ path: String, accept: String, _ isGivenUp: () -> Bool
    ) throws(RegistryFailure) -> HTTPAnswer {
        let answer = try connection.send(
            HTTPRequest(.get, base.url + path, headers: [("Accept", accept)]), isGivenUp)
        guard answer.status != 200 else { return answer }
        struct Failure: Decodable {
            /// Of the exception: `ContentNotFoundException` and others of what is not there.
            var name: String?
            /// Version 3 says it in a title, version 2 in a message.
            var title: String?
            var message: String?
        }
        let said = try? JSONDecoder().decode(Failure.self, from: Data(answer.body))
        throw RegistryAnswer.failure(
            answer, HTTPClient.withoutSecrets(base.url + path), words: said?.title ?? said?.message,
            isUnknown: answer.status == 404 && said?.name?.hasSuffix("NotFoundException") ?? false)
    }
}
