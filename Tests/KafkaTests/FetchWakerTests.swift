import Testing

@testable import Kafka

@Suite("Fetching")
struct FetchWakerTests {
    @Test(
        "a queue that was full when a broker's thread looked wakes it several times before it is empty",
        arguments: [0, 16, 316, 1000, 10_000, 1_000_000], [(6144, 100_000), (1024, 100_000), (262_144, 500)])
    func wakes(size: Int, queue: (kilobytes: Int, messages: Int)) {
        var waker = FetchWaker([
            ("queued.max.messages.kbytes", "\(queue.kilobytes)"), ("queued.min.messages", "\(queue.messages)"),
        ])
        // By any number of messages taken before it looked.
        for before in [0, 1, 7, 1000] {
            for _ in 0..<before { _ = waker.took(size) }
            var (bytes, messages, wakes) = (0, 0, 0)
            while bytes < queue.kilobytes << 10, messages < queue.messages {
                bytes += size
                messages += 1
                if waker.took(size) { wakes += 1 }
            }
            // One message of a sixth of the queue is a step of its own.
            #expect(wakes >= min(6, messages))
            #expect(wakes <= max(9, messages))
        }
    }
}
