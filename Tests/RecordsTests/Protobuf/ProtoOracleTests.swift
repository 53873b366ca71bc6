import Foundation
import SwiftProtobuf
import TestSupport
import Testing

@testable import Records

/// What protoc makes of `.proto` files: `scripts/lib/proto-cases` asks it.
@Suite(
    "The text of .proto files against protoc",
    .enabled(if: OtherProgram.has("grpc_tools, google.api.annotations_pb2"), "\(OtherProgram.missing)"))
struct ProtoOracleTests {
    private struct Case: Decodable {
        var name: String
        var text: String
        var descriptors: String
    }

    @Test("protoc's and googleapis' files, and random ones, become the descriptors that protoc makes of them")
    func agreement() async throws {
        let cases: [Case] = try await OtherProgram.lines(
            of: "proto-cases", ["7", "100"], with: "grpc_tools, google.api.annotations_pb2")
        #expect(cases.count > 350)
        let texts = Dictionary(cases.map { ($0.name, Array($0.text.utf8)) }) { $1 }
        var parsed: [String: ProtoParser.Source] = [:]
        for (name, text) in texts { parsed[name] = try ProtoParser.parse(text, name: name) }
        var syntaxes: [String: Int] = [:]
        for made in cases {
            let bytes = try #require(made.descriptors.asBytes)
            let expected = try #require(try Google_Protobuf_FileDescriptorSet(serializedBytes: bytes).file.last)
            let file = try #require(parsed[made.name])
            var files = [file]
            var known: Set<String> = [made.name]
            var place = 0
            while place < files.count {
                files += files[place].descriptor.dependency.filter { known.insert($0).inserted }.compactMap {
                    parsed[$0]
                }
                place += 1
            }
            let linked = try ProtoLinker.link(files.map { ($0.descriptor, $0) })[0]
            let (found, wanted) = (linked.compared, expected.compared)
            #expect(found == wanted, "\(made.name): \(difference(found, wanted))\n\(made.text.prefix(3000))")
            syntaxes[found.syntax + (found.hasEdition ? "\(found.edition)" : ""), default: 0] += 1
        }
        #expect(syntaxes.count == 4 && syntaxes.values.allSatisfy { $0 > 40 }, "\(syntaxes)")
    }

    private func difference(
        _ found: Google_Protobuf_FileDescriptorProto, _ wanted: Google_Protobuf_FileDescriptorProto
    ) -> String {
        let lines = (found.textFormatString(), wanted.textFormatString())
        let pairs = zip(lines.0.split(separator: "\n"), lines.1.split(separator: "\n"))
        return pairs.first { $0 != $1 }.map { "\($0) in place of \($1)" } ?? "one is longer"
    }
}

extension Google_Protobuf_FileDescriptorProto {
    /// All that says how messages lie and what fields are called.
    fileprivate var compared: Self {
        var file = self
        file.clearSourceCodeInfo()
        file.service = []
        if syntax.isEmpty { file.syntax = "proto2" }
        let features = options.hasFeatures ? options.features.compared : nil
        file.clearOptions()
        if let features, features != .init() { file.options.features = features }
        file.messageType = messageType.map(\.compared)
        file.enumType = enumType.map(\.compared)
        file.extension = `extension`.map(\.compared)
        return file
    }
}

extension Google_Protobuf_DescriptorProto {
    fileprivate var compared: Self {
        var message = self
        let features = options.hasFeatures ? options.features.compared : nil
        message.clearOptions()
        if options.mapEntry { message.options.mapEntry = true }
        if let features { message.options.features = features }
        message.field = field.map(\.compared)
        message.nestedType = nestedType.map(\.compared)
        message.enumType = enumType.map(\.compared)
        message.extension = `extension`.map(\.compared)
        for place in extensionRange.indices { message.extensionRange[place].clearOptions() }
        for place in oneofDecl.indices {
            message.oneofDecl[place].clearOptions()
            if oneofDecl[place].options.hasFeatures {
                message.oneofDecl[place].options.features = oneofDecl[place].options.features.compared
            }
        }
        return message
    }
}

extension Google_Protobuf_FieldDescriptorProto {
    fileprivate var compared: Self {
        var field = self
        field.clearOptions()
        if options.hasPacked { field.options.packed = options.packed }
        if options.hasFeatures { field.options.features = options.features.compared }
        if type == .double || type == .float, hasDefaultValue, let value = Double(defaultValue) {
            field.defaultValue = "\(value)"
        }
        return field
    }
}

extension Google_Protobuf_EnumDescriptorProto {
    fileprivate var compared: Self {
        var made = self
        made.clearOptions()
        if options.hasAllowAlias { made.options.allowAlias = options.allowAlias }
        if options.hasFeatures { made.options.features = options.features.compared }
        for place in value.indices { made.value[place].clearOptions() }
        return made
    }
}

extension Google_Protobuf_FeatureSet {
    /// Without those of languages, and those that protoc looks at and does not hand on.
    fileprivate var compared: Self {
        var made = Self()
        if hasFieldPresence { made.fieldPresence = fieldPresence }
        if hasEnumType { made.enumType = enumType }
        if hasRepeatedFieldEncoding { made.repeatedFieldEncoding = repeatedFieldEncoding }
        if hasUtf8Validation { made.utf8Validation = utf8Validation }
        if hasMessageEncoding { made.messageEncoding = messageEncoding }
        if hasJsonFormat { made.jsonFormat = jsonFormat }
        return made
    }
}
