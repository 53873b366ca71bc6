import Foundation
import Loading

/// What `loader check` has found: for machines as JSON, for people by `CheckReportText`.
package struct CheckReport: Encodable, Sendable {
    package enum Status: String, Encodable, Sendable, Comparable {
        case ok, warning, error

        package static func < (left: Status, right: Status) -> Bool { left.rank < right.rank }
        private var rank: Int {
            switch self {
            case .ok: 0
            case .warning: 1
            case .error: 2
            }
        }
    }

    package struct Problem: Encodable, Sendable, Equatable {
        package var severity: Status
        var code: String
        /// Where: a key, a table, `routes[0]`, `orders[3]`.
        package var place: String
        package var problem: String
        /// What to do or type next.
        package var mend: String
        /// Nothing is to be mended: something is away.
        package var isAway = false

        package init(severity: Status, code: String, place: String, problem: String, mend: String, isAway: Bool = false)
        {
            self.severity = severity
            self.code = code
            self.place = place
            self.problem = problem
            self.mend = mend
            self.isAway = isAway
        }
    }

    /// Whether a start would wait for what is not there yet.
    var waitsAtStart = false

    /// One thing that was looked at.
    package struct Area: Encodable, Sendable {
        package var name: String
        package var status = Status.ok
        package var summary: String
        package var problems: [Problem] = []

        package init(name: String, status: Status = .ok, summary: String, problems: [Problem] = []) {
            self.name = name
            self.status = status
            self.summary = summary
            self.problems = problems
        }
    }

    package struct Route: Encodable, Sendable {
        package struct Column: Encodable, Sendable {
            package var name: String
            package var type: String
            package var source: String
            package var isKey: Bool
            package var isNotNull: Bool
            /// Of the sampled messages; nil without a sample.
            package var filled: Int?
            package var null: Int?
            var absent: Int?
            package var example: String?
            /// The type of `source` in the schema of the newest sampled message.
            package var schemaType: String?
        }

        package struct DeadLetter: Encodable, Sendable {
            package var reason: String
            var column: String?
            package var sqlState: String?
            package var explanation: String
            package var count: Int
            package var places: [String]
        }

        /// What messages of the sample would do.
        package struct Effect: Encodable, Sendable {
            package var what: String
            package var count: Int
            package var places: [String]

            package init(what: String, count: Int, places: [String]) {
                (self.what, self.count, self.places) = (what, count, places)
            }
        }

        package struct UnusedField: Encodable, Sendable {
            package var path: String
            package var count: Int
            var example: String?
        }

        package struct Sample: Encodable, Sendable {
            package var messages: Int
            /// Of the messages, those that are objects.
            package var objects: Int
            package var rows: Int
            package var deletions: Int
            package var deadLetters: Int
            /// Whether the server has read the rows, too.
            package var wasReadByServer: Bool
            /// Whether they went into the table itself, and out again.
            package var wasTriedInTable = false
            /// The table's triggers that ran for it.
            package var triggers: [String] = []
            /// `7 (orders-value, version 3)`, for each schema that messages name, the most frequent first.
            package var schemas: [String] = []
        }

        package var route: String
        package var status = Status.ok
        package var topics: [String]
        package var table: String
        package var mode: String
        package var onTombstone: String
        package var copy: String
        package var isReplaySafe: Bool
        /// Messages that wait to be loaded, in all of the route's topics.
        package var unread: Int64?
        package var partitions: Int?
        package var sample: Sample?
        package var columns: [Column]
        package var effects: [Effect] = []
        package var deadLetters: [DeadLetter] = []
        package var unusedFields: [UnusedField] = []
        package var problems: [Problem] = []
    }

    package var status: Status { (areas.map(\.status) + routes.map(\.status)).max() ?? .ok }
    package var areas: [Area] = []
    package var routes: [Route] = []

    package init(waitsAtStart: Bool = false, areas: [Area] = [], routes: [Route] = []) {
        self.waitsAtStart = waitsAtStart
        self.areas = areas
        self.routes = routes
    }

    /// All of them, in the order of the report.
    package var problems: [Problem] { areas.flatMap(\.problems) + routes.flatMap(\.problems) }
    package var errors: Int { problems.count { $0.severity == .error } }
    package var warnings: Int { problems.count { $0.severity == .warning } }

    /// Puts a problem where a reader looks for it: at its route, or in the area of that name.
    mutating func add(_ problem: SetupProblem, to area: String) {
        let found = Problem(
            severity: problem.isWarning ? .warning : .error, code: problem.code.rawValue, place: problem.place,
            problem: problem.problem, mend: problem.mend.words,
            isAway: StartVerdict([problem], waits: waitsAtStart).isAway)
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
    package var withoutValues: CheckReport {
        var report = self
        for route in report.routes.indices {
            for column in report.routes[route].columns.indices { report.routes[route].columns[column].example = nil }
            for field in report.routes[route].unusedFields.indices {
                report.routes[route].unusedFields[field].example = nil
            }
        }
        return report
    }

    package var json: String {
        get throws {
            let encoder = JSONEncoder()
            encoder.keyEncodingStrategy = .convertToSnakeCase
            encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
            return String(decoding: try encoder.encode(self), as: UTF8.self)
        }
    }

    private enum CodingKeys: String, CodingKey { case status, errors, warnings, areas, routes }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(status, forKey: .status)
        try container.encode(errors, forKey: .errors)
        try container.encode(warnings, forKey: .warnings)
        try container.encode(areas, forKey: .areas)
        try container.encode(routes, forKey: .routes)
    }
}
