import Foundation
import Testing

@testable import Loader

@Suite("Schemas in files")
struct ConfigurationSchemaFileTests {
    /// Files in a directory of their own, and the mistakes of a route that takes one of them.
    private func mistakes(
        _ files: [String: String], _ file: String, _ more: [String] = []
    ) throws -> [ConfigurationProblem] {
        let directory = FileManager.default.temporaryDirectory.appending(path: "schemas-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: directory) }
        for (name, text) in files {
            let path = directory.appending(path: name)
            try FileManager.default.createDirectory(
                at: path.deletingLastPathComponent(), withIntermediateDirectories: true)
            try Data(text.utf8).write(to: path)
        }
        let path = directory.appending(path: file).path()
        return try LoaderTests.mistakes(
            set: ["routes.0.format=protobuf", "routes.0.schema.file=\(path)"] + more
        ).map {
            var problem = $0
            problem.message = problem.message.replacing(directory.path() + "/", with: "")
            return problem
        }
    }

    private let one = "syntax = \"proto3\"; package shop; import \"shop/a.proto\"; message Order { A a = 1; }"
    private let address = "syntax = \"proto3\"; package shop; message A { int32 x = 1; } message B {}"

    @Test("a .proto file's imports are found beside it, and above it where its directories are its package's")
    func imports() throws {
        #expect(try mistakes(["orders.proto": one, "shop/a.proto": address], "orders.proto").isEmpty)
        #expect(try mistakes(["shop/orders.proto": one, "shop/a.proto": address], "shop/orders.proto").isEmpty)
        // Of no ending: told by what is in it.
        #expect(try mistakes(["schema": one, "shop/a.proto": address], "schema").isEmpty)
        let missing = try mistakes(["orders.proto": one], "orders.proto")
        #expect(missing.map(\.path) == ["routes[0].schema.file"])
        #expect(
            missing.first?.message.contains(
                "orders.proto:1:73 names a type A that nothing defines; of what it imports, shop/a.proto was not found")
                == true, "\(missing)")
    }

    @Test("a file that does not parse stops the start with the line and the column")
    func broken() throws {
        let found = try mistakes(["orders.proto": "syntax = \"proto3\";\nmessage Order { int32 = 1; }"], "orders.proto")
        #expect(
            found.first?.message.contains("orders.proto:2:23 has = where the name of a field is expected") == true,
            "\(found)")
        let imported = try mistakes(["orders.proto": one, "shop/a.proto": "message"], "orders.proto")
        #expect(imported.first?.message.contains("shop/a.proto:1:8 has the end of the file") == true, "\(imported)")
        #expect(try mistakes(["orders.desc": "\u{1}\u{2}\0"], "orders.desc").count == 1)
    }

    @Test("which message it is must be said where the file has several, and they are listed")
    func messages() throws {
        let files = ["orders.proto": address]
        let several = try mistakes(files, "orders.proto")
        #expect(several.map(\.path) == ["routes[0].schema.message"])
        #expect(several.first?.mend.contains("shop.A, shop.B") == true, "\(several)")
        #expect(try mistakes(files, "orders.proto", ["routes.0.schema.message=shop.B"]).isEmpty)
        let wrong = try mistakes(files, "orders.proto", ["routes.0.schema.message=shop.C"])
        #expect(wrong.first?.mend.contains("It has shop.A, shop.B") == true, "\(wrong)")
    }

    @Test("a schema of another format than the route's is a mistake, and so is a message without one")
    func otherFormats() throws {
        let record = #"{"type":"record","name":"R","fields":[]}"#
        let found = try mistakes(["r.avsc": record], "r.avsc")
        #expect(found.first?.message.contains("is a schema of avro, and the format is protobuf") == true, "\(found)")
        #expect(
            try mistakes(["a.proto": one, "shop/a.proto": address], "a.proto", ["routes.0.format=avro"]).map(\.path)
                == ["routes[0].schema.file"])
        let idle = try LoaderTests.mistakes(set: ["routes.0.schema.message=shop.A"])
        #expect(idle.map(\.path) == ["routes[0].schema.message"])
        let registry = ["schema_registry.url=http://r", "routes.0.format=protobuf"]
        #expect(try LoaderTests.mistakes(set: registry).isEmpty)
        #expect(
            try LoaderTests.mistakes(set: registry + ["routes.0.schema.id=7"]).map(\.path)
                == ["routes[0].schema.message"])
        #expect(
            try LoaderTests.mistakes(set: registry + ["routes.0.schema.id=7", "routes.0.schema.message=a.B"]).isEmpty)
    }

    @Test("how message indexes are written is said only where messages of Confluent's clients may have any")
    func messageIndexes() throws {
        let plain = ["routes.0.message_indexes=plain"]
        let registry = ["schema_registry.url=http://r"]
        #expect(try LoaderTests.mistakes(set: plain + registry).isEmpty)
        #expect(try LoaderTests.mistakes(set: plain + registry + ["routes.0.format=json"]).isEmpty)
        let both = ["routes.0.format=avro", "routes.0.key_format=long"]
        for idle in [[], registry + ["schema_registry.kind=apicurio"], registry + both] {
            let found = try LoaderTests.mistakes(set: plain + idle)
            #expect(found.map(\.path) == ["routes[0].message_indexes"], "\(idle): \(found)")
        }
    }
}
