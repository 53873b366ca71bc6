#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Bytes on their way to `COPY … FROM STDIN`, in a buffer that grows and is used again, so a row allocates nothing.
///
/// Integers are appended in network byte order, as PostgreSQL's binary formats want them.
public struct CopyBuffer: ~Copyable {
    @usableFromInline var base: UnsafeMutableRawPointer
    public private(set) var capacity: Int
    public internal(set) var count: Int

    public init(capacity: Int = 4096) {
        self.capacity = max(capacity, 64)
        base = Self.allocate(self.capacity)
        count = 0
    }

    deinit { free(base) }

    /// A batch that has no room cannot be loaded, and no message may be skipped: there is nothing left to do.
    private static func allocate(_ size: Int) -> UnsafeMutableRawPointer {
        guard let block = malloc(size) else { fatalError("out of memory for \(size) bytes") }
        return block
    }

    public var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: base, count: count) }

    /// Makes room for `size` more bytes and returns where they go; `advance(by:)` then counts those written.
    @inlinable @inline(__always)
    public mutating func reserve(_ size: Int) -> UnsafeMutableRawPointer {
        if count &+ size > capacity { grow(by: size) }
        return base + count
    }

    @inlinable @inline(__always)
    public mutating func advance(by size: Int) { _advance(size) }

    @usableFromInline @inline(__always)
    mutating func _advance(_ size: Int) { count &+= size }

    @usableFromInline @inline(never)
    mutating func grow(by size: Int) {
        let wanted = max(capacity + capacity / 2, count + size)
        // Not allocate and copy: the system moves a large block's pages, and none is resident twice or before its use.
        guard let larger = realloc(base, wanted) else { fatalError("out of memory for \(wanted) bytes") }
        base = larger
        capacity = wanted
    }

    @inlinable @inline(__always)
    public mutating func append(_ value: Int16) {
        reserve(2).storeBytes(of: value.bigEndian, as: Int16.self)
        _advance(2)
    }

    @inlinable @inline(__always)
    public mutating func append(_ value: Int32) {
        reserve(4).storeBytes(of: value.bigEndian, as: Int32.self)
        _advance(4)
    }

    @inlinable @inline(__always)
    public mutating func append(_ value: Int64) {
        reserve(8).storeBytes(of: value.bigEndian, as: Int64.self)
        _advance(8)
    }

    @inlinable @inline(__always)
    public mutating func append(byte: UInt8) {
        reserve(1).storeBytes(of: byte, as: UInt8.self)
        _advance(1)
    }

    @inlinable @inline(__always)
    public mutating func append(_ bytes: UnsafeRawBufferPointer) {
        guard let start = bytes.baseAddress, bytes.count > 0 else { return }
        reserve(bytes.count).copyMemory(from: start, byteCount: bytes.count)
        _advance(bytes.count)
    }

    /// Overwrites four bytes already written, for a length that is known only afterwards.
    @inlinable @inline(__always)
    public mutating func patch(_ value: Int32, at offset: Int) {
        (base + offset).storeBytes(of: value.bigEndian, as: Int32.self)
    }

    /// Takes back everything after `count` bytes: how a half-written row is undone.
    public mutating func truncate(to count: Int) {
        precondition(count <= self.count, "truncate cannot grow the buffer")
        self.count = count
    }

    /// Empties the buffer; memory beyond `limit` bytes goes back to the system.
    public mutating func removeAll(keepingAtMost limit: Int = .max) {
        count = 0
        if capacity > limit {
            free(base)
            capacity = max(limit, 64)
            base = Self.allocate(capacity)
        }
    }
}
