import Foundation
import Kafka
import Loading
import Logging
import Testing

@testable import Loader

@Suite struct LogLineTests {
    let time = Date(timeIntervalSince1970: 1_795_262_400.25)

    private func json(_ message: String, _ metadata: Logger.Metadata = [:]) -> String {
        LogLine.json(time: time, level: .info, message: message, metadata: metadata)
    }

    private func text(_ message: String, _ metadata: Logger.Metadata = [:], isColored: Bool = false) -> String {
        LogLine.text(
            time: time, level: .warning, message: message, metadata: metadata, isColored: isColored, isDated: true)
    }

    @Test("numbers and booleans stay what they are, text stays text")
    func types() {
        let line = json(
            "loaded",
            [
                "topic": "orders", "partition": .stringConvertible(Int32(3)), "offset": .stringConvertible(Int64.max),
                "rate": .stringConvertible(1.5), "ready": .stringConvertible(true), "text": "17",
                "nan": .stringConvertible(Double.nan), "list": ["a", .stringConvertible(1)], "map": ["k": "v"],
            ])
        #expect(
            line == """
                {"time":"2026-11-21T12:00:00.250Z","level":"info","message":"loaded","list":["a",1],"map":{"k":"v"},\
                "nan":"nan","offset":9223372036854775807,"partition":3,"rate":1.5,"ready":true,"text":"17","topic":"orders"}
                """)
    }

    @Test("a mend is said in the loader's words, whoever has logged it")
    func mend() {
        let mend = Mend.group(.subscription(.none)).forLog
        #expect(json("m", ["mend": mend]).contains(#""mend":"mend routes[].topic"}"#))
        #expect(text("m", ["mend": mend]).hasSuffix(#"mend="mend routes[].topic""#))
    }

    @Test(
        "whatever the text, the line is one JSON object on one line that says the same",
        arguments: ["a\nb\r\n", "\"quoted\\\"", "\u{0}\u{1B}[31m\u{7F}\u{85}", "Ünïcödé 👍\u{2028}", ""])
    func oneLine(message: String) throws {
        let line = json(message, ["note": .string(message)])
        #expect(!line.contains(where: \.isNewline) || message.contains("\u{2028}"))
        let object = try #require(JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: String])
        #expect(object["message"] == message)
        #expect(object["note"] == message)
    }

    @Test("metadata cannot take the place of the time, the level or the message")
    func reservedNames() {
        #expect(
            json("m", ["level": "x", "message": "y", "time": "z"]).hasSuffix(
                #""message":"m","level_":"x","message_":"y","time_":"z"}"#))
    }

    @Test("a line for people has its fields behind the message, quoted where they would not be clear")
    func people() {
        let fields: Logger.Metadata = ["partition": .stringConvertible(3), "reason": "not a number", "topic": "orders"]
        #expect(
            text("waiting", fields)
                == #"2026-11-21T12:00:00.250Z WARN  waiting  partition=3 reason="not a number" topic=orders"#)
        #expect(text("one\ntwo").hasSuffix("one\n    two"))
        #expect(!text("m", fields).contains("\u{1B}"))
        #expect(text("m", fields, isColored: true).contains(TerminalCode.yellow))
    }

    @Test("nothing in a message can steer the terminal")
    func noControl() {
        let line = text("a\u{1B}[2Jb", ["k": "\u{9B}2J\u{7}"])
        #expect(!line.unicodeScalars.contains { $0.value < 0x20 || (0x7F...0x9F).contains($0.value) })
    }

    @Test("the format follows the terminal unless it is named, and NO_COLOR is kept")
    func formats() {
        let auto = Configuration.Log(format: .auto)
        #expect(auto.resolvedFormat(isTerminal: false, environment: [:]) == .json)
        #expect(auto.resolvedFormat(isTerminal: true, environment: [:]) == .text(isColored: true, isDated: false))
        #expect(
            auto.resolvedFormat(isTerminal: true, environment: ["NO_COLOR": "1"])
                == .text(isColored: false, isDated: false))
        let text = Configuration.Log(format: .text)
        #expect(text.resolvedFormat(isTerminal: false, environment: [:]) == .text(isColored: false, isDated: true))
        #expect(Configuration.Log(format: .json).resolvedFormat(isTerminal: true, environment: [:]) == .json)
    }

    @Test("a logger writes whole lines from its level on, from many threads at once")
    func writes() async throws {
        let pipe = Pipe()
        let logger = Configuration.Log(format: .json, level: .notice).makeLogger(
            output: StandardError(descriptor: pipe.fileHandleForWriting.fileDescriptor), environment: [:])
        await withTaskGroup(of: Void.self) { group in
            for index in 0..<8 {
                group.addTask {
                    logger.info("below")
                    logger.error("line", metadata: ["index": .stringConvertible(index)])
                }
            }
        }
        try pipe.fileHandleForWriting.close()
        let text = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        let indexes = try text.split(separator: "\n").map { line in
            try #require(JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])["index"] as? Int
        }
        #expect(Set(indexes) == Set(0..<8))
        #expect(indexes.count == 8)
    }
}
