/// Finds the schemas of ids, by asking where nobody knows them yet.
///
/// Belongs to one thread, which waits in it: for a registry that is away as long as it is, and for an id that is not there
/// for ten seconds at most.
public final class SchemaResolver {
    /// What somebody has to do with the waits.
    public struct Waiting {
        /// Nobody wants it any more.
        public var isGivenUp: () -> Bool
        /// Waits, and ends earlier where nobody wants it any more.
        public var pause: (Duration) -> Void
        /// The registry has not told; waits before it is asked again.
        public var failed: (RegistryFailure) -> Void
        /// It tells again.
        public var answered: () -> Void

        public init(
            isGivenUp: @escaping () -> Bool, pause: @escaping (Duration) -> Void,
            failed: @escaping (RegistryFailure) -> Void, answered: @escaping () -> Void
        ) {
            self.isGivenUp = isGivenUp
            self.pause = pause
            self.failed = failed
            self.answered = answered
        }
    }

    public enum Found: Sendable {
        case schema(RegisteredSchema)
        /// Why there is none, to follow the name of the schema.
        case none(String)
    }

    private let source: SchemaSource
    private lazy var client: any RegistryAPI = source.registry.makeAPI()

    public init(_ source: SchemaSource) { self.source = source }

    /// - Returns: nil if it was given up.
    public func find(_ id: SchemaID, _ waiting: Waiting) -> Found? {
        var hasFailed = false
        defer { if hasFailed { waiting.answered() } }
        while true {
            switch source.step(id) {
            case .known(let schema): return .schema(schema)
            case .unknown(let why): return .none(words(why))
            case .wait(let duration):
                if waiting.isGivenUp() { return nil }
                waiting.pause(duration)
            case .ask:
                if waiting.isGivenUp() { return nil }
                do throws(RegistryFailure) {
                    source.note(try ask(id, waiting.isGivenUp), for: id)
                } catch {
                    switch error.code {
                    case .unknown: source.noteUnknown(id)
                    case .givenUp: return nil
                    default:
                        hasFailed = true
                        waiting.failed(error)
                        continue
                    }
                }
                if hasFailed { waiting.answered() }
                hasFailed = false
            }
        }
    }

    /// Asks for a schema once, whatever is known.
    public func ask(
        _ id: SchemaID, _ isGivenUp: () -> Bool = { false }
    ) throws(RegistryFailure) -> RegisteredSchema {
        switch id.kind {
        case .number, .guid, .content, .global, .named:
            return try client.schema(id, source.names[id], isGivenUp)
        case .subject: return try client.newest(ofSubject: source.subject(of: id), isGivenUp)
        case .none, .fingerprint:
            throw RegistryFailure(.unknown, "a registry knows no fingerprints", url: source.registry.place)
        }
    }

    /// Which subject and version an id stands for, where the registry says so.
    public func place(of id: SchemaID) throws(RegistryFailure) -> (subject: String, version: Int)? {
        try client.place(of: id)
    }

    /// Sees whether the registry is there and lets this one in.
    public func greet() throws(RegistryFailure) { try client.greet { false } }

    private func words(_ why: SchemaMemory.Unknown) -> String {
        switch why {
        case .said: "which the registry at \(source.registry.place) does not have"
        case .notAsked:
            "which the registry at \(source.registry.place) was not asked for: too many that it does not have came before"
        }
    }
}
