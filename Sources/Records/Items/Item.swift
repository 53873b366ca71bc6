/// What stands at a place in a message of MessagePack or CBOR: formats of values that say themselves what they are, one in
/// the other.
enum Item {
    /// A value that is read to its end.
    case scalar(Field)
    /// The head of a list, and of a map, with so many elements or pairs behind it; nil: until a stop.
    case list(UInt64?)
    case map(UInt64?)
    /// What ends a list or map without a count.
    case stop
}

/// A place in a message, from which items are read. It never stands behind the message's end, and reads no further than
/// `padding` bytes behind that.
protocol ItemCursor {
    /// What the format is called in a dead letter.
    static var format: String { get }

    init(_ place: UnsafePointer<UInt8>, end: UnsafePointer<UInt8>)

    var place: UnsafePointer<UInt8> { get set }
    var end: UnsafePointer<UInt8> { get }

    /// Reads a value, or the head of one with others in it. All that is read is checked.
    ///
    /// - Parameter memory: for what does not lie in the message as a field has it; nil: nobody wants the value.
    mutating func item(_ memory: SideMemory?) throws(ItemFault) -> Item
}

extension ItemCursor {
    var left: Int {
        @inline(__always) get { end - place }
    }

    /// Passes over so many bytes.
    ///
    /// - Returns: where they begin.
    @inline(__always)
    mutating func take(_ count: Int) throws(ItemFault) -> UnsafePointer<UInt8> {
        guard count <= left else { throw .truncated }
        let start = place
        place += count
        return start
    }

    /// The same of a number that the message says.
    @inline(__always)
    mutating func bytes(_ count: UInt64) throws(ItemFault) -> UnsafeRawBufferPointer {
        guard count <= UInt64(left) else { throw .truncated }
        let count = Int(truncatingIfNeeded: count)
        return UnsafeRawBufferPointer(start: try take(count), count: count)
    }

    @inline(__always)
    mutating func text(_ count: UInt64) throws(ItemFault) -> UnsafeRawBufferPointer {
        let start = place
        let text = try bytes(count)
        guard UTF8Text.isValid(text) else {
            place = start + (UTF8Text.firstFault(in: text) ?? 0)
            throw .text
        }
        return text
    }

    /// A number with its highest byte first.
    @inline(__always)
    mutating func number<Number: FixedWidthInteger>(_ type: Number.Type) throws(ItemFault) -> Number {
        let start = UnsafeRawPointer(try take(MemoryLayout<Number>.size))
        return Number(bigEndian: start.loadUnaligned(as: Number.self))
    }

    /// A number of elements, each of which takes a byte at least.
    @inline(__always)
    func checked(_ count: UInt64, bytesEach: UInt64) throws(ItemFault) -> UInt64 {
        guard count <= UInt64(left) / bytesEach else { throw .truncated }
        return count
    }
}

/// What is wrong with the bytes of a message of items.
enum ItemFault: UInt8, Error, CaseIterable {
    case empty
    /// A value goes beyond the message, or there are fewer than were said.
    case truncated
    /// A byte that begins no value.
    case unassigned
    /// A stop where nothing is to be stopped.
    case stop
    /// A piece of a text or of bytes that is of another kind.
    case piece
    /// A moment with more nanoseconds than a second has, or of a length that none has.
    case moment
    /// A decimal fraction that is no pair of an exponent and an integer, or whose exponent is beyond all decimals.
    case fraction
    /// A simple value that has no meaning.
    case simple
    /// Something in place of a name that is none.
    case key
    case text, tooDeep
    /// Something behind the value.
    case trailing
    /// A value without fields, where fields are wanted.
    case noMap
}

extension DecodingFailure {
    init(_ fault: ItemFault, of format: String, offset: Int) {
        func refused(_ why: String) -> String { "is no \(format) (\(why))" }
        switch fault {
        case .empty: self.init(.empty, "is empty")
        case .truncated: self.init(.invalidSyntax, refused("it ends too early"), offset: offset)
        case .unassigned: self.init(.invalidSyntax, refused("a byte begins no value"), offset: offset)
        case .stop: self.init(.invalidSyntax, refused("a stop where nothing is to be stopped"), offset: offset)
        case .piece: self.init(.invalidSyntax, refused("a piece of a string is none"), offset: offset)
        case .moment: self.init(.invalidSyntax, refused("a timestamp is none"), offset: offset)
        case .fraction: self.init(.invalidSyntax, refused("a decimal fraction is none"), offset: offset)
        case .simple: self.init(.invalidSyntax, "has a simple value without a meaning", offset: offset)
        case .key:
            self.init(
                .invalidSyntax, "has a map with a name that is no text, number, truth value or bytes", offset: offset)
        case .text: self.init(.invalidUTF8, "is not valid UTF-8", offset: offset)
        case .tooDeep: self.init(.tooDeep, "is nested too deep", offset: offset)
        case .trailing: self.init(.invalidSyntax, refused("something stands behind it"), offset: offset)
        case .noMap: self.init(.notAnObject, "is \(format), but no map")
        }
    }
}
