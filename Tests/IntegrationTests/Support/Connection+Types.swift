import Postgres

extension Connection {
    /// Whether the server makes values of a type that it knows: it may have been built without XML.
    func makes(_ type: String) -> Bool {
        guard type.hasPrefix("xml") else { return true }
        return (try? query("SELECT '<a/>'::xml")) != nil
    }
}
