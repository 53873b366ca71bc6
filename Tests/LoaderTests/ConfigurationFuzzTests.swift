import Foundation
import TestSupport
import Testing

@testable import Loader

@Suite struct ConfigurationFuzzTests {
    /// What the file, the environment and the command line say, as one text to be changed: the file, and behind each
    /// U+0000 a variable or, with two hyphens before it, an assignment.
    private struct Input: CustomStringConvertible {
        let description: String
        var yaml: String
        var environment: [String: String] = [:]
        var assignments: [String] = []

        init(_ text: String) {
            description = text.debugDescription
            let parts = text.split(separator: "\0", omittingEmptySubsequences: false).map(String.init)
            yaml = parts[0]
            for part in parts.dropFirst() {
                if part.hasPrefix("--") {
                    assignments.append(String(part.dropFirst(2)))
                } else if let equals = part.firstIndex(of: "=") {
                    environment[String(part[..<equals])] = String(part[part.index(after: equals)...])
                }
            }
        }
    }

    private static let secret = "s3cr3t-of-a-file"

    /// All that the loader would say of an input, and what is wrong with that.
    private struct Answer {
        var text: String
        var mistake: String?

        init(to input: Input) {
            let sources = ConfigurationSources(
                file: ("loader.yaml", input.yaml), environment: input.environment, assignments: input.assignments,
                readFile: { $0 == "/s" ? ConfigurationFuzzTests.secret : nil })
            do throws(ConfigurationProblems) {
                let configuration = try Configuration(sources)
                let report = ConfigurationReport(configuration)
                text = (configuration.warnings.map(\.description) + [report.text, report.json]).joined(separator: "\n")
                if (try? JSONSerialization.jsonObject(with: Data(report.json.utf8))) == nil {
                    mistake = "the report is no JSON"
                }
            } catch {
                text = error.description
                if error.problems.isEmpty { mistake = "refused without a reason" }
                if !error.problems.allSatisfy({ !$0.message.isEmpty && !$0.mend.isEmpty }) {
                    mistake = "a complaint without a mend"
                }
            }
        }
    }

    /// Nil if the loader's answer is as it should be.
    private static func difference(_ text: String) -> String? {
        let input = Input(text)
        let answer = Answer(to: input)
        if let mistake = answer.mistake { return "\(mistake): \(input): \(answer.text)" }
        // Whoever knows the secret may have written it elsewhere, too.
        if answer.text.contains(secret), !text.contains("s3cr3t") { return "shows a secret: \(input): \(answer.text)" }
        // Nothing may hang on the order in a dictionary.
        if Answer(to: input).text != answer.text { return "is read otherwise the next time: \(input)" }
        return nil
    }

    private static let seeds: [String] = [
        completeYAML,
        """
        x-common: &common { format: json, mode: ignore, zone: Europe/Berlin }
        kafka:
          brokers: a:1,b:2
          group: ${NAME:-g}
          auto_offset_reset: latest
          properties: { client.id: "${file:/s}", fetch.min.bytes: 1024, max.poll.interval.ms: 600000 }
        postgres: { url: "postgresql://u:${file:/s}@h/d", connect_timeout: 5s, synchronous_commit: off }
        batch: { max_rows: 10_000, max_bytes: 64kB, max_delay: 1m30s }
        routes:
          - topic: [orders, "^orders-.*{1,3}"]
            table: '"Odd Schema".Orders'
            mode: upsert
            key: [order_id, region]
            on_tombstone: skip
            columns:
              order_id: id
              region: $headers.region
              total: { from: order.total, required: true }
              at: { unit: ms, zone: "+02:00", on_nul: replace }
          - <<: [*common]
            topic: refunds
            table: refunds
        dead_letters: { table: null, topic: dead, max_share: 0.25 }
        http: { listen: off }
        \0NAME=\(secret.count)\0LOADER_BATCH_MAX_ROWS=7\0--routes[1].columns.a=$key.id
        """,
        [
            "", "KAFKA_BROKERS=localhost:9092", "KAFKA_TOPIC=orders,refunds", "KAFKA_CONSUMER_GROUP=g",
            "DATABASE_URL=host=db user=u password=p", "LOADER_TABLE=public.orders", "BATCH_TIMEOUT_SECONDS=0.5",
            "LOADER_ROUTES_1_TABLE=t", "LOADER_PORT_80_TCP=tcp://1", "LOADER_KAFKA_PROPERTIES_SASL_USERNAME=u",
            "--http.listen=[::1]:9464", "--routes.0.columns.total.from=order.total",
        ].joined(separator: "\0"),
        completeYAML + "\n    key: \"${file:/s}\"\ndead_letters: { topic: \"${file:/s}\" }\nwriters: \"${file:/s}\"",
    ]

    private static let words: [String] = {
        let names = ConfigurationKey.all.flatMap { $0.path.split { ".[]<>".contains($0) } }
        let variables = ConfigurationKey.all.flatMap { [$0.pattern.variable] + $0.aliases.map(\.name) }
        let values = [
            "${A:-", "${file:/s}", "$${", "}", "\0", "\0--", "=", ": ", "\n  - ", "\n", "[", "]", "{", ", ", "&a ",
            "*a", "<<: ",
            "'", "\"", "\\", "|\n ", "--- ", "...", "!!str ", "null", "~", "0x1F", "1e309", "-1", "9223372036854775808",
            "1m30s", "64KiB", "0.5", "true", "off", "^(a|b)*$", "$key.", "$headers.", "\\.", "\u{301}", "\u{FEFF}",
            "\r\n", "\t", "é", "😀", "127.0.0.1:80", "[::]:0", "+02:00", "Europe/Berlin",
            "postgresql://u:p@h/d?password=x",
        ]
        return Array(Set(names.map(String.init) + variables)).sorted() + values
    }()

    @Test("whatever is written is a configuration or a list of mistakes with their mends, and shows no secret")
    func slice() throws {
        try Fuzzing.rounds(10, of: "configuration") { generator in
            func pick<Element>(_ elements: [Element]) -> Element {
                elements[Int.random(in: 0..<elements.count, using: &generator)]
            }
            for _ in 0..<20 {
                var text = Array(pick(Self.seeds).utf8)
                for _ in 0..<Int.random(in: 0...4, using: &generator) {
                    let start = Int.random(in: 0...text.count, using: &generator)
                    let end = min(text.count, start + Int.random(in: 0...6, using: &generator))
                    let other = Array(pick(Bool.random(using: &generator) ? Self.words : Self.seeds).utf8.prefix(80))
                    text.replaceSubrange(start..<end, with: other)
                }
                if let difference = Self.difference(String(decoding: text, as: UTF8.self)) {
                    throw Fuzzing.Found(description: difference)
                }
            }
            return 20
        }
    }
}
