import CZlib

/// A stream of zlib's, used again for each value.
final class Inflater {
    enum Form {
        /// RFC 1952, one member or several; RFC 1950; RFC 1951.
        case gzip, zlib, bare

        var name: String { self == .gzip ? "gzip" : "deflate" }

        /// How zlib is told the form: by the bits of the window and what is added to them.
        fileprivate var bits: Int32 {
            switch self {
            case .gzip: 15 + 16
            case .zlib: 15
            case .bare: -15
            }
        }
    }

    enum State {
        /// There is more than there was room for.
        case full
        case ended
        /// The bytes end before the stream does.
        case short
        case damaged
    }

    private var stream = z_stream()
    private var isMade = false
    private var form = Form.zlib
    private var size = 0

    deinit {
        if isMade { inflateEnd(&stream) }
    }

    /// The two bytes that zlib's own format begins with: a method, a window and a check over both.
    static func isZlib(_ bytes: UnsafeRawBufferPointer) -> Bool {
        guard bytes.count >= 2 else { return false }
        return bytes[0] & 0x0F == 8 && bytes[0] >> 4 <= 7 && (UInt16(bytes[0]) << 8 | UInt16(bytes[1])) % 31 == 0
    }

    /// - Returns: false where zlib has no memory.
    func begin(_ form: Form, _ bytes: UnsafeRawBufferPointer) -> Bool {
        // zlib takes pointers that may be written through, and does not write.
        stream.next_in = UnsafeMutablePointer(
            mutating: bytes.baseAddress?.assumingMemoryBound(to: UInt8.self))
        stream.avail_in = UInt32(clamping: bytes.count)
        (self.form, size) = (form, bytes.count)
        let result =
            isMade
            ? inflateReset2(&stream, form.bits)
            : inflateInit2_(&stream, form.bits, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size))
        isMade = isMade || result == Z_OK
        return result == Z_OK
    }

    /// How many bytes were read.
    var consumed: Int { size - Int(stream.avail_in) }

    /// Fills some room.
    func step(into room: UnsafeMutableRawBufferPointer) -> (written: Int, State) {
        stream.next_out = room.baseAddress?.assumingMemoryBound(to: UInt8.self)
        stream.avail_out = UInt32(clamping: room.count)
        let start = stream.avail_out
        while true {
            let result = CZlib.inflate(&stream, Z_NO_FLUSH)
            let written = Int(start - stream.avail_out)
            switch result {
            case Z_STREAM_END where stream.avail_in == 0: return (written, .ended)
            case Z_STREAM_END where form == .gzip:
                // Another member, as `cat a.gz b.gz` makes them.
                guard inflateReset2(&stream, form.bits) == Z_OK else { return (written, .damaged) }
            case Z_OK where stream.avail_out == 0, Z_BUF_ERROR where stream.avail_out == 0: return (written, .full)
            case Z_OK where stream.avail_in > 0: continue
            case Z_OK, Z_BUF_ERROR: return (written, .short)
            default: return (written, .damaged)
            }
        }
    }
}
