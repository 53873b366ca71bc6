import CRdKafka
import CSimulation
import Foundation
import Kafka

// librdkafka's functions of consumers, queues and messages.

@_cdecl("rd_kafka_poll_set_consumer")
func simulatedPollSetConsumer(_ handle: OpaquePointer) -> rd_kafka_resp_err_t { RD_KAFKA_RESP_ERR_NO_ERROR }

@_cdecl("rd_kafka_subscribe")
func simulatedSubscribe(
    _ handle: OpaquePointer, _ list: UnsafePointer<rd_kafka_topic_partition_list_t>
) -> rd_kafka_resp_err_t {
    let topics = SimulatedList.offsets(of: list).map(\.0.topic)
    let client = SimulatedClient.behind(handle)
    client.orderAndWait { client.membership.subscribe(topics) }
    return RD_KAFKA_RESP_ERR_NO_ERROR
}

@_cdecl("rd_kafka_consumer_poll")
func simulatedConsumerPoll(_ handle: OpaquePointer, _ timeout: Int32) -> UnsafeMutablePointer<rd_kafka_message_t>? {
    let client = SimulatedClient.behind(handle)
    client.membership.hasPolled()
    return client.queue.take(waiting: timeout)?.lend()
}

@_cdecl("rd_kafka_rebalance_protocol")
func simulatedProtocol(_ handle: OpaquePointer) -> UnsafePointer<CChar>? {
    SimulatedClient.behind(handle).membership.isCooperative ? names.cooperative : names.eager
}

/// Never freed.
private struct Names: @unchecked Sendable {
    let cooperative = UnsafePointer<CChar>(strdup("COOPERATIVE"))
    let eager = UnsafePointer<CChar>(strdup("EAGER"))
}
private let names = Names()

@_cdecl("rd_kafka_assignment_lost")
func simulatedAssignmentLost(_ handle: OpaquePointer) -> Int32 {
    SimulatedClient.behind(handle).membership.isLost && !Mutant.is(.lossUntold) ? 1 : 0
}

/// What `rd_kafka_mem_free` frees.
@_cdecl("rd_kafka_memberid")
func simulatedMemberName(_ handle: OpaquePointer) -> UnsafeMutablePointer<CChar>? {
    SimulatedClient.behind(handle).membership.identifier.flatMap { strdup("member-\($0)") }
}

@_cdecl("rd_kafka_mem_free")
func simulatedFree(_ handle: OpaquePointer?, _ memory: UnsafeMutableRawPointer?) { free(memory) }

@_cdecl("rd_kafka_assignment")
func simulatedAssignment(
    _ handle: OpaquePointer, _ list: UnsafeMutablePointer<UnsafeMutablePointer<rd_kafka_topic_partition_list_t>?>
) -> rd_kafka_resp_err_t {
    let client = SimulatedClient.behind(handle)
    client.orderAndWait {}
    list.pointee = SimulatedList.make(client.fetchers.map { ($0.key, $0.value.position) }.sorted { $0.0 < $1.0 })
    return RD_KAFKA_RESP_ERR_NO_ERROR
}

@_cdecl("rd_kafka_assign")
func simulatedAssign(
    _ handle: OpaquePointer, _ list: UnsafePointer<rd_kafka_topic_partition_list_t>?
) -> rd_kafka_resp_err_t {
    let client = SimulatedClient.behind(handle)
    client.assign(SimulatedList.offsets(of: list), replaces: true)
    if list == nil { client.membership.hasGiven() } else { client.membership.hasTaken() }
    return RD_KAFKA_RESP_ERR_NO_ERROR
}

@_cdecl("rd_kafka_incremental_assign")
func simulatedIncrementalAssign(
    _ handle: OpaquePointer, _ list: UnsafePointer<rd_kafka_topic_partition_list_t>?
) -> OpaquePointer? {
    let client = SimulatedClient.behind(handle)
    client.assign(SimulatedList.offsets(of: list), replaces: false)
    client.membership.hasTaken()
    return nil
}

@_cdecl("rd_kafka_incremental_unassign")
func simulatedIncrementalUnassign(
    _ handle: OpaquePointer, _ list: UnsafePointer<rd_kafka_topic_partition_list_t>?
) -> OpaquePointer? {
    let client = SimulatedClient.behind(handle)
    client.unassign(SimulatedList.offsets(of: list).map(\.0))
    client.membership.hasGiven()
    return nil
}

@_cdecl("rd_kafka_commit_queue")
func simulatedCommit(
    _ handle: OpaquePointer, _ list: UnsafePointer<rd_kafka_topic_partition_list_t>, _ queue: OpaquePointer,
    _ callback: (
        @convention(c) (
            OpaquePointer?, rd_kafka_resp_err_t, UnsafeMutablePointer<rd_kafka_topic_partition_list_t>?,
            UnsafeMutableRawPointer?
        ) -> Void
    )?, _ opaque: UnsafeMutableRawPointer?
) -> rd_kafka_resp_err_t {
    let client = SimulatedClient.behind(handle)
    let offsets = SimulatedList.committed(list)
    let queue = SimulatedQueue.behind(queue)
    client.order {
        client.membership.commit(offsets) { code in
            queue.push(
                .call {
                    let list = SimulatedList.make(offsets.map { ($0.0, $0.1.offset) })
                    for (index, (_, committed)) in offsets.enumerated() {
                        if let list { SimulatedList.set(list, index, committed) }
                        list?.pointee.elems[index].err = code ?? RD_KAFKA_RESP_ERR_NO_ERROR
                    }
                    callback?(client.opaque, code ?? RD_KAFKA_RESP_ERR_NO_ERROR, list, opaque)
                    rd_kafka_topic_partition_list_destroy(list)
                })
        }
    }
    return RD_KAFKA_RESP_ERR_NO_ERROR
}

@_cdecl("rd_kafka_consumer_close_queue")
func simulatedClose(_ handle: OpaquePointer, _ queue: OpaquePointer) -> OpaquePointer? {
    let (client, queue) = (SimulatedClient.behind(handle), SimulatedQueue.behind(queue))
    client.order { client.membership.close(telling: queue) }
    return nil
}

@_cdecl("rd_kafka_consumer_closed")
func simulatedClosed(_ handle: OpaquePointer) -> Int32 { SimulatedClient.behind(handle).membership.hasLeft ? 1 : 0 }

// MARK: The simple consumer

@_cdecl("rd_kafka_consume_start_queue")
func simulatedStart(_ topic: OpaquePointer, _ partition: Int32, _ offset: Int64, _ queue: OpaquePointer) -> Int32 {
    let (topic, queue) = (SimulatedTopic.behind(topic), SimulatedQueue.behind(queue))
    topic.client.start(TopicPartition(topic: topic.name, partition: partition), from: offset, into: queue)
    return 0
}

@_cdecl("rd_kafka_consume_stop")
func simulatedStop(_ topic: OpaquePointer, _ partition: Int32) -> Int32 {
    let topic = SimulatedTopic.behind(topic)
    topic.client.stop(TopicPartition(topic: topic.name, partition: partition))
    return 0
}

// MARK: Queues

@_cdecl("rd_kafka_queue_new")
func simulatedQueueNew(_ handle: OpaquePointer) -> OpaquePointer? {
    OpaquePointer(Unmanaged.passRetained(SimulatedQueue()).toOpaque())
}

@_cdecl("rd_kafka_queue_destroy")
func simulatedQueueDestroy(_ queue: OpaquePointer) {
    Unmanaged<SimulatedQueue>.fromOpaque(UnsafeRawPointer(queue)).release()
}

private func lent(_ queue: SimulatedQueue) -> OpaquePointer? {
    OpaquePointer(Unmanaged.passRetained(queue).toOpaque())
}

@_cdecl("rd_kafka_queue_get_consumer")
func simulatedQueueOfGroup(_ handle: OpaquePointer) -> OpaquePointer? { lent(SimulatedClient.behind(handle).queue) }

@_cdecl("rd_kafka_queue_get_partition")
func simulatedQueueOfPartition(
    _ handle: OpaquePointer, _ topic: UnsafePointer<CChar>, _ partition: Int32
) -> OpaquePointer? {
    let place = TopicPartition(topic: String(cString: topic), partition: partition)
    return lent(SimulatedClient.behind(handle).queue(of: place))
}

@_cdecl("rd_kafka_queue_forward")
func simulatedQueueForward(_ queue: OpaquePointer, _ target: OpaquePointer?) {
    SimulatedQueue.behind(queue).lead(to: target.map { SimulatedQueue.behind($0) })
}

@_cdecl("rd_kafka_queue_io_event_enable")
func simulatedQueueRing(_ queue: OpaquePointer, _ descriptor: Int32, _ payload: UnsafeRawPointer?, _ size: Int) {
    SimulatedQueue.behind(queue).ring(descriptor)
}

@_cdecl("rd_kafka_queue_length")
func simulatedQueueLength(_ queue: OpaquePointer) -> Int { SimulatedQueue.behind(queue).count }

@_cdecl("rd_kafka_queue_poll_callback")
func simulatedQueueServe(_ queue: OpaquePointer, _ timeout: Int32) -> Int32 {
    _ = SimulatedQueue.behind(queue).take(waiting: timeout, onlyCalls: true)
    return 0
}

@_cdecl("rd_kafka_consume_queue")
func simulatedConsume(_ queue: OpaquePointer, _ timeout: Int32) -> UnsafeMutablePointer<rd_kafka_message_t>? {
    SimulatedQueue.behind(queue).take(waiting: timeout)?.lend()
}

@_cdecl("rd_kafka_consume_batch_queue")
func simulatedConsumeBatch(
    _ queue: OpaquePointer, _ timeout: Int32,
    _ room: UnsafeMutablePointer<UnsafeMutablePointer<rd_kafka_message_t>?>, _ size: Int
) -> Int {
    var count = 0
    while count < size, let message = SimulatedQueue.behind(queue).take(waiting: count == 0 ? timeout : 0) {
        room[count] = message.lend()
        count += 1
    }
    return count
}

// MARK: Messages

@_cdecl("rd_kafka_message_destroy")
func simulatedMessageDestroy(_ message: UnsafeMutablePointer<rd_kafka_message_t>) { SimulatedMessage.takeBack(message) }

@_cdecl("rd_kafka_message_errstr")
func simulatedMessageReason(_ message: UnsafePointer<rd_kafka_message_t>) -> UnsafePointer<CChar>? {
    rd_kafka_err2str(message.pointee.err)
}

@_cdecl("rd_kafka_message_timestamp")
func simulatedMessageTime(
    _ message: UnsafePointer<rd_kafka_message_t>, _ type: UnsafeMutablePointer<rd_kafka_timestamp_type_t>?
) -> Int64 {
    let time = SimulatedMessage.behind(message)?.record.timestamp ?? -1
    type?.pointee = time < 0 ? RD_KAFKA_TIMESTAMP_NOT_AVAILABLE : RD_KAFKA_TIMESTAMP_CREATE_TIME
    return time
}

@_cdecl("rd_kafka_message_headers")
func simulatedMessageHeaders(
    _ message: UnsafePointer<rd_kafka_message_t>, _ headers: UnsafeMutablePointer<OpaquePointer?>
) -> rd_kafka_resp_err_t {
    guard let list = SimulatedMessage.behind(message)?.headers else { return RD_KAFKA_RESP_ERR__NOENT }
    headers.pointee = list
    return RD_KAFKA_RESP_ERR_NO_ERROR
}
