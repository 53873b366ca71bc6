import Kafka
import Loading
import Postgres
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

    /// What names each document, where the rows are those.
    var identifier: String? { EnvelopeOptions(form: form).envelope?.documents?.identifier }

    /// Messages say of which types the columns of their source are, as MySQL calls them.
    var isOfMySQL: Bool { form == .canal }

    /// Whether a route may take what a row has several of.
    var bearsElements: Bool { EnvelopeOptions(form: form).envelope.map { !$0.isOfRows && $0.documents == nil } ?? true }

    /// What strings stand for in bytes.
    var ofBytes: Decoding { form == .canal ? .latin1 : .none }

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
            let source = members.last { $0.name == "source" }.flatMap { fields.nested.members(of: $0.value) }
            let connector = source?.last { $0.name == "connector" }.map { FieldProfile.text(of: $0.value) }
            guard let guess = of(members, connector) else { continue }
            if let known = guesses.firstIndex(where: { $0.guess == guess }) {
                guesses[known].count += 1
            } else {
                guesses.append((guess, 1))
            }
        }
        return guesses.first { $0.count * 10 > count * 9 }?.guess
    }

    /// - Parameter connector: which of Debezium's has written it, if the message says so.
    private static func of(_ members: [(name: String, value: Field)], _ connector: String?) -> EnvelopeGuess? {
        func has(_ name: String, _ kinds: Set<Field.Kind>? = nil) -> Bool {
            members.contains { $0.name == name && kinds?.contains($0.value.kind) != false }
        }
        let records: Set<Field.Kind> = [.object, .record]
        let isChanged = has("after", records) || has("before", records)
        if has("op", [.string, .symbol]), connector == "mongodb" { return EnvelopeGuess(.mongodb) }
        if has("op", [.string, .symbol]), isChanged, has("source") || has("ts_ms") {
            return EnvelopeGuess(.debezium)
        }
        let isDocument = has("after", [.string]) || has("before", [.string]) || has("updateDescription")
        if has("op", [.string, .symbol]), isDocument, has("source") { return EnvelopeGuess(.mongodb) }
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
