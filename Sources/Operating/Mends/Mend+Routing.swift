import Loading
import Postgres

extension Mend.Routing {
    var words: String {
        switch self {
        case .makeTable(let topic, let table):
            // Whoever has no table may have one proposed by what the topic holds.
            (topic.map { "propose it with `loader infer --topic \($0) --table \(table) --write`, " } ?? "")
                + "create it with `loader migrate up`, which runs the migrations, or mend `table`"
        case .otherRelation: "name a table or a partitioned table"
        case .nameKey: "name the key: `key: [column]`, with a unique index on it"
        case .nameOtherKey: "name another key: `key: [column]`, with a unique index on it"
        case .makeIndex(let table, let key):
            "CREATE UNIQUE INDEX ON \(table.quoted) (\(key.map(quoteIdentifier).joined(separator: ", ")));"
        case .makePlainIndex(let table, let columns):
            "CREATE INDEX ON \(table.quoted) (\(columns.map(quoteIdentifier).joined(separator: ", ")));"
        case .plainKeyType: "name a key of other types, as text in place of citext, or set mode: ignore"
        case .keepMissing: "take `newer` out, or set on_missing: keep and on_tombstone: skip"
        case .skipTombstones:
            "set on_tombstone: skip or dead_letter, or take a field of `$parent` or `$key` into the key"
        case .keepFiltered:
            "set on_filtered: keep, or take a field of `$parent` or `$key` into the key"
        case .keepOne: "keep one of them"
        case .leaveOut: "take it out of `columns`"
        case .spellOut(let columns):
            "end the variable's name as the table writes the column: \(columns.joined(separator: ", "))"
        case .didYouMean(let column): "did you mean \(column)?"
        case .addColumnOrLeaveOut: "add the column or take it out of `columns`"
        case .addColumns: "add columns to the table"
        case .nameZone: "name an IANA zone such as Europe/Berlin, or an offset such as +02:00"
        case .fillKey(let column):
            "say where it comes from: `\(column): some_field`, or take `rest: none` out"
        case .fillColumn: "add it to `columns`, take `rest: none` out, give it a default, or drop the NOT NULL"
        case .nameMark:
            "name one with `mark`: a boolean, a timestamptz or a timestamp of the table that nothing else fills"
        case .dropNotNull: "DROP NOT NULL, or give it a default"
        case .versionOfTombstones:
            "take `newer` from `$timestamp`, `$offset`, `$key.…` or `$headers.…`, or set on_tombstone: delete"
        case .completeValidity:
            "write `history: { key: [id], valid_from: at, valid_to: until }`, the two of one type with an order"
        case .nameCoordinates(let sources):
            "add columns that take them, such as "
                + sources.map { "`kafka_\($0.drop { !$0.isLetter }): \($0)`" }.joined(separator: ", ")
                + ", with a unique index over them"
        case .otherVersion:
            "name another column in `newer`, such as a number or a timestamptz that grows, or take it out"
        case .fillVersion(let column):
            "say where it comes from: `\(column): some_field`, or take `rest: none` out"
        case .tombstones: "set mode: upsert, or on_tombstone: skip"
        case .grant(let statements, let isOfDelete):
            statements.joined(separator: " ")
                + (isOfDelete.map { " (or set \($0.words), which needs no DELETE)" } ?? "")
        case .fixedValue(let reason): Self.fixedValue(reason)
        case .takeOut(let option, .column): "take `\(option.key)` out"
        case .takeOut(let option, .route): "take `\(option.key)` out of the route"
        case .takeOutOrDropNotNull(let option): "take `\(option.key)` out, or DROP NOT NULL"
        case .otherUnit(let isAnyTaken):
            isAnyTaken
                ? "name s, ms, us or ns" : "take `unit` out, or make the column a date, a time or an interval"
        case .withoutOuterSpace: "write it without the white space, which `trim` takes away before `null_if` looks"
        case .otherType(let isMoment):
            isMoment
                ? "load it into a timestamptz, timestamp, date, bigint or text column"
                : "load it into a number or text column"
        case .takeWhole(.value):
            "take all of a message, `from: $value`, or of its key, `from: $key`; or set `format` to what has fields"
        case .takeWhole(.key): "take all of the key, `from: $key`; or set `key_format` to what has fields"
        case .nameEnvelope: "say with `envelope` whose change events they are, or take it out"
        case .askForWhole:
            "ask in `where` for all of the key, `$key`, for a header, `$headers.name`, or set `format` or `key_format` to what has fields"
        case .truncation(let table, isHistory: false):
            "set `on_truncate: truncate` for the route, which empties \(table) as well, or `on_truncate: ignore`"
        case .truncation(let table, isHistory: true):
            "set `on_truncate: truncate` for the route, which makes it a row of \(table) and empties nothing, or `on_truncate: ignore`"
        case .passTruncations(let isByColumn):
            (isByColumn ? "DROP NOT NULL, or give the column a default (and take `required` out), or " : "")
                + "set `on_truncate: ignore`"
        case .nameOperation: "add a column that takes it, such as `op: $op`, or set `on_truncate: ignore`"
        case .timeOfTruncations:
            "take `valid_from` from `$timestamp`, `$source.…` or `$headers.…`, or set `on_truncate: ignore`"
        case .nameElements: "say with `each` which elements make the rows, or take the column out"
        case .noElements: "take `each` out, or set `format` to what has fields"
        case .manyRecords: "write `each: $value`"
        case .fewerParents: "take one `$parent.` out: there is one for each part of `each`"
        case .takeIndex: "take `$index`, or end `each` with `.*` where an object holds the elements under names"
        case .freeKey(let isConstant):
            isConstant
                ? "name a field of the messages for one of them"
                : "take `default` out for one of them; a message without it is a dead letter then"
        }
    }

    private static func fixedValue(_ reason: EncodingFailure.Reason) -> String {
        switch reason {
        case .noDocument: "write it as JSON: a text with its own quotes within the quotes, '\"new\"'"
        case .null: "take it out: NULL is what a column gets without a default"
        case .outOfRange: "give one that the type holds, or widen the column"
        case .tooLong: "shorten it, or widen the column"
        case .nul: "take it out"
        case .missingScale, .ambiguous: "write it as the number that it is"
        case .missingUnit: "write a date or a time, or say with `unit` what it counts"
        case .missingZone, .movingZone: "write it with an offset, such as Z or +02:00"
        case .undecodable: "write it as a message would hold it: `decode` reads it"
        case .badSyntax, .wrongType, .invalidUTF8: "write it as a message's string for this column would be"
        }
    }
}

extension Mend.Option {
    /// As a route writes it.
    fileprivate var key: String {
        switch self {
        case .trims: "trim"
        case .nullIf: "null_if"
        case .fallback: "default"
        case .onError: "on_error"
        case .absent: "absent"
        case .newer: "newer"
        case .mark: "mark"
        case .key: "key"
        case .validity: "history"
        case .unit: "unit"
        case .zone: "zone"
        case .onNul: "on_nul"
        case .temporal: "temporal"
        case .decimals: "decimals"
        case .binary: "binary"
        case .decoding: "decode"
        case .onNoFields: "on_no_fields"
        case .names: "names"
        case .onBadElement: "on_bad_element"
        case .maxElements: "max_elements"
        case .onMissing: "on_missing"
        case .onFiltered: "on_filtered"
        }
    }
}

extension Mend.Deletions {
    /// What leaves them out.
    fileprivate var words: String {
        switch self {
        case .tombstones: "on_tombstone: skip"
        case .filtered: "on_filtered: keep and on_tombstone: skip"
        }
    }
}
