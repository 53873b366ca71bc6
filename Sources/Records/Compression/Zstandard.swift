import CZstd

/// A context of libzstd's (RFC 8878), used again for each value.
final class Zstandard {
    enum Outcome {
        case count(Int)
        /// There is more than there was room for.
        case full
        case damaged
    }

    private let context: OpaquePointer

    /// Nil where there is no memory for it.
    init?() {
        guard let context = ZSTD_createDCtx() else { return nil }
        self.context = context
    }

    deinit {
        ZSTD_freeDCtx(context)
    }

    /// What the first frame says that it holds; nil where it says nothing.
    func size(of bytes: UnsafeRawBufferPointer) -> UInt64? {
        let size = ZSTD_getFrameContentSize(bytes.baseAddress, bytes.count)
        // The last two numbers stand for one that is not said, and for no frame at all.
        return size >= UInt64.max - 1 ? nil : size
    }

    /// All frames, one behind the other.
    func decompress(_ bytes: UnsafeRawBufferPointer, into room: UnsafeMutableRawBufferPointer) -> Outcome {
        let result = ZSTD_decompressDCtx(context, room.baseAddress, room.count, bytes.baseAddress, bytes.count)
        if ZSTD_isError(result) == 0 { return .count(result) }
        return ZSTD_getErrorCode(result) == ZSTD_error_dstSize_tooSmall ? .full : .damaged
    }
}
