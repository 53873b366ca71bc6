import Kafka
import Loading
import Records

/// The envelope that a topic's messages are in, as far as the names of their fields tell.
package struct EnvelopeGuess: Equatable, Sendable {
    private let form: EnvelopeOptions.Form
    /// The message is the row, with what the envelope has put beside its fields.
    private let isFlat: Bool

    private init(_ form: EnvelopeOptions.Form, isFlat: Bool = false) { (self.form, self.isFlat) = (form, isFlat) }

    /// As a route names it.
    package var name: String { form.rawValue }

    /// Where the row stands as it is after a change; empty: the message is the row.
    var base: [String] { isFlat ? [] : EnvelopeOptions(form: form).envelope?.row.components ?? [] }

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
        if has("op", [.string, .symbol]), isChanged, has("source") || has("ts_ms") {
            return EnvelopeGuess(.debezium)
        }
        if has("op_type", [.string, .symbol]), isChanged { return EnvelopeGuess(.goldengate) }
        if has("database"), has("table"), has("type", [.string]) {
            if has("data", records) { return EnvelopeGuess(.maxwell) }
            if has("isDdl") { return EnvelopeGuess(.canal) }
        }
        if has("metadata", records), has("data", records), members.count <= 4 { return EnvelopeGuess(.dms) }
        if has("__deleted") || has("__op") { return EnvelopeGuess(.debezium, isFlat: true) }
        return nil
    }

    /// Whether a field of the row is one of the source's.
    func isOfRow(_ name: String) -> Bool { !isFlat || !name.hasPrefix(Envelope.Flat.addition) }
}
