import Loading

extension StoredDeadLetter {
    /// What to do about it.
    package var mend: String {
        DeadLetterMend.text(
            LetterKind(table: table.isEmpty ? nil : table, column: column, reason: reason, sqlState: sqlState),
            message.value?.withUnsafeBytes { Route.TombstoneForm($0) })
    }
}

/// What to do about a dead letter, by its reason.
enum DeadLetterMend {
    /// - Parameter form: what its value could be for a deletion.
    static func text(_ kind: LetterKind, _ form: Route.TombstoneForm?) -> String {
        let (table, reason) = (kind.table ?? "the table", kind.reason)
        let place = kind.column.map { "\(table).\($0)" } ?? table
        let replay = "then `loader dead-letters replay`"
        let purging = "`loader dead-letters purge --reason \(reason)`"
        let purge = "once they are sent again: \(purging)"
        switch DeadLetter.Reason(rawValue: kind.reason) {
        case .invalidJSON, .invalidUTF8, .tooDeep, .notAnObject:
            return deletion(form, replay)
                + "mend the producer; such messages fit no route, so \(purge)"
        // Of the whole message, and of no column's value.
        case .badSyntax where kind.column == nil:
            return
                "set `format` of the route to what the producer writes, and `schema` or `csv` with it, \(replay); where it is "
                + "that already, mend the producer; such messages fit no route, so \(purge)"
        case .unknownSchema:
            return
                "set `schema_registry.url` to the registry that the producer writes to, or bring the schema back there, "
                + "as the letter says; \(replay)"
        // Likewise: what should hold elements is something else.
        case .wrongType where kind.column == nil:
            return "set `each` of the route to what holds the elements, or mend the producer, \(replay)"
        case .tooManyElements: return "raise `max_elements` of the route, \(replay)"
        case .wrongType, .badSyntax:
            return
                "change the type of \(place), say how it is to be read (`unit`, `decode`), take the column from another "
                + "field (`columns` in the route), or let the route mend such values (`trim`, `null_if`, `on_error: null`), "
                + replay
        case .outOfRange, .tooLong: return "widen \(place), or set `on_error: null` for it, \(replay)"
        case .nul: return "set `on_nul: strip` or `replace` in the route, \(replay)"
        case .missingZone: return "set `zone` for the column or the route, \(replay)"
        case .noFields:
            return
                "name the right fields in `columns`, set `names: snake_case` or `on_no_fields: load`, or purge what is not "
                + "meant for \(table), \(replay)"
        case .missingField:
            return
                "take `required` from \(place) (a `default` may stand for the field), or name the right field in `columns`, "
                + replay
        case .null:
            return
                "drop the NOT NULL of \(place), give it a `default` in the route if it is no key, let `null_if` take less for null, or "
                + "name the right field in `columns`, \(replay)"
        case .unknownOperation:
            return
                "say with `envelope` what the messages are and which words of the operation mean what, or take the topic out of the "
                + "route if it has none for \(table), \(replay)"
        case .noRow:
            return
                "say with `envelope.after` where the row stands, or let the connector write whole rows, \(replay)"
        case .tombstone: return "set `on_tombstone: delete` or `skip` in the route, \(replay)"
        case .truncation: return truncation(table, purging)
        case .orderUnknown:
            return "see whether \(table) has something newer, then `loader dead-letters replay --overwrite`"
        case .unavailable:
            return
                "load the whole row first, as by a new snapshot of its table at the source, \(replay)"
        case .noTable:
            return
                "make the table, or take its name into `tables` of the route; where the message lacks a part of the name, mend `table` or "
                + "the producer; \(replay)"
        case .noRoute: return "add a route for its topic, \(replay)"
        case .waiting:
            return
                "nothing yet: a running loader loads it once what it refers to is there, or gives it up; to do it now, "
                + "load or insert that row, \(replay)"
        case .refused, nil: return refused(kind.sqlState, place, replay)
        }
    }

    private static func truncation(_ table: String, _ purging: String) -> String {
        "take what the source has no longer out of \(table) by hand, with the rows that refer to it, then \(purging); for the next "
            + "time give that foreign key ON DELETE CASCADE, or set `on_truncate: ignore`"
    }

    /// What some producers write for a deletion.
    private static func deletion(_ form: Route.TombstoneForm?, _ replay: String) -> String {
        form.map { "if it is a deletion: `tombstones: \($0.rawValue)` in the route, \(replay); else " } ?? ""
    }

    private static func refused(_ sqlState: String?, _ place: String, _ replay: String) -> String {
        switch sqlState {
        case "23505":
            return "another row has the same unique value: use mode ignore or upsert with that key, or purge it"
        case "23503": return "load or insert the row it refers to, \(replay)"
        case "23514": return "mend the check constraint of \(place), \(replay)"
        case "23502": return "drop the NOT NULL of \(place), or fill it, \(replay)"
        case nil:
            return
                "see in the server's log what ended the session that wrote to \(place), mend or upgrade that, \(replay)"
        case let state?: return "mend what the server refused in \(place) (SQLSTATE \(state)), \(replay)"
        }
    }
}
