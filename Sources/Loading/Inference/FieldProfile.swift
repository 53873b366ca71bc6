import Postgres
import Records

/// What a sample shows of one field: how often it is there, of which kinds, between which bounds.
package struct FieldProfile {
    package enum Kind: Hashable { case boolean, number, string, array, object }

    /// What a string looks like.
    package enum Shape: Hashable { case uuid, date, zonedTime, localTime, other }

    package let path: [String]
    /// Messages that have it, null or not.
    package var present = 0
    package var null = 0
    /// How many values are of each kind.
    package var kindCounts: [Kind: Int] = [:]
    package var kinds: Set<Kind> { Set(kindCounts.keys) }
    package var shapeCounts: [Shape: Int] = [:]
    /// How many values the decoder has handed over as which kind.
    private var decoded: [Field.Kind: Int] = [:]
    /// What the messages' schema says of it; nil where they have none.
    package var declared: SchemaOutline.Field?
    package var shapes: Set<Shape> { Set(shapeCounts.keys) }

    /// The least and the greatest number, if all are whole and fit 64 bits.
    package var integers: ClosedRange<Int64>?
    package var areAllIntegers: Bool { others == 0 }
    /// Numbers that are not whole, or beyond 64 bits.
    package var others = 0
    /// The least and the greatest number, as they were written.
    package var numbers: (least: String, greatest: String)?
    /// Of the whole numbers above zero: how many have so many digits, and between which bounds.
    package var magnitudes: [Int: (count: Int, range: ClosedRange<Int64>)] = [:]
    /// Digits behind the point, the most.
    package var scale = 0
    /// Characters of the shortest and the longest string.
    package var lengths: ClosedRange<Int>?
    /// Of strings that sort as what they mean: dates, and times in UTC.
    package var times: ClosedRange<String>?
    /// Different values, or at least so many.
    package var distinct: Int { hashes.count }
    package var isDistinctCapped: Bool { hashes.count >= Self.mostDistinct }
    private var hashes: Set<Int> = []

    /// Fields of an object, in the order they turned up.
    package var children: [FieldProfile] = []
    /// Objects whose members are in `children`.
    package var objects = 0
    /// Of an array: its elements that are objects, whose members are its children; and how many are something else.
    package private(set) var elements: [ElementsProfile] = []
    private var places: [String: Int] = [:]

    package static let mostDistinct = 10_000
    /// Names within one object beyond which it is a map, whose names are values.
    package static let mostChildren = 1000

    package init(path: [String]) { self.path = path }

    package var values: Int { present - null }
    /// The one kind that all values but odd ones out are of.
    var exactKind: Field.Kind? { decoded.first { values > 0 && values - $0.value <= tolerated }?.key }
    /// How many values may be odd ones out without deciding the type: one in a thousand. Of fewer than a thousand, none: what
    /// comes once there may come often.
    package var tolerated: Int { values < 1000 ? 0 : (values + 500) / 1000 }
    /// No value comes twice, and each message has one.
    package func isUnique(in messages: Int) -> Bool { values == messages && distinct == messages && messages > 1 }

    /// - Parameter lists: whose elements' members it is among, one within the other.
    package mutating func add(_ field: Field, _ nested: NestedFields, depth: Int = 0, lists: Int = 0) {
        present += 1
        if field.kind != .absent, field.kind != .null { decoded[field.kind, default: 0] += 1 }
        switch field.kind {
        case .absent, .null: null += 1
        case .true, .false:
            kindCounts[.boolean, default: 0] += 1
            count(field.kind == .true ? 1 : 0)
        case .number, .integer, .unsigned, .double, .float, .decimal:
            kindCounts[.number, default: 0] += 1
            addNumber(Self.text(of: field))
        case .string, .bytes, .day, .timeOfDay, .instant, .localTime, .interval, .uuid, .symbol:
            kindCounts[.string, default: 0] += 1
            addString(Self.text(of: field))
        case .array, .list:
            kindCounts[.array, default: 0] += 1
            if depth < 2 || lists == 1 { addElements(of: field, nested, lists: lists + 1) }
        case .object, .record:
            kindCounts[.object, default: 0] += 1
            if depth < 2 { addMembers(of: field, nested, depth: depth, lists: lists) }
        }
    }

    /// A scalar as a column of text would have it.
    package static func text(of field: Field) -> String {
        var text = CopyBuffer(capacity: 64)
        // What is beyond all types has no text.
        try? text.append(textOf: InputValue(field))
        return String(decoding: text.bytes, as: UTF8.self)
    }

    private mutating func addElements(of list: Field, _ nested: NestedFields, lists: Int) {
        // One box, because a profile cannot hold another by value.
        if elements.isEmpty { elements.append(ElementsProfile()) }
        for element in nested.elements(of: list) ?? [] {
            guard element.kind == .object || element.kind == .record else {
                elements[0].others += 1
                continue
            }
            elements[0].records += 1
            elements[0].members.addMembers(of: element, nested, depth: 1, lists: lists)
        }
    }

    /// Adds an object's members; of a name that comes twice the last counts.
    package mutating func addMembers(of record: Field, _ nested: NestedFields, depth: Int, lists: Int = 0) {
        guard let members = nested.members(of: record) else { return }
        add(members, nested, depth: depth, lists: lists)
    }

    /// The same of an object that is opened already.
    package mutating func add(
        _ members: [(name: String, value: Field)], _ nested: NestedFields, depth: Int = 0, lists: Int = 0
    ) {
        objects += 1
        var last: [String: Field] = [:]
        for member in members { last[member.name] = member.value }
        for (name, _) in members {
            guard let value = last.removeValue(forKey: name) else { continue }
            let place: Int
            if let known = places[name] {
                place = known
            } else {
                guard children.count < Self.mostChildren else { continue }
                place = children.count
                places[name] = place
                children.append(FieldProfile(path: path + [name]))
            }
            children[place].add(value, nested, depth: depth + 1, lists: lists)
        }
    }

    /// Takes over what the schema says of the fields, and those that no message of the sample has.
    package mutating func declare(_ fields: [SchemaOutline.Field]) {
        for field in fields {
            let place = places[field.name] ?? children.count
            if place == children.count {
                places[field.name] = place
                children.append(FieldProfile(path: path + [field.name]))
            }
            children[place].declared = field
            children[place].declare(field.members)
        }
    }

    private mutating func count(_ value: some Hashable) {
        if hashes.count < Self.mostDistinct { hashes.insert(value.hashValue) }
    }

    private mutating func addNumber(_ text: String) {
        count(text)
        if let number = Double(text) {
            if numbers.flatMap({ Double($0.least) }).map({ number < $0 }) ?? true {
                numbers = (text, numbers?.greatest ?? text)
            }
            if numbers.flatMap({ Double($0.greatest) }).map({ number > $0 }) ?? true {
                numbers = (numbers?.least ?? text, text)
            }
        }
        if let integer = Int64(text) {
            let range = integer...integer
            integers = integers.map { $0.with(integer) } ?? range
            guard integer > 0 else { return }
            let known = magnitudes[text.utf8.count]
            magnitudes[text.utf8.count] = ((known?.count ?? 0) + 1, known?.range.with(integer) ?? range)
        } else {
            others += 1
            if let point = text.firstIndex(of: ".") {
                let digits = text[text.index(after: point)...].prefix { $0.isNumber }
                scale = max(scale, digits.count)
            }
        }
    }

    private mutating func addString(_ text: String) {
        count(text)
        let length = text.unicodeScalars.count
        lengths = lengths.map { min($0.lowerBound, length)...max($0.upperBound, length) } ?? length...length
        let shape = Self.shape(of: text)
        shapeCounts[shape, default: 0] += 1
        let sorts = shape == .date || shape == .localTime || (shape == .zonedTime && text.hasSuffix("Z"))
        if sorts { times = times.map { min($0.lowerBound, text)...max($0.upperBound, text) } ?? text...text }
    }

    /// By its form alone; whether there is such a day is asked of the encoder.
    package static func shape(of text: String) -> Shape {
        let bytes = Array(text.utf8)
        if bytes.count == 36, bytes.indices.allSatisfy({ isUUIDByte(bytes[$0], at: $0) }) { return .uuid }
        guard bytes.count >= 10, matches(bytes[..<10], "dddd-dd-dd") else { return .other }
        if bytes.count == 10 { return .date }
        guard bytes.count >= 16, bytes[10] == UInt8(ascii: "T") || bytes[10] == UInt8(ascii: " "),
            matches(bytes[11..<16], "dd:dd")
        else { return .other }
        var rest = bytes[16...]
        if rest.count >= 3, matches(rest.prefix(3), ":dd") {
            rest = rest.dropFirst(3)
            if rest.first == UInt8(ascii: ".") {
                let digits = rest.dropFirst().prefix { (0x30...0x39).contains($0) }
                guard !digits.isEmpty else { return .other }
                rest = rest.dropFirst(1 + digits.count)
            }
        }
        if rest.isEmpty { return .localTime }
        let zones = ["Z", "z", "sdd:dd", "sdddd", "sdd"]
        return zones.contains { matches(rest, $0) } ? .zonedTime : .other
    }

    private static func isUUIDByte(_ byte: UInt8, at index: Int) -> Bool {
        [8, 13, 18, 23].contains(index) ? byte == UInt8(ascii: "-") : Character(Unicode.Scalar(byte)).isHexDigit
    }

    /// `d` is a digit, `s` a sign, anything else itself.
    private static func matches(_ bytes: ArraySlice<UInt8>, _ form: String) -> Bool {
        bytes.count == form.utf8.count
            && zip(bytes, form.utf8).allSatisfy { byte, wanted in
                switch wanted {
                case UInt8(ascii: "d"): (0x30...0x39).contains(byte)
                case UInt8(ascii: "s"): byte == UInt8(ascii: "+") || byte == UInt8(ascii: "-")
                default: byte == wanted
                }
            }
    }
}

/// What a sample shows of the elements of an array.
package struct ElementsProfile {
    /// Those that are objects, and what is in them.
    package fileprivate(set) var records = 0
    package fileprivate(set) var members = FieldProfile(path: [])
    /// Those that are something else.
    package fileprivate(set) var others = 0
}

extension ClosedRange<Int64> {
    /// Wide enough for one more.
    fileprivate func with(_ number: Int64) -> Self {
        Swift.min(lowerBound, number)...Swift.max(upperBound, number)
    }
}
