/// Takes the compression from values that their producer has compressed.
///
/// What comes out is bounded, so that a message of a few bytes cannot fill the memory. Its room is used again: nothing is
/// allocated for a message once there was one as large, up to what is kept. Belongs to one thread.
public final class Decompressor {
    /// Bytes that a value may become.
    public static let limit = 64 << 20
    /// Room beyond this is given back behind a message.
    private static let mostKept = 8 << 20

    private let limit: Int
    // Two, for what was compressed twice.
    private var rooms: [UnsafeMutableRawBufferPointer] = [.init(start: nil, count: 0), .init(start: nil, count: 0)]
    private var inflater: Inflater?
    private lazy var zstd = Zstandard()
    private var encodings: [ContentEncoding] = []

    /// - Parameter limit: bytes that a value may become.
    public init(limit: Int = Decompressor.limit) {
        self.limit = limit
    }

    deinit {
        for room in rooms { room.deallocate() }
    }

    /// Begins another message: nothing is known of its compression.
    public func reset() { encodings.removeAll(keepingCapacity: true) }

    /// Takes in a header `content-encoding`, of several in their order.
    public func add(_ header: UnsafeRawBufferPointer) throws(DecodingFailure) {
        try ContentEncoding.add(header, to: &encodings)
    }

    /// - Parameter padding: how many bytes behind the result can be read.
    /// - Returns: the value as it was before its producer compressed it, valid until the next call; nil where nobody did.
    public func value(
        of bytes: UnsafeRawBufferPointer, padding: Int
    ) throws(DecodingFailure) -> UnsafeRawBufferPointer? {
        guard !encodings.isEmpty else { return nil }
        var value = bytes
        for step in encodings.indices {
            value = try decompress(value, encodings[encodings.count - 1 - step], into: step & 1, padding)
        }
        return value
    }

    /// zlib's own format (RFC 1950), as AWS Glue has its messages compressed.
    public func inflate(
        _ bytes: UnsafeRawBufferPointer, padding: Int
    ) throws(DecodingFailure) -> UnsafeRawBufferPointer {
        try decompress(bytes, .deflate, into: 0, padding)
    }

    private func decompress(
        _ bytes: UnsafeRawBufferPointer, _ encoding: ContentEncoding, into place: Int, _ padding: Int
    ) throws(DecodingFailure) -> UnsafeRawBufferPointer {
        if rooms[place].count > Self.mostKept { resize(place, to: Self.mostKept, keeping: 0) }
        let count =
            switch encoding {
            case .zstd: try unzstd(bytes, into: place, padding)
            case .gzip: try inflate(bytes, .gzip, into: place, padding)
            // Some write the bare stream where zlib's format is meant (RFC 9110, 8.4.1.2).
            case .deflate: try inflate(bytes, Inflater.isZlib(bytes) ? .zlib : .bare, into: place, padding)
            }
        return UnsafeRawBufferPointer(rebasing: rooms[place][..<count])
    }

    private func resize(_ place: Int, to count: Int, keeping used: Int) {
        let room = UnsafeMutableRawBufferPointer.allocate(byteCount: count, alignment: 16)
        if used > 0 { room.copyMemory(from: UnsafeRawBufferPointer(rebasing: rooms[place][..<used])) }
        rooms[place].deallocate()
        rooms[place] = room
    }

    /// More room, or a message that is too large.
    private func grow(_ place: Int, used: Int, _ padding: Int) throws(DecodingFailure) {
        guard rooms[place].count < limit + 1 + padding else {
            throw DecodingFailure(.invalidSyntax, "is more than \(limit >> 20) MiB without its compression")
        }
        // One byte more than the limit shows that there is more.
        resize(place, to: min(limit + 1 + padding, max(64 << 10, rooms[place].count * 2)), keeping: used)
    }

    private func inflate(
        _ bytes: UnsafeRawBufferPointer, _ form: Inflater.Form, into place: Int, _ padding: Int
    ) throws(DecodingFailure) -> Int {
        let inflater = inflater ?? Inflater()
        self.inflater = inflater
        guard inflater.begin(form, bytes) else { throw DecodingFailure(.invalidSyntax, "cannot be decompressed here") }
        var used = 0
        while true {
            if rooms[place].count - used - padding <= 0 { try grow(place, used: used, padding) }
            let target = UnsafeMutableRawBufferPointer(rebasing: rooms[place][used..<rooms[place].count - padding])
            let (written, state) = inflater.step(into: target)
            used += written
            switch state {
            case .ended where used <= limit: return used
            case .ended, .full: continue
            case .short:
                throw DecodingFailure(
                    .invalidSyntax, "is no \(form.name), as its header content-encoding says (it ends too early)")
            case .damaged:
                throw DecodingFailure(
                    .invalidSyntax, "is no \(form.name), as its header content-encoding says", offset: inflater.consumed
                )
            }
        }
    }

    private func unzstd(
        _ bytes: UnsafeRawBufferPointer, into place: Int, _ padding: Int
    ) throws(DecodingFailure) -> Int {
        guard let zstd else {
            throw DecodingFailure(.invalidSyntax, "cannot be decompressed here")
        }
        if let size = zstd.size(of: bytes), size <= UInt64(limit), rooms[place].count < Int(size) + padding {
            resize(place, to: Int(size) + padding, keeping: 0)
        }
        while true {
            if rooms[place].count <= padding { try grow(place, used: 0, padding) }
            let target = UnsafeMutableRawBufferPointer(rebasing: rooms[place][..<(rooms[place].count - padding)])
            switch zstd.decompress(bytes, into: target) {
            case .count(let count) where count <= limit: return count
            case .count, .full: try grow(place, used: 0, padding)
            case .damaged:
                throw DecodingFailure(.invalidSyntax, "is no zstd, as its header content-encoding says")
            }
        }
    }
}
