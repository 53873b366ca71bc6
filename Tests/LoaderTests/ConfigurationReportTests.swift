import Foundation
import Testing

@testable import Loader

@Suite struct ConfigurationReportTests {
    let configuration: Configuration

    init() throws {
        configuration = try read(
            completeYAML.replacing("localhost:9092", with: "${HOSTS:-a:1}") + "\nwriters: 0_2\n",
            environment: ["BATCH_SIZE": "7", "LOADER_ROUTES_0_KEY": "a,b"],
            set: ["dead_letters.topic=null", "routes.1.topic=refunds", "routes.1.table=t"])
    }

    @Test("each key in force has its value and its place")
    func origins() {
        let lines = ConfigurationReport(configuration).text.split(separator: "\n").map {
            $0.split(separator: " ", omittingEmptySubsequences: true).joined(separator: " ")
        }
        #expect(lines.contains("kafka.brokers a:1 loader.yaml:2:12 (${HOSTS})"))
        #expect(lines.contains("batch.max_rows 7 BATCH_SIZE"))
        #expect(lines.contains("dead_letters.topic null --set dead_letters.topic"))
        #expect(lines.contains("routes[0].mode insert default"))
        #expect(lines.contains("routes[1].mode insert default"))
        #expect(lines.contains("routes[1].topic refunds --set routes[1].topic"))
        #expect(lines.contains("batch.max_bytes 32MiB default"))
    }

    @Test("every key with a default is there, whether it was set or not")
    func complete() {
        let paths = Set(ConfigurationReport(configuration).lines.map(\.path))
        for key in ConfigurationKey.all where key.defaultText != nil && !key.path.contains("<column>") {
            #expect(paths.contains(key.pattern.path(indexes: [0]).description))
        }
    }

    @Test("the JSON is JSON, with numbers as numbers and null as null")
    func json() throws {
        let data = Data(ConfigurationReport(configuration).json.utf8)
        let object = try #require(JSONSerialization.jsonObject(with: data) as? [String: [String: Any]])
        #expect(object["batch.max_rows"]?["value"] as? Int == 7)
        #expect(object["batch.max_rows"]?["origin"] as? String == "BATCH_SIZE")
        #expect(object["writers"]?["value"] as? Int == 2)
        #expect(object["postgres.synchronous_commit"]?["value"] as? Bool == true)
        #expect(object["dead_letters.topic"]?["value"] is NSNull)
        #expect(object["batch.max_bytes"]?["value"] as? String == "32MiB")
    }
}
