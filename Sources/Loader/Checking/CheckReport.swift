import Foundation
import Loading

/// What `loader check` has found: for machines as JSON, for people by `CheckReportText`.
struct CheckReport: Encodable, Sendable {
    enum Status: String, Encodable, Sendable, Comparable {
        case ok, warning, error

        static func < (left: Status, right: Status) -> Bool { left.rank < right.rank }
        private var rank: Int {
            switch self {
            case .ok: 0
            case .warning: 1
            case .error: 2
            }
        }
    }

    struct Problem: Encodable, Sendable, Equatable {
        var severity: Status
        var code: String
        /// Where: a key, a table, `routes[0]`, `orders[3]`.
        var place: String
        var problem: String
        /// What to do or type next.
        var mend: String
        /// Nothing is to be mended: something is away.
        var isAway = false
    }

    /// Whether a start would wait for what is not there yet.
    var waitsAtStart = false

    /// What `loader run` would end with, now: the same rule.
    var exitStatus: ExitStatus {
        let errors = problems.filter { $0.severity == .error }
        return errors.isEmpty ? .done : errors.allSatisfy(\.isAway) ? .unavailable : .configuration
    }

    /// One thing that was looked at.
    struct Area: Encodable, Sendable {
        var name: String
        var status = Status.ok
        var summary: String
        var problems: [Problem] = []
    }

    struct Route: Encodable, Sendable {
        struct Column: Encodable, Sendable {
            var name: String
            var type: String
            var source: String
            var isKey: Bool
            var isNotNull: Bool
            /// Of the sampled messages; nil without a sample.
            var filled: Int?
            var null: Int?
            var absent: Int?
            var example: String?
        }

        struct DeadLetter: Encodable, Sendable {
            var reason: String
            var column: String?
            var sqlState: String?
            var explanation: String
            var count: Int
            var places: [String]
        }

        struct UnusedField: Encodable, Sendable {
            var path: String
            var count: Int
            var example: String?
        }

        struct Sample: Encodable, Sendable {
            var messages: Int
            /// Of the messages, those that are objects.
            var objects: Int
            var rows: Int
            var deletions: Int
            var deadLetters: Int
            /// Whether the server has read the rows, too.
            var wasReadByServer: Bool
            /// Whether they went into the table itself, and out again.
            var wasTriedInTable = false
            /// The table's triggers that ran for it.
            var triggers: [String] = []
        }

        var route: String
        var status = Status.ok
        var topics: [String]
        var table: String
        var mode: String
        var onTombstone: String
        var copy: String
        var isReplaySafe: Bool
        /// Messages that wait to be loaded, in all of the route's topics.
        var unread: Int64?
        var partitions: Int?
        var sample: Sample?
        var columns: [Column]
        var deadLetters: [DeadLetter] = []
        var unusedFields: [UnusedField] = []
        var problems: [Problem] = []
    }

    var status: Status { (areas.map(\.status) + routes.map(\.status)).max() ?? .ok }
    var areas: [Area] = []
    var routes: [Route] = []

    /// All of them, in the order of the report.
    var problems: [Problem] { areas.flatMap(\.problems) + routes.flatMap(\.problems) }
    var errors: Int { problems.count { $0.severity == .error } }
    var warnings: Int { problems.count { $0.severity == .warning } }

    /// Puts a problem where a reader looks for it: at its route, or in the area of that name.
    mutating func add(_ problem: SetupProblem, to area: String) {
        let found = Problem(
            severity: problem.isWarning ? .warning : .error, code: problem.code.rawValue, place: problem.place,
            problem: problem.problem, mend: problem.mend,
            isAway: StartVerdict([problem], waits: waitsAtStart).exitStatus == .unavailable)
        if let index = routes.firstIndex(where: { $0.route == problem.place }) {
            routes[index].problems.append(found)
            routes[index].status = max(routes[index].status, found.severity)
            return
        }
        if !areas.contains(where: { $0.name == area }) { areas.append(Area(name: area, summary: "")) }
        for index in areas.indices where areas[index].name == area {
            areas[index].problems.append(found)
            areas[index].status = max(areas[index].status, found.severity)
        }
    }

    /// The same without a value of any message.
    var withoutValues: CheckReport {
        var report = self
        for route in report.routes.indices {
            for column in report.routes[route].columns.indices { report.routes[route].columns[column].example = nil }
            for field in report.routes[route].unusedFields.indices {
                report.routes[route].unusedFields[field].example = nil
            }
        }
        return report
    }

    var json: String {
        get throws {
            let encoder = JSONEncoder()
            encoder.keyEncodingStrategy = .convertToSnakeCase
            encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
            return String(decoding: try encoder.encode(self), as: UTF8.self)
        }
    }

    private enum CodingKeys: String, CodingKey { case status, errors, warnings, areas, routes }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(status, forKey: .status)
        try container.encode(errors, forKey: .errors)
        try container.encode(warnings, forKey: .warnings)
        try container.encode(areas, forKey: .areas)
        try container.encode(routes, forKey: .routes)
    }
}
