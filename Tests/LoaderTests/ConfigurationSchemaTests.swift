import Foundation
import TestSupport
import Testing

@testable import Loader

@Suite("Configuration schema")
struct ConfigurationSchemaTests {
    private static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    @Test("docs/loader.schema.json is what `loader config --schema` prints")
    func page() throws {
        let page = try String(contentsOf: Self.root.appending(path: "docs/loader.schema.json"), encoding: .utf8)
        #expect(page == ConfigurationSchema.text, "run: loader config --schema > docs/loader.schema.json")
    }

    @Test("it is JSON, with every key's summary in it")
    func everyKey() throws {
        _ = try JSONSerialization.jsonObject(with: Data(ConfigurationSchema.text.utf8))
        for key in ConfigurationKey.all {
            #expect(ConfigurationSchema.text.contains(jsonString(key.summary)), "\(key.path)")
        }
    }

    /// Validates YAML texts with an implementation that is not ours.
    ///
    /// - Returns: for each text the paths that are refused.
    private func refusals(_ texts: [String]) throws -> [[String]] {
        let script = """
            import json, sys, yaml, jsonschema
            schema, texts = json.load(sys.stdin)
            jsonschema.Draft7Validator.check_schema(schema)
            validator = jsonschema.Draft7Validator(schema)
            def places(error):
                return ".".join(map(str, error.absolute_path))
            print(json.dumps([[places(e) for e in validator.iter_errors(yaml.safe_load(t))] for t in texts]))
            """
        let schema = try JSONSerialization.jsonObject(with: Data(ConfigurationSchema.text.utf8))
        let process = Process()
        process.executableURL = URL(filePath: try #require(Self.python))
        process.arguments = ["-c", script]
        let (input, output) = (Pipe(), Pipe())
        process.standardInput = input
        process.standardOutput = output
        try process.runWithoutBlockedSignals()
        try input.fileHandleForWriting.write(contentsOf: JSONSerialization.data(withJSONObject: [schema, texts]))
        try input.fileHandleForWriting.close()
        let answer = output.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return try JSONDecoder().decode([[String]].self, from: answer)
    }

    /// A Python with both modules; `scripts/test` installs one.
    private static let python: String? = {
        let path = (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":").map(String.init)
        return ([root.appending(path: ".local/venv/bin").path()] + path).lazy.map { $0 + "/python3" }.first { program in
            guard FileManager.default.isExecutableFile(atPath: program) else { return false }
            let process = Process()
            process.executableURL = URL(filePath: program)
            process.arguments = ["-c", "import jsonschema, yaml"]
            process.standardError = FileHandle.nullDevice
            guard (try? process.runWithoutBlockedSignals()) != nil else { return false }
            process.waitUntilExit()
            return process.terminationStatus == 0
        }
    }()

    @Test(
        "every example in the repository is valid, and so is whatever the loader itself takes: substitutions, units, lists",
        .enabled(if: python != nil, "no Python with jsonschema and PyYAML; scripts/test installs it"))
    func valid() throws {
        var texts = try ["deploy/demo/loader.yaml", "deploy/demo/loader-cdc.yaml", "deploy/compose/loader.yaml"].map {
            try String(contentsOf: Self.root.appending(path: $0), encoding: .utf8)
        }
        for page in ["README.md", "docs/configuration.md"] {
            let text = try String(contentsOf: Self.root.appending(path: page), encoding: .utf8)
            texts += text.matches(of: /```yaml\n([\s\S]*?)```/).map { String($0.1) }
        }
        texts += [
            "",
            """
            x-anchors: { anything: [1, 2] }
            kafka:
              brokers: ${KAFKA_BROKERS}
              group: 42
              group_prefix:
              auto_offset_reset: ${RESET:-latest}
              properties: { sasl.username: x, fetch.min.bytes: 1, check.crcs: true }
            batch: { max_rows: "${ROWS}", max_bytes: 64 kB, max_delay: 1m30s }
            writers: ${WRITERS:-2}
            delivery: at_least_once
            outage_timeout: null
            shutdown_timeout: 0.5s
            postgres: { synchronous_commit: yes, url: "host=db password=${file:/run/secrets/pg}" }
            routes:
              - topic: [orders, ^x.*]
                table: public.orders
                key: order_id, nr
                columns: { a: b, c: { from: d, required: true, unit: ms }, e: $offset }
              - { topic: people, table: public.people, mode: upsert, envelope: debezium }
              - { topic: places, table: public.places, mode: upsert, envelope: { form: debezium, skip: [m, x] } }
            dead_letters: { table: null, max_share: 0.25 }
            http: { listen: off }
            """,
        ]
        let found = try refusals(texts)
        for (text, refused) in zip(texts, found) { #expect(refused.isEmpty, "\(text)") }
        #expect(texts.count >= 6)
    }

    @Test(
        "what the loader would refuse is marked where it stands",
        .enabled(if: python != nil, "no Python with jsonschema and PyYAML; scripts/test installs it"))
    func invalid() throws {
        let cases = [
            ("kafka: { broker: x }", "kafka"), ("batch: { max_rows: 0 }", "batch.max_rows"),
            ("batch: { max_rows: many }", "batch.max_rows"), ("delivery: twice", "delivery"),
            ("batch: { max_delay: 5 }", "batch.max_delay"), ("batch: { max_bytes: 5 M B }", "batch.max_bytes"),
            ("routes: { topic: x }", "routes"), ("routes: [{ mode: upset }]", "routes.0.mode"),
            ("routes: [{ columns: { a: { form: b } } }]", "routes.0.columns.a"),
            ("routes: [{ envelope: dbz }]", "routes.0.envelope"),
            ("dead_letters: { max_share: 2 }", "dead_letters.max_share"), ("topics: x", ""),
        ]
        let found = try refusals(cases.map(\.0))
        for (example, refused) in zip(cases, found) { #expect(refused == [example.1], "\(example.0)") }
    }
}
