import Kafka
import LoadingFixtures
import Postgres
import Records
import TestSupport
import Testing

@testable import Loading

@Suite struct ElementFuzzTests {
    /// A value as a plain reader has it.
    private indirect enum Value {
        case plain(String)
        case null
        case list([Value])
        case object([(name: String, value: Value)])

        var text: String {
            switch self {
            case .plain(let text): text
            case .null: "null"
            case .list(let items): "[\(items.map(\.text).joined(separator: ","))]"
            case .object(let members): "{\(members.map { "\"\($0.name)\":\($0.value.text)" }.joined(separator: ","))}"
            }
        }

        subscript(name: String) -> Value? {
            guard case .object(let members) = self else { return nil }
            return members.last { $0.name == name }?.value
        }

        static func random(_ depth: Int, _ random: inout SeededGenerator) -> Value {
            switch Int.random(in: 0..<(depth > 0 ? 12 : 4), using: &random) {
            case 0: return .null
            case 1: return .plain(["1", "-2.5", "true", "3000000000"][Int.random(in: 0..<4, using: &random)])
            case 2, 3: return .plain(["\"\"", "\"a b\"", "\"7\"", "\"é\""][Int.random(in: 0..<4, using: &random)])
            case 4...7:
                return .list((0..<Int.random(in: 0...3, using: &random)).map { _ in .random(depth - 1, &random) })
            default: return .object(members(depth, &random))
            }
        }

        static func members(_ depth: Int, _ random: inout SeededGenerator) -> [(name: String, value: Value)] {
            ["a", "b", "c", "n"].shuffled(using: &random).prefix(Int.random(in: 0...4, using: &random)).map {
                ($0, .random(depth - 1, &random))
            }
        }
    }

    /// A message cannot be divided into elements.
    private struct NoElements: Error {}

    /// The elements that a path leads to, each with its place in what holds it, by a plain reading of what paths mean.
    private struct Reading {
        let path: ElementPath
        private(set) var elements: [(index: Int, value: Value)] = []

        init(_ message: Value, _ path: ElementPath) throws {
            self.path = path
            if path.isMessage {
                var records = [message]
                if case .list(let several) = message { records = several }
                for (index, record) in records.enumerated() { try element(record, index, 0) }
                return
            }
            guard case .object = message else { throw NoElements() }
            try open(path.steps[0].name.map { message[$0] } ?? message, 0)
        }

        private mutating func open(_ holder: Value?, _ step: Int) throws {
            switch (holder, path.steps[step].holder) {
            case (nil, _), (.null?, _): return
            case (.list(let items)?, .list): for (index, item) in items.enumerated() { try element(item, index, step) }
            case (.object(let members)?, .object):
                for (index, member) in members.enumerated() { try element(member.value, index, step) }
            // A record on the way to the elements.
            case (.object?, .list) where step < path.steps.count - 1: try element(holder ?? .null, 0, step)
            default: throw NoElements()
            }
        }

        private mutating func element(_ value: Value, _ index: Int, _ step: Int) throws {
            guard step < path.steps.count - 1 else { return elements.append((index, value)) }
            try open(path.steps[step + 1].name.map { value[$0] } ?? value, step + 1)
        }
    }

    /// Routes of one path: each in both formats of COPY, one that takes an element as it is, one that wants a number in it and leaves
    /// out those without.
    private struct Rows {
        private let targets: [Target]
        private let builder: RowBuilder
        private let batch = Batch()
        let path: ElementPath
        static let most = 8

        init(_ path: ElementPath) throws {
            self.path = path
            func target(_ index: Int, skips: Bool, isText: Bool) throws -> Target {
                let columns: [Route.Column] =
                    [.init(name: "i", source: .index)]
                    + (skips ? [.init(name: "n")] : [.init(name: "e", source: .element)])
                var route = Route.made(
                    rest: .none, columns: columns + (isText ? [.init(name: "net", source: .header("x"))] : []))
                (route.each, route.maxElements, route.onBadElement) = (path, Self.most, skips ? .skip : .deadLetter)
                let table = Table.made(
                    [.made("i", .int4), .made("n", .int4), .made("e", .jsonb)] + (isText ? [.made("net", .inet)] : []))
                return try Target.compile(route, index: index, table: table).get()
            }
            targets = [
                try target(0, skips: false, isText: false), try target(1, skips: false, isText: true),
                try target(2, skips: true, isText: false), try target(3, skips: true, isText: true),
            ]
            builder = RowBuilder(plan: MessagePlan(targets: [0, 1, 2, 3], of: targets), targets: targets)
        }

        /// - Parameter reading: what a message comes to; nil: nobody knows.
        /// - Returns: what is wrong with what became of it; nil if nothing is.
        mutating func difference(_ message: [UInt8], _ reading: Result<Reading, any Error>?) -> String? {
            defer { batch.removeAll(keepingAtMost: 1 << 20) }
            let range = batch.addRange(of: TopicPartition(topic: "t", partition: 0), expected: 0)
            let noKey = UnsafeRawBufferPointer(start: nil, count: 0)
            let place = message.withUnsafeBytes { batch.append(value: $0, key: noKey, offset: 0, range: range) }
            builder.build(place, in: batch)
            guard batch.settled == targets.count else { return "settled \(batch.settled) times" }
            let found = targets.map { target in
                let rows = batch.sections.filter { $0.target == target.index }.reduce(0) { $0 + $1.rows.count }
                let letters = batch.deadLetters.filter { $0.target == target.index }.map(\.reason)
                return (rows: rows, letters: letters, skipped: batch.operations[.skippedElement, target: target.index])
            }
            for (binary, text) in [(found[0], found[1]), (found[2], found[3])] where binary != text {
                return "binary \(binary), text \(text)"
            }
            for one in found where one.letters.count > 1 || one.letters.count == 1 && (one.rows > 0 || one.skipped > 0)
            {
                return "both rows and letters, or several: \(one)"
            }
            if found[0].skipped > 0 { return "left out without being asked" }
            guard let reading else { return nil }
            guard case .success(let reading) = reading, reading.elements.count <= Self.most else {
                return found.allSatisfy { $0.letters.count == 1 } ? nil : "no letter: \(found)"
            }
            let count = reading.elements.count
            guard found[0].rows == count, found[2].rows + found[2].skipped == count else {
                return "\(count) elements: \(found)"
            }
            // As text they can be read.
            let lines = zip(batch.lines(of: 1), reading.elements).first { line, element in
                let isNull = if case .null = element.value { true } else { false }
                return line[0] != "\(element.index)" || line[1] != (isNull ? #"\N"# : element.value.text)
            }
            return lines.map { "\($0.0) is not \($0.1)" }
        }
    }

    private static let paths = [
        "a", "a.b", "a.b.c", "a.*", "*", "*.b", "a.*.b", "a.b.*", "a.*.*", "$value", "$value.a", "$value.a.b",
        "$value.*",
    ]

    private static func change(_ bytes: inout [UInt8], _ generator: inout SeededGenerator) {
        let others = Array("01 \"{}[],:a\\n".utf8) + [0x00, 0x80, 0xC3, 0xFF]
        for _ in 0..<Int.random(in: 1...3, using: &generator) where !bytes.isEmpty {
            let place = Int.random(in: 0..<bytes.count, using: &generator)
            let other = others[Int.random(in: 0..<others.count, using: &generator)]
            if Bool.random(using: &generator) { bytes[place] = other } else { bytes.insert(other, at: place) }
        }
    }

    @Test("a message becomes a row of each element that its path leads to, or one dead letter, in both formats alike")
    func elements() throws {
        var all: [Rows] = []
        for path in Self.paths { all.append(try Rows(try #require(ElementPath(parsing: path)))) }
        var withRows = 0
        try Fuzzing.rounds(1, of: "elements") { generator in
            for _ in 0..<5000 {
                let place = Int.random(in: all.indices, using: &generator)
                let message =
                    Int.random(in: 0..<8, using: &generator) == 0
                    ? Value.list((0..<Int.random(in: 0...3, using: &generator)).map { _ in .random(3, &generator) })
                    : .object(Value.members(4, &generator))
                var bytes = Array(message.text.utf8)
                var reading: Result<Reading, any Error>? = Result { try Reading(message, all[place].path) }
                if Int.random(in: 0..<3, using: &generator) == 0 {
                    Self.change(&bytes, &generator)
                    reading = nil
                }
                if case .success(let reading)? = reading, !reading.elements.isEmpty { withRows += 1 }
                if let difference = all[place].difference(bytes, reading) {
                    let text = String(decoding: bytes, as: UTF8.self).debugDescription
                    throw Fuzzing.Found(description: "\(all[place].path) \(difference): \(text)")
                }
            }
            return 5000
        }
        #expect(withRows > 500)
    }
}

extension Batch {
    /// The fields of a target's rows as text COPY would send them, in their order.
    fileprivate func lines(of target: Int) -> [[String]] {
        sections.filter { $0.target == target }.flatMap { section in
            section.rows.map { row in
                String(decoding: section.buffer.bytes[row.start..<row.end].dropLast(), as: UTF8.self)
                    .split(separator: "\t", omittingEmptySubsequences: false).map(String.init)
            }
        }
    }
}
