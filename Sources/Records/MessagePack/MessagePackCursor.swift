/// Reads the items of MessagePack (github.com/msgpack/msgpack, spec.md).
struct MessagePackCursor: ItemCursor {
    static var format: String { "MessagePack" }

    var place: UnsafePointer<UInt8>
    let end: UnsafePointer<UInt8>

    init(_ place: UnsafePointer<UInt8>, end: UnsafePointer<UInt8>) {
        (self.place, self.end) = (place, end)
    }

    @inline(__always)
    mutating func item(_ memory: SideMemory?) throws(ItemFault) -> Item {
        let first = try take(1).pointee
        switch first {
        case 0x00...0x7F: return .scalar(.integer(Int64(first)))
        case 0x80...0x8F: return .map(try checked(UInt64(first & 0x0F), bytesEach: 2))
        case 0x90...0x9F: return .list(try checked(UInt64(first & 0x0F), bytesEach: 1))
        case 0xA0...0xBF: return .scalar(Field(.string, try text(UInt64(first & 0x1F))))
        case 0xE0...0xFF: return .scalar(.integer(Int64(Int8(bitPattern: first))))
        default: return try longItem(first)
        }
    }

    private mutating func longItem(_ first: UInt8) throws(ItemFault) -> Item {
        switch first {
        case 0xC0: return .scalar(Field(.null))
        case 0xC2: return .scalar(Field(.false))
        case 0xC3: return .scalar(Field(.true))
        case 0xC4: return .scalar(Field(.bytes, try bytes(UInt64(try number(UInt8.self)))))
        case 0xC5: return .scalar(Field(.bytes, try bytes(UInt64(try number(UInt16.self)))))
        case 0xC6: return .scalar(Field(.bytes, try bytes(UInt64(try number(UInt32.self)))))
        case 0xC7: return try extended(UInt64(try number(UInt8.self)))
        case 0xC8: return try extended(UInt64(try number(UInt16.self)))
        case 0xC9: return try extended(UInt64(try number(UInt32.self)))
        case 0xCA: return .scalar(.float(Float(bitPattern: try number(UInt32.self))))
        case 0xCB: return .scalar(.double(Double(bitPattern: try number(UInt64.self))))
        case 0xCC: return .scalar(.integer(Int64(try number(UInt8.self))))
        case 0xCD: return .scalar(.integer(Int64(try number(UInt16.self))))
        case 0xCE: return .scalar(.integer(Int64(try number(UInt32.self))))
        case 0xCF:
            let number = try number(UInt64.self)
            return .scalar(Int64(exactly: number).map { .integer($0) } ?? .unsigned(number))
        case 0xD0: return .scalar(.integer(Int64(try number(Int8.self))))
        case 0xD1: return .scalar(.integer(Int64(try number(Int16.self))))
        case 0xD2: return .scalar(.integer(Int64(try number(Int32.self))))
        case 0xD3: return .scalar(.integer(try number(Int64.self)))
        case 0xD4...0xD8: return try extended(1 << UInt64(first - 0xD4))
        case 0xD9: return .scalar(Field(.string, try text(UInt64(try number(UInt8.self)))))
        case 0xDA: return .scalar(Field(.string, try text(UInt64(try number(UInt16.self)))))
        case 0xDB: return .scalar(Field(.string, try text(UInt64(try number(UInt32.self)))))
        case 0xDC: return .list(try checked(UInt64(try number(UInt16.self)), bytesEach: 1))
        case 0xDD: return .list(try checked(UInt64(try number(UInt32.self)), bytesEach: 1))
        case 0xDE: return .map(try checked(UInt64(try number(UInt16.self)), bytesEach: 2))
        case 0xDF: return .map(try checked(UInt64(try number(UInt32.self)), bytesEach: 2))
        default:
            place -= 1
            throw .unassigned
        }
    }

    /// Bytes with a type of the application's, or the one that the format itself has: a moment.
    private mutating func extended(_ count: UInt64) throws(ItemFault) -> Item {
        let type = try number(Int8.self)
        let start = place
        let bytes = try bytes(count)
        guard type == -1 else { return .scalar(Field(.bytes, bytes)) }
        var inside = MessagePackCursor(start, end: place)
        let (seconds, nanoseconds): (Int64, UInt32)
        switch count {
        case 4: (seconds, nanoseconds) = (Int64(try inside.number(UInt32.self)), 0)
        case 8:
            let both = try inside.number(UInt64.self)
            (seconds, nanoseconds) = (Int64(both & 0x3_FFFF_FFFF), UInt32(both >> 34))
        case 12:
            nanoseconds = try inside.number(UInt32.self)
            seconds = try inside.number(Int64.self)
        default:
            place = start
            throw .moment
        }
        guard nanoseconds < 1_000_000_000 else {
            place = start
            throw .moment
        }
        return .scalar(.instant(microseconds: seconds.microseconds(adding: Int64(nanoseconds / 1000))))
    }
}

extension Int64 {
    /// Microseconds of so many seconds and some microseconds more, an extreme where they are beyond.
    func microseconds(adding more: Int64) -> Int64 {
        let (product, isBeyond) = multipliedReportingOverflow(by: 1_000_000)
        guard !isBeyond else { return self < 0 ? .min : .max }
        let (sum, overflow) = product.addingReportingOverflow(more)
        return overflow ? .max : sum
    }
}
