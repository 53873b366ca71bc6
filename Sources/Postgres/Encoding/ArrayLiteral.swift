/// PostgreSQL's own text of an array, `{a,"b c",NULL}`, taken apart for the types that the loader reads itself, so that
/// such a text means the same in binary and in text COPY.
///
/// As `array_in` reads it, but for explicit bounds, `[0:1]={…}`.
struct ArrayLiteral {
    /// As in `ArrayShape`: none for an empty array.
    private(set) var lengths: [Int] = []
    /// The elements in a row, the last dimension's index running fastest; nil for NULL.
    private(set) var elements: [Range<Int>?] = []
    /// What the elements' ranges lie in: their texts without quotes and escapes.
    private(set) var text: [UInt8] = []

    private static let greatestDepth = 6

    init(_ bytes: UnsafeRawBufferPointer, delimiter: UInt8) throws(EncodingFailure) {
        text.reserveCapacity(bytes.count)
        var reader = Reader(bytes: bytes, delimiter: delimiter)
        guard reader.read(into: &self) else { throw EncodingFailure(.badSyntax, found: .string) }
    }

    /// Words with commas between them.
    init(words bytes: UnsafeRawBufferPointer) {
        text = Array(bytes)
        var start = 0
        for end in 0...bytes.count where !bytes.isEmpty && (end == bytes.count || bytes[end] == UInt8(ascii: ",")) {
            elements.append(start..<end)
            start = end + 1
        }
        lengths = elements.isEmpty ? [] : [elements.count]
    }

    /// How many arrays begin with the element at `index`, and so how many end before it.
    func arrays(beginningAt index: Int) -> Int {
        var count = 0
        var size = 1
        for length in lengths.reversed() {
            size *= length
            guard index % size == 0 else { break }
            count += 1
        }
        return count
    }

    /// Hands over an element as the string it is, or null.
    func withElement(
        _ index: Int, _ body: (InputValue) throws(EncodingFailure) -> Void
    ) throws(EncodingFailure) {
        guard let range = elements[index] else { return try body(InputValue(.null)) }
        // A typed error cannot be thrown through, so the failure is carried out by hand.
        let failure = text.withUnsafeBytes { bytes -> EncodingFailure? in
            do throws(EncodingFailure) {
                try body(InputValue(.string, UnsafeRawBufferPointer(rebasing: bytes[range])))
            } catch {
                return error
            }
            return nil
        }
        if let failure { throw failure }
    }

    private struct Reader {
        let bytes: UnsafeRawBufferPointer
        let delimiter: UInt8
        var index = 0
        /// Of the open arrays, the outermost first: what they have, and whether that is arrays.
        var counts: [Int] = []
        var holdsArrays: [Bool] = []
        var known: [Int] = []
        var depthOfElements: Int?

        private var current: UInt8? { index < bytes.count ? bytes[index] : nil }

        private static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || (0x09...0x0D).contains(byte) }

        private mutating func skipSpace() {
            while let byte = current, Self.isSpace(byte) { index += 1 }
        }

        mutating func read(into literal: inout ArrayLiteral) -> Bool {
            skipSpace()
            guard open() else { return false }
            while !counts.isEmpty {
                skipSpace()
                if current == UInt8(ascii: "}"), counts.last == 0 {
                    guard close() else { return false }
                } else if current == UInt8(ascii: "{") {
                    guard open() else { return false }
                    continue
                } else {
                    guard depthOfElements == nil || depthOfElements == counts.count, holdsArrays.last == false,
                        let element = element(into: &literal.text)
                    else { return false }
                    depthOfElements = counts.count
                    literal.elements.append(element)
                    counts[counts.count - 1] += 1
                }
                guard closeAndSeparate() else { return false }
            }
            skipSpace()
            // An array of nothing but empty arrays is empty.
            literal.lengths = literal.elements.isEmpty ? [] : known
            return index == bytes.count
        }

        /// Behind an element or an array: what ends here, and the delimiter before what follows.
        private mutating func closeAndSeparate() -> Bool {
            while !counts.isEmpty {
                skipSpace()
                if current == UInt8(ascii: "}") {
                    guard close() else { return false }
                } else {
                    guard current == delimiter else { return false }
                    index += 1
                    skipSpace()
                    // Nothing but a value may follow.
                    return current != UInt8(ascii: "}")
                }
            }
            return true
        }

        private mutating func open() -> Bool {
            guard current == UInt8(ascii: "{"), counts.count < ArrayLiteral.greatestDepth,
                depthOfElements != counts.count || counts.isEmpty
            else { return false }
            index += 1
            if let last = counts.indices.last {
                counts[last] += 1
                holdsArrays[last] = true
            }
            counts.append(0)
            holdsArrays.append(false)
            return true
        }

        private mutating func close() -> Bool {
            index += 1
            let depth = counts.count - 1
            let count = counts.removeLast()
            holdsArrays.removeLast()
            while known.count <= depth { known.append(-1) }
            guard known[depth] == -1 || known[depth] == count else { return false }
            known[depth] = count
            return true
        }

        /// An element's text; `.some(nil)` for NULL, nil if there is none here.
        private mutating func element(into text: inout [UInt8]) -> Range<Int>?? {
            let start = text.count
            if current == UInt8(ascii: "\"") {
                index += 1
                while let byte = current, byte != UInt8(ascii: "\"") {
                    if byte == UInt8(ascii: "\\") { index += 1 }
                    guard let byte = current else { return nil }
                    text.append(byte)
                    index += 1
                }
                guard current != nil else { return nil }
                index += 1
                return .some(start..<text.count)
            }
            var end = start
            var isEscaped = false
            while let byte = current, byte != delimiter, byte != UInt8(ascii: "}") {
                if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "{") { return nil }
                let escapes = byte == UInt8(ascii: "\\")
                if escapes {
                    index += 1
                    isEscaped = true
                }
                guard let byte = current else { return nil }
                text.append(byte)
                index += 1
                if escapes || !Self.isSpace(byte) { end = text.count }
            }
            text.removeSubrange(end...)
            guard end > start else { return nil }
            let isNull = !isEscaped && text[start...].withUnsafeBytes { $0.equalsIgnoringCase("null") }
            if isNull { text.removeSubrange(start...) }
            return .some(isNull ? nil : start..<end)
        }
    }
}

extension ColumnForm {
    /// What a string for an array has: as PostgreSQL writes it, or else, of a producer that has sets (MySQL's), words.
    func literal(_ bytes: UnsafeRawBufferPointer) throws(EncodingFailure) -> ArrayLiteral {
        guard takesSets, bytes.trimmingWhitespace().first != UInt8(ascii: "{") else {
            return try ArrayLiteral(bytes, delimiter: delimiter)
        }
        return ArrayLiteral(words: bytes)
    }

    /// What the text of a literal's element is: for json the document.
    func elementOfLiteral(
        _ element: InputValue, _ containers: any ContainerReader
    ) throws(EncodingFailure) -> InputValue {
        guard element.kind == .string, parts[0].kind == .json || parts[0].kind == .jsonb else { return element }
        return try containers.document(element.bytes)
    }
}
