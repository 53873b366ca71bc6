/// Memory for what a decoder puts together of a message, which is forgotten with it. What was allocated for one message serves
/// the next.
final class ProtobufArena {
    private static let size = 4096
    private var blocks: [UnsafeMutableRawBufferPointer] = []
    private var block = 0
    private var place = 0

    deinit {
        for block in blocks { block.deallocate() }
    }

    @inline(__always)
    func reset() {
        guard place > 0 || block > 0 else { return }
        (block, place) = (0, 0)
        // One that a large message has left behind is not kept for the small ones.
        while let last = blocks.last, last.count > Self.size { blocks.removeLast().deallocate() }
    }

    func take(_ count: Int) -> UnsafeMutablePointer<UInt8> {
        while block < blocks.count, place + count > blocks[block].count { (block, place) = (block + 1, 0) }
        if block == blocks.count {
            blocks.append(.allocate(byteCount: max(count, Self.size), alignment: 8))
        }
        defer { place += count }
        return (blocks[block].baseAddress.unsafelyUnwrapped + place).assumingMemoryBound(to: UInt8.self)
    }
}
