/// Holds what a message has not in one piece, or not as a field has it, until the next message.
///
/// What it has handed out does not move. It keeps what it had room for last, so that messages of a kind allocate nothing.
final class SideMemory {
    private var blocks: [UnsafeMutableRawBufferPointer] = []
    private var used = 0

    private static let first = 1024
    /// What one message has needed beyond this is given back behind it.
    private static let mostKept = 1 << 20

    deinit {
        for block in blocks { block.deallocate() }
    }

    /// Begins another message.
    @inline(__always)
    func reset() {
        used = 0
        if blocks.count > 1 { join() }
    }

    private func join() {
        let size = blocks.reduce(0) { $0 + $1.count }
        for block in blocks { block.deallocate() }
        blocks = [.allocate(byteCount: min(size, Self.mostKept), alignment: 1)]
    }

    func room(for count: Int) -> UnsafeMutableRawBufferPointer {
        if blocks.last.map({ $0.count - used < count }) ?? true {
            let size = max(count, blocks.last.map { $0.count * 2 } ?? Self.first)
            blocks.append(.allocate(byteCount: size, alignment: 1))
            used = 0
        }
        defer { used += count }
        return UnsafeMutableRawBufferPointer(rebasing: blocks[blocks.count - 1][used..<used + count])
    }

    /// The bytes of a number, the highest first.
    func bytes<Number: FixedWidthInteger>(of number: Number) -> UnsafeRawBufferPointer {
        let room = room(for: MemoryLayout<Number>.size)
        room.storeBytes(of: number.bigEndian, as: Number.self)
        return UnsafeRawBufferPointer(room)
    }
}
