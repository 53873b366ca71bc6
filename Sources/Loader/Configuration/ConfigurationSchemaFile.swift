import Foundation
import Loading
import Records

extension ConfigurationKind where Value == Route.SchemaFile {
    /// A file with a schema. Its name says what is in it where it ends with `.avsc` or `.proto`, else its content does.
    static var schemaFile: ConfigurationKind {
        .scalar("file", domain: "a schema of Avro or Protobuf") { path throws(ValueMistake) in
            let bytes = try SchemaFileReader.bytes(path)
            guard !SchemaFileReader.isAvro(path, bytes) else {
                do throws(AvroSchemaFailure) {
                    let schema = try AvroSchema(String(decoding: bytes, as: UTF8.self))
                    return Route.SchemaFile(path: path, content: .avro(schema))
                } catch {
                    throw ValueMistake(.invalidValue, "\(path): \(error)", "Give a schema of Avro, in JSON.")
                }
            }
            do throws(ProtobufSchemaFailure) {
                let schema = try SchemaFileReader.protobuf(path, bytes)
                return Route.SchemaFile(path: path, content: .protobuf(schema))
            } catch {
                throw ValueMistake(
                    .invalidValue, "\(path): \(error)",
                    "Give a .proto file, with those that it imports beside it, or what protoc --include_imports "
                        + "--descriptor_set_out writes.")
            }
        }
    }
}

private enum SchemaFileReader {
    /// More than any schema has, and so no such file is read.
    private static let most: UInt64 = 64 << 20

    static func bytes(_ path: String) throws(ValueMistake) -> [UInt8] {
        let size = (try? FileManager.default.attributesOfItem(atPath: path))?[.size] as? UInt64 ?? 0
        guard size <= most, let data = FileManager.default.contents(atPath: path) else {
            throw ValueMistake(
                .invalidValue, "\(path) cannot be read", "Name a file that the loader's user may read.")
        }
        return Array(data)
    }

    /// Avro's are JSON: an object, an array or a text.
    static func isAvro(_ path: String, _ bytes: [UInt8]) -> Bool {
        if path.hasSuffix(".avsc") { return true }
        guard !path.hasSuffix(".proto"), let first = bytes.first(where: { !(0x09...0x0D ~= $0 || $0 == 0x20) }) else {
            return false
        }
        return [UInt8(ascii: "{"), UInt8(ascii: "["), UInt8(ascii: "\"")].contains(first)
            && String(validating: bytes, as: UTF8.self) != nil
    }

    static func protobuf(_ path: String, _ bytes: [UInt8]) throws(ProtobufSchemaFailure) -> ProtobufSchema {
        let name = URL(filePath: path).lastPathComponent
        if !path.hasSuffix(".proto"), let schema = try? ProtobufSchema(descriptors: bytes) { return schema }
        let isText = path.hasSuffix(".proto") || !bytes.contains(0) && String(validating: bytes, as: UTF8.self) != nil
        guard isText else { return try ProtobufSchema(descriptors: bytes) }
        let directories = directories(of: path, package: ProtobufSchema.package(ofText: bytes))
        return try ProtobufSchema(.text(bytes), named: name) { imported in
            // Names are relative, as compilers want them; one that leads elsewhere is none.
            guard !imported.hasPrefix("/"), !imported.split(separator: "/").contains("..") else { return nil }
            for directory in directories {
                if let data = FileManager.default.contents(atPath: directory.appending(path: imported).path()) {
                    return .text(Array(data))
                }
            }
            return nil
        }
    }

    /// Where a file's imports may lie: beside it, or, where files lie in a directory for each part of their package, at
    /// the top of those.
    private static func directories(of path: String, package: String) -> [URL] {
        var directories = [URL(filePath: path).standardizedFileURL.deletingLastPathComponent()]
        for _ in package.split(separator: ".") {
            guard let last = directories.last, last.path() != "/" else { break }
            directories.append(last.deletingLastPathComponent())
        }
        return directories
    }
}
