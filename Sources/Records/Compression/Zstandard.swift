#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// The library that decompresses zstd (RFC 8878). librdkafka brings it along for the batches of Kafka, so that it is found where the
/// loader runs; nothing is linked to it, and nobody needs its headers.
final class Zstandard {
    private typealias Create = @convention(c) () -> OpaquePointer?
    private typealias Free = @convention(c) (OpaquePointer?) -> Int
    private typealias Decompress =
        @convention(c) (OpaquePointer?, UnsafeMutableRawPointer?, Int, UnsafeRawPointer?, Int) -> Int
    private typealias IsError = @convention(c) (Int) -> UInt32
    private typealias ErrorCode = @convention(c) (Int) -> Int32
    private typealias Size = @convention(c) (UnsafeRawPointer?, Int) -> UInt64

    /// The functions of version 1, whose interface does not change any more. `ZSTD_getErrorCode` is of 1.1.3.
    private struct Library {
        var create: Create
        var free: Free
        var decompress: Decompress
        var isError: IsError
        var errorCode: ErrorCode
        var size: Size

        init?() {
            let names = [
                "libzstd.so.1", "libzstd.1.dylib", "/opt/homebrew/lib/libzstd.1.dylib",
                "/usr/local/lib/libzstd.1.dylib",
            ]
            guard let handle = names.lazy.compactMap({ dlopen($0, RTLD_NOW | RTLD_LOCAL) }).first,
                let create = dlsym(handle, "ZSTD_createDCtx"), let free = dlsym(handle, "ZSTD_freeDCtx"),
                let decompress = dlsym(handle, "ZSTD_decompressDCtx"), let isError = dlsym(handle, "ZSTD_isError"),
                let errorCode = dlsym(handle, "ZSTD_getErrorCode"), let size = dlsym(handle, "ZSTD_getFrameContentSize")
            else { return nil }
            self.create = unsafeBitCast(create, to: Create.self)
            self.free = unsafeBitCast(free, to: Free.self)
            self.decompress = unsafeBitCast(decompress, to: Decompress.self)
            self.isError = unsafeBitCast(isError, to: IsError.self)
            self.errorCode = unsafeBitCast(errorCode, to: ErrorCode.self)
            self.size = unsafeBitCast(size, to: Size.self)
        }
    }

    enum Outcome {
        case count(Int)
        /// There is more than there was room for.
        case full
        case damaged
    }

    private static let library = Library()
    /// `ZSTD_error_dstSize_tooSmall`.
    private static let tooSmall: Int32 = 70

    private let library: Library
    private let context: OpaquePointer

    /// Nil where the library is not there.
    init?() {
        guard let library = Self.library, let context = library.create() else { return nil }
        (self.library, self.context) = (library, context)
    }

    deinit {
        _ = library.free(context)
    }

    /// What the first frame says that it holds; nil where it says nothing.
    func size(of bytes: UnsafeRawBufferPointer) -> UInt64? {
        let size = library.size(bytes.baseAddress, bytes.count)
        // Unknown, and no frame at all.
        return size >= UInt64.max - 1 ? nil : size
    }

    /// All frames, one behind the other.
    func decompress(_ bytes: UnsafeRawBufferPointer, into room: UnsafeMutableRawBufferPointer) -> Outcome {
        let result = library.decompress(context, room.baseAddress, room.count, bytes.baseAddress, bytes.count)
        if library.isError(result) == 0 { return .count(result) }
        return library.errorCode(result) == Self.tooSmall ? .full : .damaged
    }
}
