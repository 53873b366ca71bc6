/// A place in a message of Avro, from which values are read.
///
/// It never stands behind the message's end, and reads no further than `padding` bytes behind that; what it takes lies
/// before it, or is a fault.
struct AvroCursor {
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

    /// Passes over so many bytes.
    ///
    /// - Returns: where they begin.
    @inline(__always)
    mutating func take(_ count: Int) throws(AvroFault) -> UnsafePointer<UInt8> {
        guard count <= left else { throw .truncated }
        let start = place
        place += count
        return start
    }

    /// - Parameter place: not behind the end, as where another cursor of the message stands.
    @inline(__always)
    mutating func move(to place: UnsafePointer<UInt8>) { self.place = place }

    // MARK: Numbers

    /// A number of seven bits a byte, the lowest first.
    @inline(__always)
    mutating func raw() throws(AvroFault) -> UInt64 {
        let byte = place[0]
        guard byte >= 0x80 else {
            guard left > 0 else { throw .truncated }
            place += 1
            return UInt64(byte)
        }
        let word = UInt64(littleEndian: UnsafeRawPointer(place).loadUnaligned(as: UInt64.self))
        let stops = Varint.stops(in: word)
        guard stops != 0 else { return try longRaw() }
        let count = Varint.length(stops)
        guard count <= left else { throw .truncated }
        place += count
        return Varint.value(of: word, upTo: stops)
    }

    /// A number of nine or ten bytes.
    @inline(never)
    private mutating func longRaw() throws(AvroFault) -> UInt64 {
        var value: UInt64 = 0
        for index in 0..<min(10, left) {
            let byte = place[index]
            // Of the tenth byte there is room for one bit.
            guard index < 9 || byte <= 1 else { throw .longNumber }
            value |= UInt64(byte & 0x7F) &<< UInt64(7 &* index)
            if byte < 0x80 {
                place += index + 1
                return value
            }
        }
        throw left < 10 ? .truncated : .longNumber
    }

    @inline(__always)
    mutating func long() throws(AvroFault) -> Int64 {
        let raw = try raw()
        return Int64(bitPattern: (raw &>> 1) ^ (0 &- (raw & 1)))
    }

    @inline(__always)
    mutating func int() throws(AvroFault) -> Int64 {
        let start = place
        let raw = try raw()
        guard raw <= UInt32.max else {
            place = start
            throw .wideInt
        }
        return Int64(bitPattern: (raw &>> 1) ^ (0 &- (raw & 1)))
    }

    /// An index below so many.
    @inline(__always)
    mutating func index(below count: UInt32, or fault: AvroFault) throws(AvroFault) -> Int {
        let start = place
        // A negative one is odd as it is written.
        let raw = try raw()
        guard raw & 1 == 0, raw &>> 1 < UInt64(count) else {
            place = start
            throw fault
        }
        return Int(truncatingIfNeeded: raw &>> 1)
    }

    @inline(__always)
    mutating func boolean() throws(AvroFault) -> Bool {
        guard left > 0 else { throw .truncated }
        let byte = place[0]
        guard byte <= 1 else { throw .boolean }
        place += 1
        return byte == 1
    }

    @inline(__always)
    mutating func float() throws(AvroFault) -> Float {
        Float(bitPattern: UInt32(littleEndian: UnsafeRawPointer(try take(4)).loadUnaligned(as: UInt32.self)))
    }

    @inline(__always)
    mutating func double() throws(AvroFault) -> Double {
        Double(bitPattern: UInt64(littleEndian: UnsafeRawPointer(try take(8)).loadUnaligned(as: UInt64.self)))
    }

    // MARK: Bytes

    @inline(__always)
    mutating func bytes() throws(AvroFault) -> UnsafeRawBufferPointer {
        let start = place
        let raw = try raw()
        guard raw & 1 == 0 else {
            place = start
            throw .negativeLength
        }
        let count = raw &>> 1
        guard count <= UInt64(left) else {
            place = start
            throw .truncated
        }
        return UnsafeRawBufferPointer(
            start: try take(Int(truncatingIfNeeded: count)), count: Int(truncatingIfNeeded: count))
    }

    @inline(__always)
    mutating func string() throws(AvroFault) -> UnsafeRawBufferPointer {
        let start = place
        let text = try bytes()
        guard UTF8Text.isValid(text) else {
            place = start
            throw .text
        }
        return text
    }

    @inline(__always)
    mutating func fixed(_ count: Int) throws(AvroFault) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: try take(count), count: count)
    }

    // MARK: Lists and maps

    /// The beginning of a block: how many elements it has, none at the end, and where it ends, if it says so.
    @inline(__always)
    mutating func block() throws(AvroFault) -> (count: UInt64, end: UnsafePointer<UInt8>?) {
        let count = try long()
        if count >= 0 { return (UInt64(count), nil) }
        let start = place
        let size = try long()
        guard size >= 0 else {
            place = start
            throw .negativeLength
        }
        guard size <= left else {
            place = start
            throw .truncated
        }
        return (count.magnitude, place + Int(size))
    }

    /// - Parameter end: as the block's beginning has said it.
    @inline(__always)
    func endBlock(_ end: UnsafePointer<UInt8>?) throws(AvroFault) {
        guard let end else { return }
        guard place == end else { throw .blockLength }
    }
}
