import CRdKafka
import CSimulation
import Foundation
import Kafka

// librdkafka's functions of producers: an idempotent one, whose messages are there once.

@_cdecl("rd_kafka_produceva")
func simulatedProduce(_ handle: OpaquePointer, _ arguments: UnsafePointer<rd_kafka_vu_t>, _ count: Int)
    -> OpaquePointer?
{
    let client = SimulatedClient.behind(handle)
    var (topic, partition, opaque) = ("", Int32(0), UnsafeMutableRawPointer?.none)
    var record = SimulatedCluster.Record(offset: -1, key: nil, value: nil, timestamp: SimulatedCluster.now)
    for index in 0..<count {
        let argument = arguments[index]
        func bytes() -> [UInt8] {
            Array(UnsafeRawBufferPointer(start: argument.u.mem.ptr, count: argument.u.mem.size))
        }
        switch argument.vtype {
        case RD_KAFKA_VTYPE_TOPIC: topic = String(cString: argument.u.cstr)
        case RD_KAFKA_VTYPE_PARTITION: partition = argument.u.i32
        case RD_KAFKA_VTYPE_TIMESTAMP: record.timestamp = argument.u.i64
        case RD_KAFKA_VTYPE_OPAQUE: opaque = argument.u.ptr
        case RD_KAFKA_VTYPE_KEY: record.key = bytes()
        case RD_KAFKA_VTYPE_VALUE: record.value = bytes()
        case RD_KAFKA_VTYPE_HEADERS: rd_kafka_headers_destroy(argument.u.headers)
        default: break
        }
    }
    let place = TopicPartition(topic: topic, partition: partition)
    let limit = sim_now() + client.configuration.number("message.timeout.ms", 300_000) * Moments.millisecond
    var hasBeen = false
    var isSettled = false
    func settle(_ error: rd_kafka_resp_err_t) {
        guard !isSettled else { return }
        isSettled = true
        let ticket = Ticket(opaque: opaque)
        client.queue.push(.call { ticket.report(record, error, by: client, place) })
    }
    client.request(until: limit) { cluster -> Bool? in
        // Its own number tells the broker what it has already.
        if !hasBeen { cluster.append(place, key: record.key, value: record.value, timestamp: record.timestamp) }
        hasBeen = true
        return true
    } answered: { _ in
        settle(RD_KAFKA_RESP_ERR_NO_ERROR)
    }
    client.after(limit - sim_now()) { settle(RD_KAFKA_RESP_ERR__MSG_TIMED_OUT) }
    return nil
}

/// What the caller of a message knows it by.
private struct Ticket {
    let opaque: UnsafeMutableRawPointer?

    func report(
        _ record: SimulatedCluster.Record, _ error: rd_kafka_resp_err_t, by client: SimulatedClient,
        _ place: TopicPartition
    ) {
        var message = rd_kafka_message_t()
        (message.err, message.partition, message._private) = (error, place.partition, opaque)
        message.rkt = client.topic(place.topic).opaque
        client.configuration.delivered?(client.opaque, &message, client.configuration.opaque)
    }
}

@_cdecl("rd_kafka_poll")
func simulatedPoll(_ handle: OpaquePointer, _ timeout: Int32) -> Int32 {
    _ = SimulatedClient.behind(handle).queue.take(waiting: timeout, onlyCalls: true)
    return 0
}

@_cdecl("rd_kafka_flush")
func simulatedFlush(_ handle: OpaquePointer, _ timeout: Int32) -> rd_kafka_resp_err_t {
    _ = SimulatedClient.behind(handle).queue.take(waiting: 0, onlyCalls: true)
    return RD_KAFKA_RESP_ERR_NO_ERROR
}

@_cdecl("rd_kafka_purge")
func simulatedPurge(_ handle: OpaquePointer, _ flags: Int32) -> rd_kafka_resp_err_t { RD_KAFKA_RESP_ERR_NO_ERROR }
