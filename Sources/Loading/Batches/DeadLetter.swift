import Postgres
import Records

/// A message that could not be loaded into one table, and why. It goes into the same transaction as its neighbours.
package struct DeadLetter: Sendable {
    /// The message's place in its batch.
    package var message: Int
    /// The route's position in the configuration, or `noTarget`.
    package var target: Int
    package var reason: Reason
    package var column: String?
    /// What the column or the decoder says, without any value.
    package var explanation: String
    /// The same with the server's own words, which may quote the row. They go into the dead letter, which holds the
    /// message anyway, and nowhere else.
    var serverMessage: String? = nil
    /// Set where the server refused the row.
    package var sqlState: SQLState?

    package init(
        message: Int, target: Int, reason: Reason, column: String? = nil, explanation: String,
        serverMessage: String? = nil, sqlState: SQLState? = nil
    ) {
        self.message = message
        self.target = target
        self.reason = reason
        self.column = column
        self.explanation = explanation
        self.serverMessage = serverMessage
        self.sqlState = sqlState
    }

    static let noTarget = -1

    /// It is not given up yet, so it counts as no bad message.
    var isWaiting: Bool { reason == .waiting }

    /// What the dead letter itself says: more than a log may.
    var words: String { serverMessage ?? explanation }

    /// The kinds of bad messages, as they stand in the table and in metrics.
    package enum Reason: String, Sendable, CaseIterable {
        case invalidJSON = "invalid_json"
        case invalidUTF8 = "invalid_utf8"
        case tooDeep = "too_deep"
        case notAnObject = "not_an_object"
        /// The schema that the message names is not to be had, or cannot be read.
        case unknownSchema = "unknown_schema"
        case wrongType = "wrong_type"
        case outOfRange = "out_of_range"
        case tooLong = "too_long"
        case badSyntax = "bad_syntax"
        case nul
        case missingZone = "missing_zone"
        case missingField = "missing_field"
        /// The message has none of the fields that its route takes.
        case noFields = "no_fields"
        case null = "null_in_not_null"
        case tombstone
        /// The source's table was emptied, and the table could not be, or it is too late for that.
        case truncation
        /// The message has more elements than its route takes of one.
        case tooManyElements = "too_many_elements"
        /// A change event that does not say what was done, or in a word without a meaning.
        case unknownOperation = "unknown_operation"
        /// A change event that has no row where one is needed.
        case noRow = "no_row"
        /// The server refused the row; its SQLSTATE says why.
        case refused = "refused_by_server"
        /// The server refused the row because of a foreign key, and what satisfies that may still come: it is tried again.
        case waiting = "waiting_for_parent"
        /// The message lacks what its source did not send, for a row to keep that is not there.
        case unavailable = "unavailable_value"
        /// The message names no table that its route may load.
        case noTable = "no_table"
        /// Replayed from a topic that no route takes, or that several could have taken.
        case noRoute = "no_route"
        /// Replayed in mode `upsert`, when Kafka no longer knew whether its key has a later message.
        case orderUnknown = "order_unknown"
    }
}

extension DeadLetter.Reason {
    /// - Parameter refusal: what a message is called that is not of its format.
    init(_ reason: DecodingFailure.Reason, otherwise refusal: Self) {
        self =
            switch reason {
            case .empty, .invalidSyntax: refusal
            case .invalidUTF8: .invalidUTF8
            case .tooDeep: .tooDeep
            case .notAnObject: .notAnObject
            case .unknownSchema: .unknownSchema
            }
    }

    init(_ reason: EncodingFailure.Reason) {
        self =
            switch reason {
            case .wrongType, .missingUnit, .missingScale, .ambiguous: .wrongType
            case .outOfRange: .outOfRange
            case .tooLong: .tooLong
            case .badSyntax, .undecodable, .noDocument: .badSyntax
            case .nul: .nul
            case .invalidUTF8: .invalidUTF8
            case .missingZone, .movingZone: .missingZone
            case .null: .null
            }
    }
}
