import Postgres

extension Connection {
    /// Whether the server can make values of a type: it may have been built without XML, and have come without contrib.
    func makes(_ type: String) -> Bool {
        switch type {
        case "xml", "xml[]": (try? query("SELECT '<a/>'::xml")) != nil
        case "hstore": (try? query("SELECT 1 FROM pg_available_extensions WHERE name = 'hstore'").rowCount) == 1
        default: true
        }
    }

    /// Whether the server has collations of ICU: it may have been built without.
    var hasICU: Bool {
        get throws { try query("SELECT 1 FROM pg_collation WHERE collname = 'und-x-icu'").rowCount > 0 }
    }
}
