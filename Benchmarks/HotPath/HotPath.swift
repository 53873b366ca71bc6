import AllocationCounter
import Foundation
import Kafka
import Loading
import Postgres
import Records

/// The way of a message from its bytes to its row in the COPY buffer, stage by stage, without any server.
///
///     hot-path [MESSAGES]
///
/// Prints CPU time and allocations a message; a message must allocate nothing once the buffers have grown.
@main
enum HotPath {
    private static let rounds = 7
    private static let batchRows = 50_000

    static func main() throws {
        let arguments = CommandLine.arguments.dropFirst()
        guard let count = arguments.isEmpty ? 200_000 : Int(arguments.first ?? ""), count > 0, arguments.count < 2
        else {
            FileHandle.standardError.write(Data("usage: hot-path [MESSAGES]\n".utf8))
            exit(64)
        }
        print(
            "messages".fill(18) + "stage".fill(20) + "ns/message".fill(-11) + "spread".fill(-8) + "MB/s".fill(-8)
                + "mallocs".fill(-9))
        let orders = Workload.orders(count: count)
        try decode(orders)
        try rows(orders, "to binary rows", orders.target(.insert))
        try rows(orders, "to text rows", orders.target(.insert, .text))
        try selection(orders)
        try decode(orders.byItself())
        try rows(orders.byItself(), "to binary rows", orders.target(.insert))
        let typed = [
            try Workload.avroOrders(count: count), try .avroScalars(count: count), try .protobufOrders(count: count),
            try .protobufScalars(count: count),
        ]
        for workload in typed {
            try decode(workload)
            try rows(workload, "to binary rows", workload.target(.insert))
        }
        let shapes = [
            Workload.small(count: count), .wide(count: max(1, count / 20)),
            .large("10 kB", items: 200, count: max(1, count / 40)),
            .large("1 MB", items: 20_000, count: max(1, count / 4000)),
        ]
        for shape in shapes {
            try decode(shape)
            try rows(shape, "to binary rows", shape.target(.insert))
        }
    }

    // MARK: Stages

    private static func decode(_ workload: Workload) throws {
        let plan = MessagePlan(targets: [0], of: [try workload.target(.insert)], format: workload.format)
        let decoder = workload.format.decoder(plan.valuePaths)
        var fields = 0
        try measure(workload, "decode") {
            try workload.bytes.withUnsafeBytes { bytes in
                for message in workload.messages {
                    fields += try decoder.decode(UnsafeRawBufferPointer(rebasing: bytes[message.value])).count
                }
            }
        }
        guard fields > 0 else { throw Failure(what: "no field was decoded") }
    }

    /// Copies into the batch, decodes and encodes: all that becomes of a message before it is sent.
    private static func rows(_ workload: Workload, _ stage: String, _ target: Target) throws {
        let builder = RowBuilder(
            plan: MessagePlan(targets: [0], of: [target], format: workload.format), targets: [target])
        let batch = Batch()
        try measure(workload, stage) { try fill(batch, builder, workload, target) { _ in } }
    }

    /// Sorts each batch by key and drops what a later message of the key replaces; counted per message.
    private static func selection(_ workload: Workload) throws {
        let target = try workload.target(.upsert)
        let builder = RowBuilder(
            plan: MessagePlan(targets: [0], of: [target], format: workload.format), targets: [target])
        let batch = Batch()
        var times: [Double] = []
        for _ in 0..<rounds {
            var time = 0.0
            try fill(batch, builder, workload, target) { batch in
                let began = cpuSeconds()
                let selection = RowSelection(batch: batch, target: target)
                let states = selection.finalStates(selection.rows.indices) { _ in [] }
                guard !states.rows.isEmpty else { throw Failure(what: "nothing selected") }
                time += cpuSeconds() - began
            }
            times.append(time)
        }
        report(workload, "select for upsert", times, mallocs: nil)
    }

    private static func fill(
        _ batch: Batch, _ builder: RowBuilder, _ workload: Workload, _ target: Target, full: (Batch) throws -> Void
    ) throws {
        let partition = TopicPartition(topic: "orders", partition: 0)
        try workload.bytes.withUnsafeBytes { bytes in
            var next = 0
            while next < workload.messages.count {
                let range = batch.addRange(of: partition, expected: Int64(next))
                let start = next
                while next < workload.messages.count, next - start < batchRows, batch.byteCount < 32 << 20 {
                    let message = workload.messages[next]
                    let place = batch.append(
                        value: UnsafeRawBufferPointer(rebasing: bytes[message.value]),
                        key: UnsafeRawBufferPointer(rebasing: bytes[message.key]), offset: Int64(next), range: range)
                    if builder.namesSchemas { _ = builder.learn(place, in: batch) { _ in nil } }
                    builder.build(place, in: batch)
                    next += 1
                }
                let selection = RowSelection(batch: batch, target: target)
                guard selection.rows.count == next - start else { throw Failure(what: "a message was refused") }
                try full(batch)
                batch.removeAll(keepingAtMost: 32 << 20)
            }
        }
    }

    // MARK: Measuring

    private struct Failure: Error { let what: String }

    private static func measure(_ workload: Workload, _ stage: String, _ body: () throws -> Void) throws {
        // Buffers grow and caches fill in a round that does not count.
        try body()
        var times: [Double] = []
        let allocations = allocation_count()
        for _ in 0..<rounds {
            let began = cpuSeconds()
            try body()
            times.append(cpuSeconds() - began)
        }
        let mallocs = allocations < 0 ? nil : Double(allocation_count() - allocations)
        report(workload, stage, times, mallocs: mallocs.map { $0 / Double(rounds * workload.messages.count) })
    }

    private static func report(_ workload: Workload, _ stage: String, _ times: [Double], mallocs: Double?) {
        let sorted = times.sorted()
        let median = sorted[sorted.count / 2]
        let spread = (sorted[sorted.count - 1] - sorted[0]) / median * 100
        let megabytes = Double(workload.valueByteCount) / median / 1e6
        print(
            workload.name.fill(18) + stage.fill(20)
                + "\(Int(median / Double(workload.messages.count) * 1e9))".fill(-11) + "\(Int(spread)) %".fill(-8)
                + "\(Int(megabytes))".fill(-8) + (mallocs.map { String(format: "%.4f", $0) } ?? "-").fill(-9))
    }

    /// CPU time of this thread, which neighbours on the machine disturb less than the time of day.
    private static func cpuSeconds() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }
}

extension String {
    /// Padded to a width: on the right, or on the left if it is negative.
    fileprivate func fill(_ width: Int) -> String {
        let spaces = String(repeating: " ", count: max(0, abs(width) - count))
        return width < 0 ? spaces + self : self + spaces
    }
}
