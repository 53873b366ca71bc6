import Kafka
import Loading
import Records

/// The envelope that a topic's messages are in, as far as the names of their fields tell.
package struct EnvelopeGuess: Equatable, Sendable {
    /// As a route names it.
    package let name: String
    /// Where the row stands as it is after a change; empty: the message is the row.
    let base: [String]
    /// Fields of the row that begin so are what the envelope has put beside it.
    let addition: String?

    private init(_ name: String, base: [String], addition: String? = nil) {
        (self.name, self.base, self.addition) = (name, base, addition)
    }

    private static let debezium = EnvelopeGuess("debezium", base: ["after"])
    /// After Debezium's ExtractNewRecordState, with what it adds by its own names.
    private static let unwrapped = EnvelopeGuess("debezium", base: [], addition: "__")
    private static let maxwell = EnvelopeGuess("maxwell", base: ["data"])
    private static let goldengate = EnvelopeGuess("goldengate", base: ["after"])
    private static let dms = EnvelopeGuess("dms", base: ["data"])

    /// So many messages at most are looked at.
    private static let most = 200

    /// - Returns: nil if a tenth of the messages, or more, are in none or in another one.
    static func find(_ messages: Batch, _ reading: TopicProfile.Reading) -> EnvelopeGuess? {
        let fields = SampleFields(reading.format, [FieldPath([])], isOfKey: false, lookup: reading.lookup)
        var guesses: [(guess: EnvelopeGuess, count: Int)] = []
        var count = 0
        let step = max(1, messages.messages.count / most)
        for message in stride(from: 0, to: messages.messages.count, by: step) {
            guard let whole = fields.read(message, in: messages)?.first,
                let members = fields.nested.members(of: whole)
            else { continue }
            count += 1
            guard let guess = of(members) else { continue }
            if let known = guesses.firstIndex(where: { $0.guess == guess }) {
                guesses[known].count += 1
            } else {
                guesses.append((guess, 1))
            }
        }
        return guesses.first { $0.count * 10 > count * 9 }?.guess
    }

    private static func of(_ members: [(name: String, value: Field)]) -> EnvelopeGuess? {
        func has(_ name: String, _ kinds: Set<Field.Kind>? = nil) -> Bool {
            members.contains { $0.name == name && kinds?.contains($0.value.kind) != false }
        }
        let records: Set<Field.Kind> = [.object, .record]
        let isChanged = has("after", records) || has("before", records)
        if has("op", [.string, .symbol]), isChanged, has("source") || has("ts_ms") { return debezium }
        if has("op_type", [.string, .symbol]), isChanged { return goldengate }
        if has("database"), has("table"), has("type", [.string]), has("data", records) { return maxwell }
        if has("metadata", records), has("data", records), members.count <= 4 { return dms }
        if has("__deleted") || has("__op") { return unwrapped }
        return nil
    }

    /// Whether a field of the row is one of the source's.
    func isOfRow(_ name: String) -> Bool { addition.map { !name.hasPrefix($0) } ?? true }
}
