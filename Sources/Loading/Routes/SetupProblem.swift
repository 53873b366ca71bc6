/// A mistake of the configuration or the target that the start-up check found, with its mend.
public struct SetupProblem: Error, Sendable, Hashable, CustomStringConvertible {
    public enum Code: String, Sendable {
        case missingTable = "missing_table"
        case wrongRelation = "wrong_relation"
        case missingColumn = "missing_column"
        case unwritableColumn = "unwritable_column"
        case unroutedColumn = "unrouted_column"
        case missingKey = "missing_key"
        case missingIndex = "missing_index"
        case missingRight = "missing_right"
        case badOption = "bad_option"
        case badEncoding = "bad_encoding"
        case ledger
        case topic
        case kafka
        case database
        case registry
        case certificate
        /// The group's position is none that a loader could begin at.
        case position
        /// Another session holds a lock on a table that the loader needs.
        case locked
        case group
        case timeout
        case clock
        /// What the sampled messages showed.
        case sample
    }

    public var code: Code
    /// Where: `routes[0]`, `public.orders`, `kafka.properties.foo`.
    public var place: String
    /// What is wrong, in a sentence without a full stop.
    public var problem: String
    public var mend: Mend
    /// A warning does not stop the start.
    public var isWarning: Bool
    /// Whether it may pass by itself.
    public var passing = Passing.never

    public enum Passing: Sendable, Hashable {
        /// Somebody has to mend it.
        case never
        /// Something is away, and comes back.
        case outage
        /// It is not there: mistyped, or still to come, where everything is started at once.
        case absent
    }

    public init(_ code: Code, at place: String, _ problem: String, mend: Mend, isWarning: Bool = false) {
        self.code = code
        self.place = place
        self.problem = problem
        self.mend = mend
        self.isWarning = isWarning
    }

    public var description: String { "\(place): \(problem)" }
}
