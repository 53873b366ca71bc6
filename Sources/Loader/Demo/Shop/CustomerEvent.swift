import Foundation

/// A message about a customer, as its topic has it, for people to read.
struct CustomerEvent {
    static let tombstone = "tombstone"
    static let unsent = "not sent"
    static let head = ["op", "email", "credit", "born", "profile"]

    /// The event's own word, or that it is a tombstone.
    let operation: String
    let email: String
    let credit: String
    let born: String
    /// How long it is, or that it was not sent.
    let profile: String

    var cells: [String] { [operation, email, credit, born, profile] }

    /// - Parameter value: of the message; nil if it has none.
    init(_ value: Data?) {
        let event = value.flatMap { try? JSONSerialization.jsonObject(with: $0) as? [String: Any] }
        operation = value == nil ? Self.tombstone : event?["op"] as? String ?? ""
        let row = event?["after"] as? [String: Any]
        email = row?["email"] as? String ?? ""
        credit = row?["credit"] as? String ?? ""
        born = (row?["born"] as? NSNumber)?.stringValue ?? ""
        let text = row?["profile"] as? String
        profile =
            text.map { $0 == ShopChanges.unavailable ? Self.unsent : "\($0.unicodeScalars.count) characters" } ?? ""
    }

    static func customer(ofKey key: Data) -> Int64? {
        let fields = try? JSONSerialization.jsonObject(with: key) as? [String: Any]
        return (fields?["id"] as? NSNumber)?.int64Value
    }
}
