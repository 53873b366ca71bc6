import Records

/// What a route says of the envelope that its messages are in: one that is known by its name, each part of which may be said
/// otherwise, or one of the route's own.
public struct EnvelopeOptions: Sendable, Equatable {
    public enum Form: String, Sendable, CaseIterable {
        /// Each message is a row.
        case none
        /// Kafka Connect's schema and payload, which JSON is opened by without being asked.
        case connect
        case debezium
        case maxwell, canal, goldengate, dms, mongodb
    }

    /// Nil: none, or the route's own if it says where the operation stands.
    public var form: Form?
    public var after: FieldPath?
    public var before: FieldPath?
    public var operation: FieldPath?
    public var origin: FieldPath?
    /// Of a message that is the row itself.
    public var deleted: FieldPath?
    /// What stands for a value that was not sent.
    public var unavailable: String?
    /// Which words of the operation mean what; nil: those of the form.
    public var create: [String]?
    public var read: [String]?
    public var update: [String]?
    public var delete: [String]?
    public var truncate: [String]?
    public var skip: [String]?

    public init(form: Form? = nil) { self.form = form }

    /// Which words mean what, as far as the route says it.
    package var words: [(meaning: Envelope.Meaning, words: [String])] {
        [
            (.change(.create), create), (.change(.read), read), (.change(.update), update), (.change(.delete), delete),
            (.change(.truncate), truncate), (.skip, skip),
        ].compactMap { meaning, words in words.map { (meaning, $0) } }
    }

    /// Nil where each message is a row.
    package var envelope: Envelope? {
        switch form {
        case .none?, .connect: return nil
        case .debezium: return refined(.debezium)
        case .maxwell: return refined(.maxwell)
        case .canal: return refined(.canal)
        case .goldengate: return refined(.goldenGate)
        case .dms: return refined(.dms)
        case .mongodb: return refined(.mongoDB)
        case nil:
            guard let operation else { return nil }
            return refined(Envelope(after: FieldPath([]), operation: operation, words: [:]))
        }
    }

    private func refined(_ known: Envelope) -> Envelope {
        var envelope = known
        if let after { envelope.after = after }
        if let before { envelope.before = before }
        if let operation { envelope.operation = operation }
        if let origin { envelope.origin = origin }
        if let deleted { envelope.flat?.deleted = deleted }
        if let unavailable { envelope.unavailable = unavailable }
        for (meaning, words) in words {
            envelope.words = envelope.words.filter { $0.value != meaning }
            for word in words { envelope.words[word] = meaning }
        }
        return envelope
    }
}
