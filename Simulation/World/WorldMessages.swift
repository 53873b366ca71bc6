import Records

/// What the messages of a world's topic look like: JSON, or Avro behind the ids of a registry's schemas.
struct WorldMessages {
    let route: WorldRoute
    let isFramed: Bool

    /// The schemas' ids.
    enum Schema: Int, CaseIterable {
        case plain = 1
        /// The fields in another order, and one more that no route takes.
        case other = 2
        case items = 3
        case wrong = 4
        /// As `plain`; the registry has it only a while after the first message of it.
        case late = 5
        /// Which the registry never has.
        case unknown = 9

        var text: String? {
            func record(_ fields: String) -> String { #"{"type":"record","name":"Order","fields":[\#(fields)]}"# }
            let (id, qty) = (#"{"name":"id","type":"long"}"#, #"{"name":"qty","type":"long"}"#)
            switch self {
            case .plain, .late: return record("\(id),\(qty)")
            case .other: return record(#"\#(qty),\#(id),{"name":"note","type":["null","string"]}"#)
            case .items:
                let item = #"{"type":"record","name":"Item","fields":[\#(qty)]}"#
                return record(#"\#(id),{"name":"items","type":{"type":"array","items":\#(item)}}"#)
            case .wrong: return record(#"\#(id),{"name":"qty","type":"string"}"#)
            case .unknown: return nil
            }
        }
    }

    func key(_ id: Int64) -> [UInt8] { Array((route == .changes ? #"{"id":\#(id)}"# : "\(id)").utf8) }

    /// - Parameters:
    ///   - quantities: of its items; of one, without.
    ///   - parent: whose row it refers to; nil: its own.
    func value(
        _ id: Int64, _ quantities: [Int64], _ schema: Schema = .plain, parent: Int64? = nil
    ) -> [UInt8] {
        guard isFramed else { return Array(text(id, quantities, parent ?? id).utf8) }
        var bytes = Self.frame(route.hasItems ? .items : schema)
        switch schema {
        case _ where route.hasItems:
            Self.put(id, &bytes)
            if !quantities.isEmpty { Self.put(Int64(quantities.count), &bytes) }
            for quantity in quantities { Self.put(quantity, &bytes) }
            Self.put(0, &bytes)
        case .other:
            for number in [quantities[0], id, 0] { Self.put(number, &bytes) }
        default:
            for number in [id, quantities[0]] { Self.put(number, &bytes) }
        }
        return bytes
    }

    private func text(_ id: Int64, _ quantities: [Int64], _ parent: Int64) -> String {
        if route == .children { return #"{"id":\#(id),"qty":\#(quantities[0]),"parent":\#(parent)}"# }
        if route.hasItems {
            let items = quantities.map { #"{"qty":\#($0)}"# }.joined(separator: ",")
            return #"{"id":\#(id),"items":[\#(items)]}"#
        }
        let row = #"{"id":\#(id),"qty":\#(quantities[0])}"#
        return route == .changes ? #"{"before":null,"after":\#(row),"op":"u"}"# : row
    }

    /// Of a message that takes its row away; nil: none.
    func deletion(_ id: Int64) -> [UInt8]? {
        route == .changes ? Array(#"{"before":{"id":\#(id),"qty":1},"after":null,"op":"d"}"#.utf8) : nil
    }

    /// What is none of its messages.
    func nonsense(_ id: Int64) -> [[UInt8]] {
        if isFramed {
            var wrong = Self.frame(.wrong)
            Self.put(id, &wrong)
            Self.put(1, &wrong)
            wrong.append(UInt8(ascii: "x"))
            let broken = [Array(value(id, [20]).dropLast(2)), Self.frame(.unknown) + [0]]
            // A message without items is one that says nothing of them.
            return route.hasItems ? broken : broken + [wrong]
        }
        let wrong = route.hasItems ? #"{"id":\#(id),"items":[{"qty":20},{"qty":"x"}]}"# : #"{"id":\#(id),"qty":"x"}"#
        return [Array("{".utf8), Array((route == .changes ? #"{"after":\#(wrong),"op":"c"}"# : wrong).utf8)]
    }

    // MARK: Bytes

    private static func frame(_ schema: Schema) -> [UInt8] { [0, 0, 0, 0, UInt8(schema.rawValue)] }

    /// Avro's long: zigzag, seven bits a byte.
    private static func put(_ number: Int64, _ bytes: inout [UInt8]) {
        var rest = UInt64(bitPattern: number << 1 ^ number >> 63)
        while rest >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(rest))
    }
}
