import Foundation

/// A shop's database: two tables, as far as the demo changes them.
struct Shop: Equatable {
    enum Table: String, CaseIterable {
        case customers, orders

        /// As a connector names it: its prefix, the schema, the table.
        var topic: String { "demo.shop.\(rawValue)" }

        /// What an event of a delete has of the row: its key, and nothing else.
        func keyAlone(_ id: Int64) -> String {
            switch self {
            case .customers:
                #"{"id":\#(id),"name":null,"email":null,"country":null,"credit":null,"born":null,"profile":null,"updated_at":null}"#
            case .orders: #"{"id":\#(id),"customer_id":null,"status":null,"total":null,"ordered_on":null,"note":null}"#
            }
        }
    }

    var customers: [Int64: Customer] = [:]
    var orders: [Int64: Order] = [:]

    /// Whether PostgreSQL would keep a text apart from its row, so that an update which leaves it alone does not log it.
    static func isOutOfLine(_ text: String) -> Bool { text.utf8.count > 2000 }

    struct Customer: Equatable {
        var id: Int64
        var name: String
        var email: String
        var country: String
        /// Hundredths.
        var credit: Int64
        /// Days since 1970.
        var born: Int64
        var profile: String
        /// Microseconds since 1970.
        var updatedAt: Int64
    }

    struct Order: Equatable {
        var id: Int64
        var customerID: Int64
        var status: String
        /// Hundredths.
        var total: Int64
        /// Days since 1970.
        var orderedOn: Int64
        var note: String?
    }
}

extension Shop.Customer {
    init(id: Int64, at clock: Int64, random: inout SplitMix64) {
        self.id = id
        name = random.element(Self.firstNames) + " " + random.element(Self.lastNames)
        email = "customer\(id)@example.org"
        country = random.element(["DE", "FR", "GB", "US", "IN", "JP", "BR"])
        credit = 0
        born = Int64(-9000 + random.below(20_000))
        profile = ""
        updatedAt = clock
        rewriteProfile(at: clock, random: &random)
    }

    mutating func change(at clock: Int64, random: inout SplitMix64) {
        updatedAt = clock
        switch random.below(4) {
        case 0: email = "customer\(id).\(random.below(1000))@example.org"
        case 1: rewriteProfile(at: clock, random: &random)
        default: credit += Int64(random.below(20_000) - 8000)
        }
    }

    /// Every third one is long.
    mutating func rewriteProfile(at clock: Int64, random: inout SplitMix64) {
        updatedAt = clock
        let sentence = random.element(Self.sentences)
        profile = String(repeating: sentence, count: random.below(3) == 0 ? 2100 / sentence.utf8.count + 1 : 1)
    }

    /// - Parameter profile: in place of its own.
    func json(profile: String? = nil) -> String {
        #"{"id":\#(id),"name":\#(jsonString(name)),"email":\#(jsonString(email)),"country":"\#(country)","#
            + #""credit":"\#(Shop.decimal(credit))","born":\#(born),"profile":\#(jsonString(profile ?? self.profile)),"#
            + #""updated_at":"\#(Shop.instant(updatedAt))"}"#
    }

    private static let firstNames = [
        "Zoë", "Jürgen", "Ana", "李雷", "Иван", "Μαρία", "O'Neil", "Łukasz", "John \"Jack\"",
    ]
    private static let lastNames = ["Müller", "García", "Nguyễn", "田中", "Smith", "D'Angelo", "Çelik", "Ó Briain"]
    private static let sentences = [
        "Likes coffee, and buys it in the morning. ", "Wants »all« parcels at the neighbour's.\n",
        "Pays late; pays \\ always. ", "購入履歴が長い。",
    ]
}

extension Shop.Order {
    private static let states = ["placed", "paid", "shipped", "delivered"]

    init(id: Int64, customer: Int64, at clock: Int64, random: inout SplitMix64) {
        self.id = id
        customerID = customer
        status = Self.states[0]
        total = Int64(99 + random.below(random.below(50) == 0 ? 50_000_000 : 40_000))
        orderedOn = clock / 86_400_000_000
        switch random.below(6) {
        case 0: note = String(repeating: "Please ring twice; the bell is quiet. ", count: 60)
        case 1: note = "Ring \"twice\"."
        default: note = nil
        }
    }

    mutating func advance(random: inout SplitMix64) {
        let place = Self.states.firstIndex(of: status) ?? 0
        status = random.below(15) == 0 ? "cancelled" : Self.states[min(place + 1, Self.states.count - 1)]
    }

    /// - Parameter note: in place of its own.
    func json(note: String? = nil) -> String {
        #"{"id":\#(id),"customer_id":\#(customerID),"status":"\#(status)","total":"\#(Shop.decimal(total))","#
            + #""ordered_on":\#(orderedOn),"note":\#((note ?? self.note).map(jsonString) ?? "null")}"#
    }
}

extension Shop {
    /// As Connect has a decimal in JSON: the base64 of its digits as one integer, the highest byte first.
    static func decimal(_ hundredths: Int64) -> String {
        var bytes = withUnsafeBytes(of: hundredths.bigEndian) { Array($0) }
        while bytes.count > 1, (bytes[0] == 0 && bytes[1] < 0x80) || (bytes[0] == 0xFF && bytes[1] >= 0x80) {
            bytes.removeFirst()
        }
        return Data(bytes).base64EncodedString()
    }

    /// As Debezium writes a `timestamptz`.
    static func instant(_ microseconds: Int64) -> String {
        let (seconds, rest) = microseconds.quotientAndRemainder(dividingBy: 1_000_000)
        let digits = String(rest)
        let fraction = String(repeating: "0", count: 6 - digits.count) + digits
        let whole = Date(timeIntervalSince1970: TimeInterval(seconds)).formatted(.iso8601)
        return whole.dropLast() + ".\(fraction)Z"
    }
}
