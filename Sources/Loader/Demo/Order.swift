/// One order of the demo, and its JSON.
struct Order: Equatable {
    enum Status: String { case placed, paid, shipped, delivered, cancelled, refunded, purged }

    private struct Item: Equatable {
        let sku: String
        /// A JSON string with its quotes.
        let name: String
        let quantity: Int
        let unitPrice: Int
    }

    let id: Int64
    private(set) var status = Status.placed
    private let customerID: Int
    private let customerName: String
    private let place: Place
    private let items: [Item]
    private let tags: [String]
    /// A JSON string with its quotes.
    private let note: String?
    private let createdAt: Timestamp
    private var updatedAt: Timestamp

    /// - Parameter createdAt: microseconds since 1970.
    init(id: Int64, createdAt: Int64, random: inout SplitMix64) {
        self.id = id
        place = random.element(Self.places)
        customerID = 1 + random.below(50_000)
        customerName = random.element(Self.firstNames) + " " + random.element(Self.lastNames)
        items = (0...random.below(5)).map { _ in
            let product = random.below(Self.products.count)
            return Item(
                sku: "\(["A", "B", "X"][random.below(3)])-\(product * 37 + random.below(30))",
                name: Self.products[product],
                quantity: 1 + random.below(4), unitPrice: 99 + random.below(random.below(50) == 0 ? 5_000_000 : 20_000))
        }
        tags = Self.tags.filter { _ in random.below(4) == 0 }
        note = random.below(3) == 0 ? random.element(Self.notes) : nil
        self.createdAt = Timestamp(microseconds: createdAt, offset: place.offset, digits: [0, 3, 6][random.below(3)])
        updatedAt = self.createdAt
    }

    /// The order's next state.
    ///
    /// - Returns: false for the last one.
    mutating func advance(at time: Int64, random: inout SplitMix64) -> Bool {
        updatedAt.microseconds = time
        switch status {
        case .placed: status = random.below(20) == 0 ? .cancelled : .paid
        case .paid: status = .shipped
        case .shipped: status = .delivered
        case .delivered: status = .refunded
        // By law the shop forgets them.
        case .cancelled: status = .purged
        case .refunded, .purged: break
        }
        return status == .delivered ? random.below(30) == 0 : status != .refunded && status != .purged
    }

    /// Microseconds since 1970, cut to the digits that its JSON shows.
    var created: Int64 { createdAt.written }
    var updated: Int64 { updatedAt.written }

    /// The message's key.
    var key: String { "ORD-\(id)" }

    /// The message's value, each thing given taking the place of the order's own.
    ///
    /// - Parameter total: an empty one leaves the field out.
    func json(
        status: String? = nil, createdAt: String? = nil, customerID: String? = nil, total: String? = nil,
        currency: String? = nil, itemCount: String? = nil, note: String? = nil
    ) -> String {
        var text = "{\"order_id\":\"\(key)\",\"status\":\"\(status ?? self.status.rawValue)\""
        text += ",\"created_at\":\"\(createdAt ?? self.createdAt.description)\",\"updated_at\":\"\(updatedAt)\""
        text += ",\"customer\":{\"id\":\(customerID ?? String(self.customerID)),\"name\":\"\(customerName)\""
        text += ",\"email\":\"customer\(self.customerID)@example.org\"}"
        let total = total ?? amount(items.reduce(0) { $0 + $1.quantity * $1.unitPrice })
        if !total.isEmpty { text += ",\"total\":\(total)" }
        text += ",\"currency\":\"\(currency ?? place.currency)\",\"item_count\":\(itemCount ?? String(items.count))"
        text += ",\"items\":["
        for (index, item) in items.enumerated() {
            text += index == 0 ? "{" : ",{"
            text += "\"sku\":\"\(item.sku)\",\"name\":\(item.name),\"quantity\":\(item.quantity)"
            text += ",\"unit_price\":\(amount(item.unitPrice))}"
        }
        text += "],\"shipping\":{\"street\":\"\(place.street) \(1 + self.customerID % 200)\",\"city\":\"\(place.city)\""
        text += ",\"country\":\"\(place.country)\"},\"tags\":[" + tags.map { "\"\($0)\"" }.joined(separator: ",")
        return text + "],\"note\":\(note ?? self.note ?? "null")}"
    }

    /// Hundredths, or whole units where the currency has no smaller ones.
    private func amount(_ hundredths: Int) -> String {
        guard place.currency != "JPY" else { return String(hundredths) }
        let rest = hundredths % 100
        return "\(hundredths / 100).\(rest < 10 ? "0" : "")\(rest)"
    }

    private struct Place: Equatable {
        let country: String
        let city: String
        let street: String
        let currency: String
        /// Minutes east of Greenwich.
        let offset: Int
    }

    private static let places = [
        Place(country: "DE", city: "Köln", street: "Domstraße", currency: "EUR", offset: 60),
        Place(country: "FR", city: "Orléans", street: "Rue de l'Évêché", currency: "EUR", offset: 120),
        Place(country: "GB", city: "London", street: "Baker Street", currency: "GBP", offset: 0),
        Place(country: "US", city: "New York", street: "Broadway", currency: "USD", offset: -300),
        Place(country: "US", city: "San José", street: "Market St", currency: "USD", offset: -480),
        Place(country: "IN", city: "पुणे", street: "MG Road", currency: "INR", offset: 330),
        Place(country: "JP", city: "東京", street: "千代田", currency: "JPY", offset: 540),
        Place(country: "BR", city: "São Paulo", street: "Avenida Paulista", currency: "BRL", offset: -180),
        Place(country: "NP", city: "काठमाडौं", street: "Thamel Marg", currency: "NPR", offset: 345),
        Place(country: "AU", city: "Adelaide", street: "King William St", currency: "AUD", offset: 570),
    ]
    // As they stand between the quotes of JSON, escapes included.
    private static let firstNames = [
        "Zoë", "Jürgen", "Ana", "Søren", "李雷", "山田", "Иван", "Μαρία", "Amélie", "O'Neil", "Łukasz", "نور", "Maya",
        "John \\\"Jack\\\"", "J\\u00fcrgen", "आरव",
    ]
    private static let lastNames = [
        "Müller", "García", "Nguyễn", "Смирнов", "Παπαδόπουλος", "田中", "Smith", "D'Angelo", "Sánchez-Pérez", "Çelik",
        "de la Cruz", "Kowalska", "Ó Briain", "N\\u00f8rgaard",
    ]
    private static let products = [
        "\"Coffee beans, 1 kg\"", "\"Kaffeemühle »Größe L«\"", "\"5\\\" Photo frame\"", "\"T-shirt \\u00bd off\"",
        "\"緑茶 100g\"", "\"Toy 🚂\"", "\"Notebook A5\\/lined\"", "\"Crème brûlée torch\"", "\"USB-C cable\"",
        "\"Guitar strings .010\\u2013.046\"", "\"Plant pot \\ud83c\\udf31\"", "\"Path C:\\\\drive\"",
    ]
    private static let notes = [
        "\"Bitte klingeln \\u2013 2. Stock\\nDanke 🙏\"", "\"Leave at the door\"", "\"tab\\tseparated\\tnote\"",
        "\"quote \\\"this\\\" and \\\\that\\\\\"", "\"\"", "\"Happy birthday! \\ud83c\\udf82\"", "\"\\\\N\"",
        "\"ring twice; don't call\"",
    ]
    private static let tags = ["express", "b2b", "fragile", "größer als 1m"]
}

/// A point in time as RFC 3339 writes it at an offset from UTC.
private struct Timestamp: Equatable, CustomStringConvertible {
    /// Since 1970.
    var microseconds: Int64
    /// Minutes east of Greenwich.
    let offset: Int
    /// How many digits of the second's fraction are written: 0, 3 or 6.
    let digits: Int

    /// As far as it is written.
    var written: Int64 {
        let step: Int64 = digits == 0 ? 1_000_000 : digits == 3 ? 1000 : 1
        return microseconds / step * step
    }

    var description: String {
        let local = microseconds + Int64(offset) * 60_000_000
        let (seconds, fraction) = (local / 1_000_000, Int(local % 1_000_000))
        let (days, second) = (Int(seconds / 86_400), Int(seconds % 86_400))
        let (year, month, day) = Self.date(days)
        var text =
            "\(year)-\(two(month))-\(two(day))T\(two(second / 3600)):\(two(second / 60 % 60)):\(two(second % 60))"
        if digits > 0 {
            let value = digits == 3 ? fraction / 1000 : fraction
            let written = String(value)
            text += "." + String(repeating: "0", count: digits - written.count) + written
        }
        guard offset != 0 else { return text + "Z" }
        return text + (offset < 0 ? "-" : "+") + two(abs(offset) / 60) + ":" + two(abs(offset) % 60)
    }

    private func two(_ number: Int) -> String { (number < 10 ? "0" : "") + String(number) }

    /// The Gregorian date so many days after 1 January 1970.
    ///
    /// Counts from 1 March of year 0, so that a leap day is the last of its year.
    private static func date(_ days: Int) -> (year: Int, month: Int, day: Int) {
        let day = days + 719_468
        let era = day / 146_097
        let dayOfEra = day % 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shifted = (5 * dayOfYear + 2) / 153
        let month = shifted < 10 ? shifted + 3 : shifted - 9
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * shifted + 2) / 5 + 1)
    }
}
