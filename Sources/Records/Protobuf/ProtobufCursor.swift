/// A place in a message of Protobuf, from which values are read.
///
/// It never stands behind the end of what holds it, and reads no further than `padding` bytes behind the message's; what it
/// takes lies before its end, or is a fault.
struct ProtobufCursor {
    /// Eight bytes at once may be read at any place up to the end.
    static let padding = 16

    private(set) var place: UnsafePointer<UInt8>
    let end: UnsafePointer<UInt8>

    @inline(__always)
    init(_ place: UnsafePointer<UInt8>, end: UnsafePointer<UInt8>) {
        self.place = place
        self.end = end
    }

    var left: Int {
        @inline(__always) get { end - place }
    }

    @inline(__always)
    mutating func take(_ count: Int) throws(ProtobufFault) -> UnsafePointer<UInt8> {
        guard count <= left else { throw .truncated }
        let start = place
        place += count
        return start
    }

    /// - Parameter place: not behind the end, as where another cursor stands.
    @inline(__always)
    mutating func move(to place: UnsafePointer<UInt8>) { self.place = place }

    /// A number of seven bits a byte, the lowest first; what is beyond 64 bits is cut off.
    @inline(__always)
    mutating func varint() throws(ProtobufFault) -> UInt64 {
        let byte = place[0]
        guard byte >= 0x80 else {
            guard left > 0 else { throw .truncated }
            place += 1
            return UInt64(byte)
        }
        let word = UInt64(littleEndian: UnsafeRawPointer(place).loadUnaligned(as: UInt64.self))
        let stops = Varint.stops(in: word)
        guard stops != 0 else { return try longVarint() }
        let count = Varint.length(stops)
        guard count <= left else { throw .truncated }
        place += count
        return Varint.value(of: word, upTo: stops)
    }

    /// Of nine or ten bytes, as all negative numbers are.
    @inline(never)
    private mutating func longVarint() throws(ProtobufFault) -> UInt64 {
        var value: UInt64 = 0
        for index in 0..<min(10, left) {
            let byte = place[index]
            value |= UInt64(byte & 0x7F) << UInt64(7 &* index)
            if byte < 0x80 {
                place += index + 1
                return value
            }
        }
        throw left < 10 ? .truncated : .longNumber
    }

    @inline(__always)
    mutating func fixed32() throws(ProtobufFault) -> UInt32 {
        UInt32(littleEndian: UnsafeRawPointer(try take(4)).loadUnaligned(as: UInt32.self))
    }

    @inline(__always)
    mutating func fixed64() throws(ProtobufFault) -> UInt64 {
        UInt64(littleEndian: UnsafeRawPointer(try take(8)).loadUnaligned(as: UInt64.self))
    }

    /// What stands behind its length.
    @inline(__always)
    mutating func bytes() throws(ProtobufFault) -> UnsafeRawBufferPointer {
        let start = place
        let count = try varint()
        guard count <= UInt64(left) else {
            place = start
            throw .truncated
        }
        return UnsafeRawBufferPointer(
            start: try take(Int(truncatingIfNeeded: count)), count: Int(truncatingIfNeeded: count))
    }

    @inline(__always)
    mutating func string() throws(ProtobufFault) -> UnsafeRawBufferPointer {
        let start = place
        let text = try bytes()
        guard UTF8Text.isValid(text) else {
            place = start
            throw .text
        }
        return text
    }

    /// Passes over a value whose field nobody knows.
    ///
    /// - Parameters:
    ///   - tag: of the value, whose tag has been read.
    ///   - depth: messages and groups around it.
    @inline(never)
    mutating func skip(_ tag: UInt32, depth: Int) throws(ProtobufFault) {
        switch tag & 7 {
        case 0: _ = try varint()
        case 1: _ = try take(8)
        case 2: _ = try bytes()
        case 5: _ = try take(4)
        case 3:
            guard depth < ProtobufPlan.deepest else { throw .tooDeep }
            while true {
                let inner = try self.tag()
                if inner & 7 == 4 {
                    guard inner >> 3 == tag >> 3 else { throw .group }
                    return
                }
                try skip(inner, depth: depth + 1)
            }
        case 4: throw .group
        default: throw .wireType
        }
    }

    /// The number of a field, and how its value lies behind it.
    @inline(__always)
    mutating func tag() throws(ProtobufFault) -> UInt32 {
        let start = place
        let tag = try varint()
        guard tag <= UInt64(UInt32.max), tag >= 8 else {
            place = start
            throw .tag
        }
        return UInt32(truncatingIfNeeded: tag)
    }
}
