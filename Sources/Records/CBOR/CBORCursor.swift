/// Reads the items of CBOR (RFC 8949).
struct CBORCursor: ItemCursor {
    static var format: String { "CBOR" }

    var place: UnsafePointer<UInt8>
    let end: UnsafePointer<UInt8>

    init(_ place: UnsafePointer<UInt8>, end: UnsafePointer<UInt8>) {
        (self.place, self.end) = (place, end)
    }

    /// What a tag says of the value behind it, as far as that changes what it is (registry of RFC 8949, 9.2). Dates and times in
    /// text (0, 1004) are texts, which a column reads.
    private enum Tag {
        /// 1: seconds from 1970-01-01 UTC.
        case seconds
        /// 2 and 3: bytes that are an integer, and one below it.
        case big, negativeBig
        /// 4: an exponent of ten and an integer.
        case fraction
        /// 37: sixteen bytes (RFC 9562).
        case uuid
        /// 100: days from 1970-01-01 (RFC 8943).
        case days

        init?(_ number: UInt64) {
            switch number {
            case 1: self = .seconds
            case 2: self = .big
            case 3: self = .negativeBig
            case 4: self = .fraction
            case 37: self = .uuid
            case 100: self = .days
            default: return nil
            }
        }
    }

    @inline(__always)
    mutating func item(_ memory: SideMemory?) throws(ItemFault) -> Item {
        let first = try take(1).pointee
        // Short texts, small numbers and short lists, as most are.
        switch first {
        case 0x00...0x17: return .scalar(.integer(Int64(first)))
        case 0x60...0x77: return .scalar(Field(.string, try text(UInt64(first & 0x1F))))
        default: return try longItem(first, memory)
        }
    }

    private mutating func longItem(_ first: UInt8, _ memory: SideMemory?) throws(ItemFault) -> Item {
        var first = first
        var tag: Tag?
        while first >> 5 == 6 {
            // Of several the innermost says what the value is.
            tag = Tag(try argument(first)) ?? tag
            first = try take(1).pointee
        }
        if tag == .fraction { return .scalar(try fraction(first, memory)) }
        let item = try plain(first, memory)
        guard let tag, case .scalar(let value) = item else { return item }
        return .scalar(try Self.meant(value, by: tag, memory))
    }

    /// An item without its tags.
    private mutating func plain(_ first: UInt8, _ memory: SideMemory?) throws(ItemFault) -> Item {
        let isEndless = first & 0x1F == 31
        switch first >> 5 {
        case 0:
            let number = try argument(first)
            return .scalar(Int64(exactly: number).map { .integer($0) } ?? .unsigned(number))
        case 1:
            let number = try argument(first)
            if let low = Int64(exactly: number) { return .scalar(.integer(-1 - low)) }
            // Nine bytes: the sign, and those of the number's complement.
            guard let room = memory?.room(for: 9) else { return .scalar(Field(.decimal, 0, 0)) }
            room[0] = 0xFF
            room.storeBytes(of: (~number).bigEndian, toByteOffset: 1, as: UInt64.self)
            return .scalar(.decimal(UnsafeRawBufferPointer(room), scale: 0))
        case 2: return .scalar(Field(.bytes, isEndless ? try pieces(of: 2, memory) : try bytes(try argument(first))))
        case 3: return .scalar(Field(.string, isEndless ? try pieces(of: 3, memory) : try text(try argument(first))))
        case 4: return .list(isEndless ? nil : try checked(try argument(first), bytesEach: 1))
        case 5: return .map(isEndless ? nil : try checked(try argument(first), bytesEach: 2))
        default: return try simple(first)
        }
    }

    /// The number behind an item's first byte, or in it.
    @inline(__always)
    private mutating func argument(_ first: UInt8) throws(ItemFault) -> UInt64 {
        switch first & 0x1F {
        case let short where short < 24: return UInt64(short)
        case 24: return UInt64(try number(UInt8.self))
        case 25: return UInt64(try number(UInt16.self))
        case 26: return UInt64(try number(UInt32.self))
        case 27: return try number(UInt64.self)
        default:
            place -= 1
            throw .unassigned
        }
    }

    private mutating func simple(_ first: UInt8) throws(ItemFault) -> Item {
        switch first & 0x1F {
        case 20: return .scalar(Field(.false))
        case 21: return .scalar(Field(.true))
        // Null, and undefined, of which a column makes the same.
        case 22, 23: return .scalar(Field(.null))
        case 25: return .scalar(.float(Self.half(try number(UInt16.self))))
        case 26: return .scalar(.float(Float(bitPattern: try number(UInt32.self))))
        case 27: return .scalar(.double(Double(bitPattern: try number(UInt64.self))))
        case 28...30:
            place -= 1
            throw .unassigned
        case 31: return .stop
        default:
            place -= 1
            throw .simple
        }
    }

    /// Half a float: a sign, five bits of exponent and ten of the number.
    private static func half(_ bits: UInt16) -> Float {
        let fraction = Float(bits & 0x3FF)
        let exponent = Int(bits >> 10 & 0x1F)
        let magnitude: Float =
            switch exponent {
            case 0: Float(sign: .plus, exponent: -24, significand: fraction)
            case 31: fraction == 0 ? .infinity : .nan
            default: Float(sign: .plus, exponent: exponent - 25, significand: fraction + 1024)
            }
        return bits & 0x8000 == 0 ? magnitude : -magnitude
    }

    /// Bytes or text in pieces, put together. Each piece of a text is a text.
    private mutating func pieces(of major: UInt8, _ memory: SideMemory?) throws(ItemFault) -> UnsafeRawBufferPointer {
        let start = place
        var total = 0
        while true {
            let first = try take(1).pointee
            if first == 0xFF { break }
            guard first >> 5 == major, first & 0x1F != 31 else {
                place -= 1
                throw .piece
            }
            total += major == 2 ? try bytes(try argument(first)).count : try text(try argument(first)).count
        }
        guard let room = memory?.room(for: total) else { return UnsafeRawBufferPointer(start: nil, count: 0) }
        var again = CBORCursor(start, end: end)
        var filled = 0
        while again.place.pointee != 0xFF {
            let first = try again.take(1).pointee
            let piece = try again.bytes(try again.argument(first))
            UnsafeMutableRawBufferPointer(rebasing: room[filled...]).copyMemory(from: piece)
            filled += piece.count
        }
        return UnsafeRawBufferPointer(room)
    }
}

// MARK: Tags

extension CBORCursor {
    /// What a value is by its tag. A tag on what it cannot be said of is passed over.
    private static func meant(_ value: Field, by tag: Tag, _ memory: SideMemory?) throws(ItemFault) -> Field {
        switch (tag, value.kind) {
        case (.seconds, .integer):
            return .instant(microseconds: Int64(bitPattern: value.first).microseconds(adding: 0))
        case (.seconds, .unsigned): return .instant(microseconds: .max)
        case (.seconds, .double): return moment(Double(bitPattern: value.first)) ?? value
        case (.seconds, .float):
            return moment(Double(Float(bitPattern: UInt32(truncatingIfNeeded: value.first)))) ?? value
        case (.big, .bytes): return big(value.bytes, isNegative: false, memory)
        case (.negativeBig, .bytes): return big(value.bytes, isNegative: true, memory)
        case (.uuid, .bytes): return value.bytes.count == 16 ? .uuid(value.bytes) : value
        case (.days, .integer): return .day(sinceUnixEpoch: Int64(bitPattern: value.first))
        default: return value
        }
    }

    /// Nil for what is no number of seconds.
    private static func moment(_ seconds: Double) -> Field? {
        guard !seconds.isNaN else { return nil }
        // Whole seconds and the rest by themselves: their product has more digits than a double.
        let whole = seconds.rounded(.down)
        guard let count = Int64(exactly: whole) else { return .instant(microseconds: seconds < 0 ? .min : .max) }
        let rest = Int64(((seconds - whole) * 1_000_000).rounded())
        return .instant(microseconds: count.microseconds(adding: rest))
    }

    /// An integer of any length, in two's complement.
    private static func big(_ magnitude: UnsafeRawBufferPointer, isNegative: Bool, _ memory: SideMemory?) -> Field {
        let significant = UnsafeRawBufferPointer(rebasing: magnitude.drop { $0 == 0 })
        guard let memory else { return Field(.decimal, 0, 0) }
        if !isNegative, significant.first.map({ $0 < 0x80 }) ?? false { return .decimal(significant, scale: 0) }
        let room = memory.room(for: significant.count + 1)
        room[0] = isNegative ? 0xFF : 0
        for place in 0..<significant.count {
            room[place + 1] = isNegative ? ~significant[place] : significant[place]
        }
        return .decimal(UnsafeRawBufferPointer(room), scale: 0)
    }

    /// A pair of an exponent of ten and an integer, whose list begins with this byte.
    private mutating func fraction(_ first: UInt8, _ memory: SideMemory?) throws(ItemFault) -> Field {
        let start = place - 1
        do throws(ItemFault) {
            return try pair(first, memory)
        } catch {
            guard error != .truncated else { throw error }
            place = start
            throw .fraction
        }
    }

    private mutating func pair(_ first: UInt8, _ memory: SideMemory?) throws(ItemFault) -> Field {
        guard case .list(let count) = try plain(first, nil), count == 2 || count == nil else { throw .fraction }
        let exponent = try integer(nil)
        let mantissa = try integer(memory)
        if count == nil {
            guard try take(1).pointee == 0xFF else { throw .fraction }
        }
        guard exponent.kind == .integer,
            let scale = Int32(exactly: 0 - Int64(bitPattern: exponent.first).clampedToHalf)
        else { throw .fraction }
        guard let memory else { return Field(.decimal, 0, 0) }
        switch mantissa.kind {
        case .integer: return .decimal(memory.bytes(of: Int64(bitPattern: mantissa.first)), scale: scale)
        case .unsigned:
            let room = memory.room(for: 9)
            room[0] = 0
            room.storeBytes(of: mantissa.first.bigEndian, toByteOffset: 1, as: UInt64.self)
            return .decimal(UnsafeRawBufferPointer(room), scale: scale)
        default:
            return Field(.decimal, mantissa.first, mantissa.second | UInt64(UInt32(bitPattern: scale)) << 32)
        }
    }

    /// An integer of any length: no other value, and nothing that has others in it, so that nothing here is as deep as a
    /// message likes.
    private mutating func integer(_ memory: SideMemory?) throws(ItemFault) -> Field {
        var first = try take(1).pointee
        var tag: Tag?
        while first >> 5 == 6 {
            tag = Tag(try argument(first)) ?? tag
            first = try take(1).pointee
        }
        guard first >> 5 <= 2, case .scalar(var value) = try plain(first, memory) else { throw .fraction }
        if let tag { value = try Self.meant(value, by: tag, memory) }
        switch value.kind {
        case .integer, .unsigned, .decimal: return value
        default: throw .fraction
        }
    }
}

extension Int64 {
    /// No further from zero than half of all, so that it can be negated.
    fileprivate var clampedToHalf: Int64 { Swift.max(.min / 2, Swift.min(.max / 2, self)) }
}
