import Postgres

extension Connection {
    /// Whether the server makes values of a type that it knows: it may have been built without XML.
    func makes(_ type: String) -> Bool {
        guard type.hasPrefix("xml") else { return true }
        return (try? query("SELECT '<a/>'::xml")) != nil
    }

    /// Whether the server has collations of ICU: it may have been built without.
    var hasICU: Bool {
        get throws { try query("SELECT 1 FROM pg_collation WHERE collname = 'und-x-icu'").rowCount > 0 }
    }
}
