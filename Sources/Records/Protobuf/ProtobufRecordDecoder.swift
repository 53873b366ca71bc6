/// Picks the routed fields out of messages in Protobuf's binary encoding.
///
/// - What a message lacks is absent where its type has presence, and the default of its type where it has none. Of a field
///   that comes twice the last value counts, messages are merged, and the members of a oneof take each other's place.
/// - The whole message is checked, also what no path names: numbers, lengths, groups, depth and UTF-8, in strings of
///   proto2 too. Fields that the type does not have, and numbers that a closed enum does not, are passed over.
/// - Enums are both the names and the numbers of their values, and numbers alone where they have no name. Messages of well-known types are what they stand
///   for (`ProtobufMeaning`), other messages and maps are records, repeated fields are lists.
/// - A path's step is a field by its name or its name in JSON, a key of a map, or an index of a repeated field.
/// - Messages and groups may be 100 deep.
///
/// Decoding allocates nothing, but for a message with more lists and messages in it than all before it.
public final class ProtobufRecordDecoder: RecordDecoder {
    public static let padding = ProtobufCursor.padding
    public let padding = ProtobufCursor.padding

    typealias Entry = ProtobufPlan.Entry
    typealias Fields = UnsafeMutablePointer<Field>

    /// A piece of the message that belongs to something that is handed out; the next one of the same follows.
    struct Piece {
        let start: UnsafePointer<UInt8>
        let end: UnsafePointer<UInt8>
        let isPacked: Bool
        var next: Int32 = -1
    }

    let plan: ProtobufPlan
    // What a message looks at lies in memory of its own: an array of Swift's is counted at each look.
    let entries: UnsafeMutablePointer<ProtobufPlan.Entry>
    let dense: UnsafeMutablePointer<UInt16>
    let tables: UnsafeMutablePointer<ProtobufPlan.Table>
    let fields: UnsafeMutableBufferPointer<Field>
    /// Names of fields and symbols, and behind them what an empty message points to.
    let texts: UnsafeMutableBufferPointer<UInt8>
    let nothing: UnsafePointer<UInt8>
    var symbols: [[Field]] = []
    var defaults: [(slot: Int, value: Field)] = []

    var start: UnsafePointer<UInt8>
    /// Where a fault was found.
    var faulty: UnsafePointer<UInt8>?
    var pieces: [Piece] = []
    /// The first piece and the last of what is handed out; the first has none.
    var containers: [(first: Int32, last: Int32)] = [(-1, -1)]
    /// Fields of what is looked into, for each level that was met.
    let frames: UnsafeMutablePointer<Fields?>
    /// Levels of what is looked into: a message, and perhaps a list or a map in it, and what that stands for.
    static let deepest = 3 * ProtobufPlan.deepest
    var level = 0
    let frameSize: Int
    /// What has to be put together before it can be handed out.
    let arena = ProtobufArena()
    /// A map's key as text, for each level: it lasts while what is behind it is looked into.
    var keyTexts: [UnsafeMutableBufferPointer<UInt8>] = []

    public init(_ plan: ProtobufPlan) {
        self.plan = plan
        entries = .allocate(capacity: plan.entries.count + 1)
        entries.initialize(from: plan.entries, count: plan.entries.count)
        dense = .allocate(capacity: plan.dense.count + 1)
        dense.initialize(from: plan.dense, count: plan.dense.count)
        tables = .allocate(capacity: plan.tables.count + 1)
        tables.initialize(from: plan.tables, count: plan.tables.count)
        texts = .allocate(capacity: plan.texts.count + 2 * ProtobufCursor.padding)
        texts.initialize(repeating: 0)
        for (index, byte) in plan.texts.enumerated() { texts[index] = byte }
        nothing = UnsafePointer(texts.baseAddress.unsafelyUnwrapped) + plan.texts.count
        start = nothing
        fields = .allocate(capacity: plan.slotCount)
        fields.initialize(repeating: Field(.absent))
        frames = .allocate(capacity: Self.deepest)
        frames.initialize(repeating: nil, count: Self.deepest)
        frameSize = max(1, plan.tables.lazy.map(\.slotCount).max() ?? 1)
        symbols = plan.symbols.map { type in
            zip(type.names, type.numbers).map { .symbol(text($0), number: $1) }
        }
        defaults = plan.defaults.map { (Int($0.slot), value(of: $0.value)) }
    }

    public convenience init(_ schema: ProtobufSchema, message: Int, paths: [FieldPath]) {
        self.init(ProtobufPlan(schema, message: message, paths: paths))
        type = (schema, message)
    }

    private var type: (schema: ProtobufSchema, message: Int)?
    public private(set) lazy var outline = type.map { $0.schema.outline(of: $0.message) }

    deinit {
        entries.deallocate()
        dense.deallocate()
        tables.deallocate()
        texts.deallocate()
        fields.deallocate()
        for text in keyTexts { text.deallocate() }
        for level in 0..<Self.deepest { frames[level]?.deallocate() }
        frames.deallocate()
    }

    func value(of value: ProtobufPlan.Default) -> Field {
        switch value {
        case .symbol(let type): symbols[type][plan.symbols[type].first]
        case .list(let node): .list(0, node: node)
        case .map(let node): .record(0, node: node)
        case .zero(let code):
            switch code {
            case .double: .double(0)
            case .float: .float(0)
            case .uint32, .uint64, .fixed32, .fixed64: .unsigned(0)
            case .bool: Field(.false)
            case .string: Field(.string, UnsafeRawBufferPointer(start: nothing, count: 0))
            case .bytes: Field(.bytes, UnsafeRawBufferPointer(start: nothing, count: 0))
            default: .integer(0)
            }
        }
    }

    public func decode(_ message: UnsafeRawBufferPointer) throws(DecodingFailure) -> UnsafeBufferPointer<Field> {
        for slot in fields.indices { fields[slot] = Field(.absent) }
        start = message.baseAddress?.assumingMemoryBound(to: UInt8.self) ?? nothing
        let end = start + message.count
        forgetPieces()
        arena.reset()
        let base = fields.baseAddress.unsafelyUnwrapped
        do throws(ProtobufFault) {
            faulty = nil
            setDefaults(tables[plan.root], base)
            try run(UInt32(plan.root), start, end, base, depth: 0)
            if let whole = plan.whole { mark(start, end, &base[Int(whole.slot)], node: whole.node, isList: false) }
            for made in plan.direct where base[Int(made.seen)].kind != .absent {
                base[Int(made.slot)] = made.meaning.value(base + Int(made.first)) ?? Field(.absent)
            }
            for slot in plan.rootMeanings { base[Int(slot)] = try meaning(of: base[Int(slot)]) }
        } catch {
            throw DecodingFailure(error, offset: (faulty ?? start) - start)
        }
        for copy in plan.copies { fields[copy.to] = fields[copy.from] }
        return UnsafeBufferPointer(rebasing: fields[..<plan.pathCount])
    }

    func forgetPieces() {
        guard containers.count > 1 else { return }
        pieces.removeAll(keepingCapacity: true)
        containers.removeLast(containers.count - 1)
    }

    @inline(__always)
    func setDefaults(_ table: ProtobufPlan.Table, _ base: Fields) {
        for index in table.defaults { base[defaults[index].slot] = defaults[index].value }
    }

    // MARK: Messages

    /// Reads a message, or a part of one that comes in several, by a table.
    func run(
        _ table: UInt32, _ first: UnsafePointer<UInt8>, _ end: UnsafePointer<UInt8>, _ base: Fields, depth: Int
    ) throws(ProtobufFault) {
        var cursor = ProtobufCursor(first, end: end)
        do throws(ProtobufFault) {
            guard depth < ProtobufPlan.deepest else { throw .tooDeep }
            _ = try follow(table, &cursor, base, depth, group: 0)
        } catch {
            // Of those within each other the innermost knows the place.
            faulty = faulty ?? cursor.place
            throw error
        }
    }

    /// - Parameter group: the number of the group that the fields are in, which its tag ends; 0: none.
    /// - Returns: where the tag begins that has ended it.
    func follow(
        _ table: UInt32, _ cursor: inout ProtobufCursor, _ base: Fields, _ depth: Int, group: UInt32
    ) throws(ProtobufFault) -> UnsafePointer<UInt8> {
        // Long because each value of each message passes its one switch.
        let table = tables[Int(table)]
        let entries = entries + table.entries.lowerBound
        let count = table.entries.count
        let dense = dense + table.dense.lowerBound
        // Most writers write fields in the order of their numbers.
        var next = 0
        while cursor.left > 0 {
            let place = cursor.place
            let tag = try cursor.tag()
            let number = tag &>> 3
            if tag & 7 == 4 {
                guard number == group, group != 0 else { throw .group }
                return place
            }
            var found = next
            if found >= count || entries[found].number != number {
                found =
                    number < UInt32(table.dense.count) ? Int(dense[Int(number)]) &- 1 : search(entries, count, number)
                guard found >= 0 else {
                    try cursor.skip(tag, depth: depth)
                    continue
                }
            }
            let entry = entries + found
            if entry.pointee.code == .list {
                next = found
                try list(entry.pointee, tag, &cursor, base, depth)
                continue
            }
            next = found &+ 1
            guard UInt8(truncatingIfNeeded: tag & 7) == entry.pointee.wire else {
                try cursor.skip(tag, depth: depth)
                continue
            }
            if entry.pointee.clears != ProtobufPlan.none { clear(entry.pointee.clears, base) }
            let slot = Int(truncatingIfNeeded: entry.pointee.slot)
            switch entry.pointee.code {
            case .skipVarint: _ = try cursor.varint()
            case .skip4: _ = try cursor.take(4)
            case .skip8: _ = try cursor.take(8)
            case .skipBytes: _ = try cursor.bytes()
            case .skipString: _ = try cursor.string()
            case .string: base[slot] = Field(.string, try cursor.string())
            case .bytes: base[slot] = Field(.bytes, try cursor.bytes())
            case .int64: base[slot] = .integer(Int64(bitPattern: try cursor.varint()))
            case .int32: base[slot] = .integer(Int64(Int32(truncatingIfNeeded: try cursor.varint())))
            case .double: base[slot] = .double(Double(bitPattern: try cursor.fixed64()))
            case .bool: base[slot] = Field(try cursor.varint() != 0 ? .true : .false)
            case .symbol:
                if let field = symbol(try cursor.varint(), entry.pointee.symbols) { base[slot] = field }
            case .message, .group: try message(entry.pointee, &cursor, base, depth)
            default: base[slot] = try scalar(entry.pointee.code, &cursor)
            }
        }
        guard group == 0 else { throw .truncated }
        return cursor.place
    }

    @inline(never)
    func search(_ entries: UnsafeMutablePointer<Entry>, _ count: Int, _ number: UInt32) -> Int {
        var (low, high) = (0, count)
        while low < high {
            let middle = (low + high) / 2
            if entries[middle].number < number { low = middle + 1 } else { high = middle }
        }
        return low < count && entries[low].number == number ? low : -1
    }

    @inline(never)
    func clear(_ clears: UInt32, _ base: Fields) {
        for slot in plan.clears[Int(clears)] { base[Int(slot)] = Field(.absent) }
    }

    /// Those that are seen less.
    @inline(never)
    func scalar(
        _ code: ProtobufPlan.Code, _ cursor: inout ProtobufCursor
    ) throws(ProtobufFault) -> Field {
        switch code {
        case .float: return .float(Float(bitPattern: try cursor.fixed32()))
        case .double: return .double(Double(bitPattern: try cursor.fixed64()))
        case .int32: return .integer(Int64(Int32(truncatingIfNeeded: try cursor.varint())))
        case .int64: return .integer(Int64(bitPattern: try cursor.varint()))
        case .uint32: return .unsigned(UInt64(UInt32(truncatingIfNeeded: try cursor.varint())))
        case .uint64: return .unsigned(try cursor.varint())
        case .sint32:
            let raw = UInt32(truncatingIfNeeded: try cursor.varint())
            return .integer(Int64(Int32(bitPattern: raw >> 1 ^ (0 &- (raw & 1)))))
        case .sint64:
            let raw = try cursor.varint()
            return .integer(Int64(bitPattern: raw >> 1 ^ (0 &- (raw & 1))))
        case .fixed32: return .unsigned(UInt64(try cursor.fixed32()))
        case .fixed64: return .unsigned(try cursor.fixed64())
        case .sfixed32: return .integer(Int64(Int32(bitPattern: try cursor.fixed32())))
        case .sfixed64: return .integer(Int64(bitPattern: try cursor.fixed64()))
        case .bool: return Field(try cursor.varint() != 0 ? .true : .false)
        case .string: return Field(.string, try cursor.string())
        case .bytes: return Field(.bytes, try cursor.bytes())
        case .symbol, .skipVarint, .skip4, .skip8, .skipBytes, .skipString, .message, .group, .list:
            preconditionFailure("\(code) is read elsewhere")
        }
    }

    /// - Returns: nil for a number that a closed enum does not have.
    func symbol(_ raw: UInt64, _ type: UInt32) -> Field? {
        let number = Int32(truncatingIfNeeded: raw)
        let numbers = plan.symbols[Int(type)].numbers
        var (low, high) = (0, numbers.count)
        while low < high {
            let middle = (low + high) / 2
            if numbers[middle] < number { low = middle + 1 } else { high = middle }
        }
        if low < numbers.count, numbers[low] == number { return symbols[Int(type)][low] }
        return plan.symbols[Int(type)].isClosed ? nil : .integer(Int64(number))
    }

    @inline(never)
    func message(
        _ entry: Entry, _ cursor: inout ProtobufCursor, _ base: Fields, _ depth: Int
    ) throws(ProtobufFault) {
        if entry.seen != ProtobufPlan.none, base[Int(entry.seen)].kind == .absent {
            base[Int(entry.seen)] = Field(.true)
            setDefaults(tables[Int(entry.table)], base)
        }
        let payload = try self.payload(entry, &cursor, base, depth)
        if entry.node != ProtobufPlan.none {
            mark(payload.start, payload.end, &base[Int(entry.slot)], node: entry.node, isList: false)
        }
    }

    /// Follows what is in a message or group to its end.
    func payload(
        _ entry: Entry, _ cursor: inout ProtobufCursor, _ base: Fields, _ depth: Int
    ) throws(ProtobufFault) -> (start: UnsafePointer<UInt8>, end: UnsafePointer<UInt8>) {
        if entry.wire == 2 {
            let bytes = try cursor.bytes()
            let first = bytes.baseAddress.unsafelyUnwrapped.assumingMemoryBound(to: UInt8.self)
            try run(entry.table, first, first + bytes.count, base, depth: depth + 1)
            return (first, first + bytes.count)
        }
        guard depth + 1 < ProtobufPlan.deepest else { throw .tooDeep }
        let first = cursor.place
        return (first, try follow(entry.table, &cursor, base, depth + 1, group: entry.number))
    }
}
