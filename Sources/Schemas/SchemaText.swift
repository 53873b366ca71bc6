import Foundation
import Records

/// What a registry has of a schema: its text, and the texts that it refers to.
struct SchemaText {
    enum Language {
        case avro, protobuf, json
    }

    /// As types refer to it: a type's full name in Avro, a file's path in Protobuf.
    struct Reference {
        var name: String
        var text: String
    }

    var text: String
    /// What each refers to stands before it.
    var references: [Reference] = []

    /// What it is in a language; of one that cannot be read, why not.
    func content(_ language: Language) -> RegisteredSchema.Content {
        switch language {
        case .json:
            let schema = JSONSchemaOutline(self)
            return .json(schema?.outline, types: schema?.connectTypes)
        case .avro:
            do throws(AvroSchemaFailure) {
                return .avro(try AvroSchema(text, references: references.map { ($0.name, $0.text) }))
            } catch {
                return .unreadable("is none of Avro's: \(error)")
            }
        case .protobuf: return protobuf
        }
    }

    private var protobuf: RegisteredSchema.Content {
        do throws(ProtobufSchemaFailure) {
            let others = references.map { (name: $0.name, source: Self.source($0.text)) }
            return .protobuf(try ProtobufSchema(Self.source(text), named: "its file", with: others))
        } catch {
            return .unreadable("is none of Protobuf's: \(error)")
        }
    }

    /// Some producers register descriptors in place of texts.
    private static func source(_ text: String) -> ProtobufSource {
        Data(base64Encoded: text).map { .descriptors(Array($0)) } ?? .text(Array(text.utf8))
    }

    /// What it looks like, where nobody says it: JSON that is a schema of Avro, JSON, or else Protobuf.
    var language: Language {
        let bytes = Array(text.utf8)
        guard let first = bytes.first(where: { !($0 == 0x20 || (0x09...0x0D).contains($0)) }) else { return .avro }
        guard [UInt8(ascii: "{"), UInt8(ascii: "["), UInt8(ascii: "\"")].contains(first) else { return .protobuf }
        if case .avro = content(.avro) { return .avro }
        guard let object = try? JSONSerialization.jsonObject(with: Data(bytes)) as? [String: Any] else { return .avro }
        let types: Set = ["record", "enum", "fixed", "error"]
        // So that a mistake in a schema of Avro is told as one.
        if let type = object["type"] as? String, types.contains(type) { return .avro }
        return .json
    }
}
