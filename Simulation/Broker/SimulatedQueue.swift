import CRdKafka
import CSimulation
import Foundation

/// One of librdkafka's queues: of messages and of calls that are made by whoever serves it.
final class SimulatedQueue {
    enum Item {
        case message(SimulatedMessage)
        case call(() -> Void)
    }

    private var items: [Item] = []
    private weak var target: SimulatedQueue?
    private var descriptor: Int32 = -1

    /// Where what comes here ends up.
    var end: SimulatedQueue { target?.end ?? self }

    var opaque: OpaquePointer { OpaquePointer(Unmanaged.passUnretained(self).toOpaque()) }

    static func behind(_ pointer: OpaquePointer) -> SimulatedQueue {
        Unmanaged<SimulatedQueue>.fromOpaque(UnsafeRawPointer(pointer)).takeUnretainedValue()
    }

    var count: Int { end.items.count }

    func lead(to queue: SimulatedQueue?) {
        target = queue
        guard queue != nil, !items.isEmpty else { return }
        let late = items
        items = []
        for item in late { end.push(item) }
    }

    func ring(_ descriptor: Int32) { self.descriptor = descriptor }

    func push(_ item: Item) {
        let queue = end
        queue.items.append(item)
        if queue.items.count == 1, queue.descriptor >= 0 {
            var byte: UInt8 = 1
            _ = write(queue.descriptor, &byte, 1)
        }
        sim_wake(Unmanaged.passUnretained(queue).toOpaque())
    }

    /// Forgets messages that come no more.
    func drop(_ isDropped: (SimulatedMessage) -> Bool) {
        items.removeAll { item in
            if case .message(let message) = item { isDropped(message) } else { false }
        }
    }

    /// Makes the calls that are first, and takes the message behind them; waits for one, for so long.
    func take(waiting milliseconds: Int32, onlyCalls: Bool = false) -> SimulatedMessage? {
        let queue = end
        let deadline = sim_now() + Int64(milliseconds) * Moments.millisecond
        while true {
            while let item = queue.next(onlyCalls) {
                switch item {
                case .message(let message): return message
                case .call(let body):
                    body()
                    if onlyCalls, milliseconds > 0 { return nil }
                }
            }
            guard milliseconds > 0, sim_now() < deadline else {
                sim_pause()
                return nil
            }
            _ = sim_wait(Unmanaged.passUnretained(queue).toOpaque(), deadline)
        }
    }

    private func next(_ onlyCalls: Bool) -> Item? {
        guard onlyCalls else { return items.isEmpty ? nil : items.removeFirst() }
        let index = items.firstIndex { if case .call = $0 { true } else { false } }
        return index.map { items.remove(at: $0) }
    }
}

/// A message, or an error in place of one, until its taker gives it back.
final class SimulatedMessage {
    let record: SimulatedCluster.Record
    let error: rd_kafka_resp_err_t
    let topic: SimulatedTopic?
    let partition: Int32
    let fetcher: SimulatedFetcher?
    private let bytes: UnsafeMutablePointer<UInt8>
    private let pointer: UnsafeMutablePointer<rd_kafka_message_t>

    init(
        _ record: SimulatedCluster.Record, error: rd_kafka_resp_err_t = RD_KAFKA_RESP_ERR_NO_ERROR,
        topic: SimulatedTopic?, partition: Int32, fetcher: SimulatedFetcher?
    ) {
        self.record = record
        self.error = error
        self.topic = topic
        self.partition = partition
        self.fetcher = fetcher
        let (key, value) = (record.key ?? [], record.value ?? [])
        bytes = .allocate(capacity: key.count + value.count + 1)
        bytes.update(from: key, count: key.count)
        (bytes + key.count).update(from: value, count: value.count)
        pointer = .allocate(capacity: 1)
        pointer.initialize(
            to: rd_kafka_message_t(
                err: error, rkt: topic?.opaque, partition: partition,
                payload: record.value == nil ? nil : UnsafeMutableRawPointer(bytes + key.count), len: value.count,
                key: record.key == nil ? nil : UnsafeMutableRawPointer(bytes), key_len: key.count,
                offset: record.offset, _private: nil))
    }

    deinit {
        bytes.deallocate()
        pointer.deallocate()
        if let made { rd_kafka_headers_destroy(made) }
    }

    private var made: OpaquePointer?

    /// As librdkafka has them; nil without any.
    var headers: OpaquePointer? {
        guard made == nil, !record.headers.isEmpty, let list = rd_kafka_headers_new(record.headers.count) else {
            return made
        }
        for header in record.headers {
            _ =
                header.value.map { value in
                    value.withUnsafeBytes { rd_kafka_header_add(list, header.name, -1, $0.baseAddress, $0.count) }
                } ?? rd_kafka_header_add(list, header.name, -1, nil, 0)
        }
        made = list
        return list
    }

    /// For who takes it, until `takeBack`.
    func lend() -> UnsafeMutablePointer<rd_kafka_message_t> {
        pointer.pointee._private = Unmanaged.passRetained(self).toOpaque()
        return pointer
    }

    static func behind(_ pointer: UnsafePointer<rd_kafka_message_t>) -> SimulatedMessage? {
        pointer.pointee._private.map { Unmanaged<SimulatedMessage>.fromOpaque($0).takeUnretainedValue() }
    }

    static func takeBack(_ pointer: UnsafeMutablePointer<rd_kafka_message_t>) {
        if let opaque = pointer.pointee._private { Unmanaged<SimulatedMessage>.fromOpaque(opaque).release() }
    }
}

/// A client's name for a topic.
final class SimulatedTopic {
    let client: SimulatedClient
    let name: String
    let text: UnsafeMutablePointer<CChar>

    init(_ client: SimulatedClient, _ name: String) {
        self.client = client
        self.name = name
        text = strdup(name)
    }

    deinit { free(text) }

    var opaque: OpaquePointer { OpaquePointer(Unmanaged.passUnretained(self).toOpaque()) }

    static func behind(_ pointer: OpaquePointer) -> SimulatedTopic {
        Unmanaged<SimulatedTopic>.fromOpaque(UnsafeRawPointer(pointer)).takeUnretainedValue()
    }
}
