/// What is known of schemas, and which ids may be asked for: ids are other people's input, and a topic of garbage must
/// neither stall the load nor turn it against the registry.
///
/// - A schema that is known stays so: under its id it never changes.
/// - An id that the registry does not have is asked for again for `patience`, because one of several registries may be
///   behind, and is unknown then for `oblivion`. Once somebody has waited in vain, nobody waits again until nothing was
///   unknown for `oblivion`: so whatever comes, it costs one wait.
/// - Beyond `most` unknown ids, new ones are asked for no faster than `perSecond`, and taken for unknown meanwhile.
///
/// Pure: whoever shares it between threads has a lock around it.
struct SchemaMemory {
    typealias Instant = ContinuousClock.Instant

    static let patience: Duration = .seconds(10)
    static let oblivion: Duration = .seconds(60)
    static let most = 100.0
    static let perSecond = 10.0

    enum Step {
        case known(RegisteredSchema)
        case unknown(Unknown)
        case ask
        /// Not before so long.
        case wait(Duration)
    }

    /// Why an id is taken for unknown.
    enum Unknown: Equatable {
        /// The registry says so.
        case said
        /// Nobody has asked: too many ids were unknown before.
        case notAsked
    }

    private enum Entry {
        case known(RegisteredSchema)
        /// Not there yet, and asked for again.
        case missing(since: Instant, next: Instant, pause: Duration)
        case unknown(until: Instant)
    }

    private var entries: [SchemaID: Entry] = [:]
    private var allowance = Self.most
    private var countedAt: Instant?
    /// Until when nobody waits for an id that is not there.
    private var impatientUntil: Instant?
    private var sweptAt: Instant?

    /// What to do about an id.
    mutating func step(_ id: SchemaID, at now: Instant) -> Step {
        switch entries[id] {
        case .known(let schema): return .known(schema)
        case .unknown(let until) where now < until: return .unknown(.said)
        case .missing(let since, let next, _):
            // Whoever began to wait may have gone; then it begins anew.
            guard now < since + Self.oblivion else { break }
            return now < next ? .wait(next - now) : .ask
        case .unknown, nil: break
        }
        refill(at: now)
        return allowance >= 1 ? .ask : .unknown(.notAsked)
    }

    mutating func note(_ schema: RegisteredSchema, for id: SchemaID) { entries[id] = .known(schema) }

    /// The registry has no such schema.
    mutating func noteUnknown(_ id: SchemaID, at now: Instant) {
        switch entries[id] {
        case .known: return
        case .unknown: return forget(id, at: now)
        case .missing(let since, _, let pause) where now < since + Self.oblivion:
            if now >= since + Self.patience {
                forget(id, at: now)
            } else {
                entries[id] = .missing(
                    since: since, next: min(now + pause * 2, since + Self.patience), pause: pause * 2)
            }
            return
        case .missing, nil: break
        }
        sweep(at: now)
        refill(at: now)
        allowance = max(0, allowance - 1)
        if let impatientUntil, now < impatientUntil {
            forget(id, at: now)
        } else {
            let pause = Duration.milliseconds(250)
            entries[id] = .missing(since: now, next: now + pause, pause: pause)
        }
    }

    private mutating func forget(_ id: SchemaID, at now: Instant) {
        entries[id] = .unknown(until: now + Self.oblivion)
        impatientUntil = now + Self.oblivion
    }

    /// How many ids are remembered.
    var count: Int { entries.count }

    private mutating func refill(at now: Instant) {
        let passed = countedAt.map { now - $0 } ?? .zero
        countedAt = now
        let seconds = Double(passed.components.seconds) + Double(passed.components.attoseconds) / 1e18
        allowance = min(Self.most, allowance + max(0, seconds) * Self.perSecond)
    }

    /// What is unknown is forgotten in time; what is known is the registry's, and so not without end.
    private mutating func sweep(at now: Instant) {
        guard sweptAt.map({ now > $0 + Self.oblivion }) ?? true else { return }
        sweptAt = now
        entries = entries.filter { _, entry in
            switch entry {
            case .known: true
            case .missing(let since, _, _): now < since + Self.oblivion
            // That somebody has waited for it is worth to know for longer.
            case .unknown(let until): now < until + Self.oblivion * 10
            }
        }
    }
}
