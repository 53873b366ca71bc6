import Foundation
import Testing

@testable import Loader

@Suite("docs/security.md")
struct SecurityPageTests {
    private static func page() throws -> String {
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        return try String(contentsOf: root.appending(path: "docs/security.md"), encoding: .utf8)
    }

    /// What of a page's section stands in a file of the loader's.
    private static func configuration(in block: String) -> String? {
        var text = block
        if let file = text.firstMatch(of: #/\$ cat loader\.yaml\n([\s\S]*?)\n\$ /#) {
            text = String(file.1)
        } else if let file = text.firstMatch(of: /# loader\.yaml\n([\s\S]*)/) {
            text = String(file.1)
        }
        return text.firstMatch(of: /(?m)^(kafka|postgres|schema_registry|routes):/) == nil ? nil : text
    }

    @Test("each configuration of its sections is accepted as it stands, beside what the others have")
    func accepted() throws {
        let blocks = try Self.page().matches(of: /```(?:yaml|console)\n([\s\S]*?)```/).map { String($0.1) }
        let texts = blocks.compactMap(Self.configuration)
        #expect(texts.count >= 14, "the page is not as it was")
        for text in texts {
            func has(_ key: String) -> Bool { text.contains("\(key):") }
            var environment = ["CONFLUENT_KEY": "key"]
            if !has("brokers") { environment["KAFKA_BROKERS"] = "kafka-1.example.com:9093" }
            if !has("group") { environment["KAFKA_CONSUMER_GROUP"] = "orders-loader" }
            if !text.contains("\npostgres:"), !text.hasPrefix("postgres:") {
                environment["DATABASE_URL"] = "postgresql://loader_app@db.example.com/shop?sslmode=verify-full"
            }
            if !has("routes") { environment.merge(["KAFKA_TOPIC": "orders", "LOADER_TABLE": "public.orders"]) { $1 } }
            let named = text.matches(of: /\$\{file:([^}]*)\}/).map { (String($0.1), "secret") }
            let found = try mistakes(text, environment: environment, files: Dictionary(named) { $1 })
            #expect(found.isEmpty, "\(found)\n\(text)")
            for url in text.matches(of: /postgresql:\/\/[^\s"']+/) where url.0.contains("sslmode=verify") {
                #expect(url.0.contains("sslrootcert="), "libpq has no authorities of its own: \(url.0)")
            }
        }
    }

    @Test("what is read in variables alone is accepted, too")
    func variables() throws {
        let block = try #require(try Self.page().firstMatch(of: /```sh\n(export USE_MSK_IAM[\s\S]*?)```/))
        let pairs = block.1.matches(of: /([A-Z_]+)=(\S+)/).map { (String($0.1), String($0.2)) }
        #expect(pairs.count >= 6)
        _ = try read(nil, environment: Dictionary(pairs) { $1 })
    }
}
