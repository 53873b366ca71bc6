/// One step of a plan: what comes next in the message, and where it goes.
struct AvroInstruction {
    /// Those that begin with `skip` check what they pass over, and write nothing.
    enum Code: UInt8 {
        /// Of the plan, or of the part that was called.
        case end
        /// To `first`.
        case jump
        /// The part of the plan that begins at `first`, and then what follows.
        case call
        /// Writes that a list or record begins here, whose node is `first`; `second` is 1 for a record.
        case mark
        /// Fields that an earlier value of the same name may have filled: `second` of them from `first` in the table.
        case forget

        case null
        case boolean, skipBoolean
        case int, skipInt
        case long, skipLong
        case float, double
        case bytes, skipBytes
        case string, skipString
        /// `second` symbols, from `first` in the table of texts.
        case symbol, skipSymbol
        /// `first` bytes.
        case fixed, skipFixed

        /// Of bytes, with `second` as the scale.
        case decimal
        /// Of `first` bytes, with `second` as the scale.
        case fixedDecimal
        case bigDecimal
        /// Of bytes: `second` bits, the lowest first.
        case bits
        /// A record of a scale and bytes; `first` is 1 where the bytes come first. Looks ahead: the record follows.
        case variableDecimal
        case uuid
        case date
        case timeMillis, timeMicros, timeNanos
        case instantMillis, instantMicros, instantNanos
        case localMillis, localMicros, localNanos
        /// Debezium's, which have values that stand for the infinities.
        case boundedMillis, boundedMicros, boundedNanos
        case durationMicros, durationNanos
        /// Months, days and milliseconds.
        case interval

        /// A union of null, whose index is `second`, and another type, whose instructions follow; `first` is behind them.
        case optional
        /// The instructions of its `second` branches are at the places in the table of branches from `first` on.
        case union
        /// The instructions of an element are at `first`. With choices, if `second` names some. `slot` is how many values
        /// an element is that takes no byte.
        case array, map
        /// Of elements of `first` bytes.
        case skipFixedArray
        /// Of elements that take no byte and are `first` values each.
        case emptyArray
    }

    var code: Code
    /// Lists and records around it, within the part of the plan that was called.
    var levels: UInt16 = 0
    var slot: UInt32 = 0
    var first: UInt32 = 0
    var second: UInt32 = 0

    /// In place of a slot or of choices.
    static let none = UInt32.max
}

extension AvroInstruction.Code {
    /// How a scalar's values are read, and what the instruction is told.
    struct Reading {
        var code: AvroInstruction.Code
        var first: UInt32 = 0
        var second: UInt32 = 0
    }

    /// - Returns: nil for what is no scalar.
    static func reading(_ node: AvroSchema.Node) -> Reading? {
        if let meant = ofConnect(node) { return meant }
        switch node.shape {
        case .null: return Reading(code: .null)
        case .boolean: return Reading(code: .boolean)
        case .int:
            switch node.logical {
            case .date: return Reading(code: .date)
            case .timeMillis: return Reading(code: .timeMillis)
            default: return Reading(code: .int)
            }
        case .long: return Reading(code: ofLong(node.logical))
        case .float: return Reading(code: .float)
        case .double: return Reading(code: .double)
        case .bytes:
            switch node.logical {
            case .decimal(_, let scale): return Reading(code: .decimal, second: UInt32(scale))
            case .bigDecimal: return Reading(code: .bigDecimal)
            default: return Reading(code: .bytes)
            }
        // A UUID too: what a string says is kept as it was written.
        case .string: return Reading(code: .string)
        case .fixed(let size):
            switch node.logical {
            case .decimal(_, let scale):
                return Reading(code: .fixedDecimal, first: UInt32(size), second: UInt32(scale))
            case .uuid: return Reading(code: .uuid)
            case .duration: return Reading(code: .interval)
            default: return Reading(code: .fixed, first: UInt32(size))
            }
        // Its texts are the plan's.
        case .enum(let symbols): return Reading(code: .symbol, second: UInt32(symbols.count))
        case .array, .map, .union, .record: return nil
        }
    }

    private static func ofLong(_ logical: AvroSchema.Logical?) -> Self {
        switch logical {
        case .timeMicros: .timeMicros
        case .timestampMillis: .instantMillis
        case .timestampMicros: .instantMicros
        case .timestampNanos: .instantNanos
        case .localTimestampMillis: .localMillis
        case .localTimestampMicros: .localMicros
        case .localTimestampNanos: .localNanos
        default: .long
        }
    }

    /// The semantic names of Kafka Connect and Debezium say more than a logical type, which these often leave out.
    private static func ofConnect(_ node: AvroSchema.Node) -> Reading? {
        let base: ConnectMeaning.Base
        switch node.shape {
        case .int: base = .int32
        case .long: base = .int64
        case .bytes: base = .bytes
        default: return nil
        }
        guard let name = node.connectName,
            let meaning = ConnectMeaning(name, base, parameters: node.connectParameters)
        else { return nil }
        switch meaning {
        case .date: return Reading(code: .date)
        case .timeMillis: return Reading(code: .timeMillis)
        case .timeMicros: return Reading(code: .timeMicros)
        case .timeNanos: return Reading(code: .timeNanos)
        case .instantMillis: return Reading(code: .instantMillis)
        case .boundedMillis: return Reading(code: .boundedMillis)
        case .boundedMicros: return Reading(code: .boundedMicros)
        case .boundedNanos: return Reading(code: .boundedNanos)
        case .durationMicros: return Reading(code: .durationMicros)
        case .durationNanos: return Reading(code: .durationNanos)
        case .decimal(let scale): return Reading(code: .decimal, second: UInt32(bitPattern: scale))
        case .bits(let length): return Reading(code: .bits, second: UInt32(bitPattern: length))
        // A record, which stands before its parts.
        case .variableDecimal: return nil
        }
    }

    /// The same without a field to write.
    func skipping(_ reading: Reading) -> Reading? {
        switch self {
        case .null: nil
        case .boolean: Reading(code: .skipBoolean)
        case .int, .date, .timeMillis: Reading(code: .skipInt)
        case .float: Reading(code: .skipFixed, first: 4)
        case .double: Reading(code: .skipFixed, first: 8)
        case .bytes, .decimal, .bigDecimal, .bits: Reading(code: .skipBytes)
        case .string: Reading(code: .skipString)
        case .symbol: Reading(code: .skipSymbol, second: reading.second)
        case .fixed, .fixedDecimal: Reading(code: .skipFixed, first: reading.first)
        case .uuid: Reading(code: .skipFixed, first: 16)
        case .interval: Reading(code: .skipFixed, first: 12)
        default: Reading(code: .skipLong)
        }
    }
}
