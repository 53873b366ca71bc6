/// A topic's name where it stays until the next one is asked for. Only another topic than before costs anything.
///
/// Belongs to one thread.
final class TopicName {
    private var topic = ""
    private var count = 0
    /// Kafka's names have 249 bytes at most.
    private let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: 256, alignment: 1)

    deinit { memory.deallocate() }

    func bytes(of topic: String) -> UnsafeRawBufferPointer {
        if topic != self.topic {
            self.topic = topic
            let bytes = topic.utf8.prefix(memory.count)
            memory.copyBytes(from: bytes)
            count = bytes.count
        }
        return UnsafeRawBufferPointer(rebasing: memory[..<count])
    }

    /// What stands between its dots, from 1; nil where there is no such part, or nothing in it.
    func part(_ number: Int, of topic: String) -> UnsafeRawBufferPointer? {
        let bytes = bytes(of: topic)
        var (start, left) = (0, number)
        while true {
            let end = bytes[start...].firstIndex(of: UInt8(ascii: ".")) ?? bytes.count
            left -= 1
            if left == 0 { return end > start ? UnsafeRawBufferPointer(rebasing: bytes[start..<end]) : nil }
            guard end < bytes.count else { return nil }
            start = end + 1
        }
    }
}
