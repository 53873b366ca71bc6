import CRdKafka
import CSimulation
import Foundation
import Kafka

// librdkafka's functions, as far as `Kafka` calls them on what is simulated: configurations, handles, and what is asked of brokers. What
// is only of the caller's memory (lists, headers, names of errors) is librdkafka's own.

/// Which librdkafka this is: the oldest that is worked with, or a newer one.
enum SimulatedLibrary {
    // Set before the first handle is made.
    nonisolated(unsafe) static var isNew = false
}

@_cdecl("rd_kafka_version")
func simulatedVersion() -> Int32 { SimulatedLibrary.isNew ? 0x0208_00ff : 0x0200_02ff }

@_cdecl("rd_kafka_version_str")
func simulatedVersionText() -> UnsafePointer<CChar>? { UnsafePointer(strdup("simulated")) }

// MARK: Configurations

private func configuration(_ pointer: OpaquePointer?) -> SimulatedConfiguration? {
    pointer.map { Unmanaged<SimulatedConfiguration>.fromOpaque(UnsafeRawPointer($0)).takeUnretainedValue() }
}

@_cdecl("rd_kafka_conf_new")
func simulatedConfigurationNew() -> OpaquePointer? {
    OpaquePointer(Unmanaged.passRetained(SimulatedConfiguration()).toOpaque())
}

@_cdecl("rd_kafka_conf_destroy")
func simulatedConfigurationDestroy(_ pointer: OpaquePointer?) {
    if let pointer { Unmanaged<SimulatedConfiguration>.fromOpaque(UnsafeRawPointer(pointer)).release() }
}

@_cdecl("rd_kafka_conf_set")
func simulatedConfigurationSet(
    _ pointer: OpaquePointer?, _ name: UnsafePointer<CChar>?, _ value: UnsafePointer<CChar>?,
    _ reason: UnsafeMutablePointer<CChar>?, _ size: Int
) -> rd_kafka_conf_res_t {
    guard let name else { return RD_KAFKA_CONF_INVALID }
    let property = String(cString: name)
    if property == "fetch.queue.backoff.ms", !SimulatedLibrary.isNew { return RD_KAFKA_CONF_UNKNOWN }
    guard let value else { return RD_KAFKA_CONF_INVALID }
    configuration(pointer)?.properties[property] = String(cString: value)
    return RD_KAFKA_CONF_OK
}

@_cdecl("rd_kafka_conf_set_opaque")
func simulatedConfigurationOpaque(_ pointer: OpaquePointer?, _ opaque: UnsafeMutableRawPointer?) {
    configuration(pointer)?.opaque = opaque
}

@_cdecl("rd_kafka_conf_set_error_cb")
func simulatedConfigurationErrors(
    _ pointer: OpaquePointer?,
    _ callback: (@convention(c) (OpaquePointer?, Int32, UnsafePointer<CChar>?, UnsafeMutableRawPointer?) -> Void)?
) { configuration(pointer)?.failed = callback }

@_cdecl("rd_kafka_conf_set_rebalance_cb")
func simulatedConfigurationRebalances(
    _ pointer: OpaquePointer?,
    _ callback: (
        @convention(c) (
            OpaquePointer?, rd_kafka_resp_err_t, UnsafeMutablePointer<rd_kafka_topic_partition_list_t>?,
            UnsafeMutableRawPointer?
        ) -> Void
    )?
) { configuration(pointer)?.rebalanced = callback }

@_cdecl("rd_kafka_conf_set_dr_msg_cb")
func simulatedConfigurationDeliveries(
    _ pointer: OpaquePointer?,
    _ callback: (@convention(c) (OpaquePointer?, UnsafePointer<rd_kafka_message_t>?, UnsafeMutableRawPointer?) -> Void)?
) { configuration(pointer)?.delivered = callback }

@_cdecl("rd_kafka_conf_set_log_cb")
func simulatedConfigurationLog(_ pointer: OpaquePointer?, _ callback: UnsafeRawPointer?) {}

@_cdecl("rd_kafka_conf_enable_sasl_queue")
func simulatedConfigurationSASL(_ pointer: OpaquePointer?, _ isEnabled: Int32) {}

@_cdecl("rd_kafka_conf_set_oauthbearer_token_refresh_cb")
func simulatedConfigurationTokens(
    _ pointer: OpaquePointer?,
    _ callback: (@convention(c) (OpaquePointer?, UnsafePointer<CChar>?, UnsafeMutableRawPointer?) -> Void)?
) { configuration(pointer)?.tokensWanted = callback }

@_cdecl("rd_kafka_oauthbearer_set_token")
func simulatedTokenSet(
    _ handle: OpaquePointer, _ token: UnsafePointer<CChar>?, _ end: Int64, _ principal: UnsafePointer<CChar>?,
    _ extensions: UnsafeMutableRawPointer?, _ count: Int, _ reason: UnsafeMutablePointer<CChar>?, _ size: Int
) -> rd_kafka_resp_err_t {
    SimulatedClient.behind(handle).takeToken(until: end)
    return RD_KAFKA_RESP_ERR_NO_ERROR
}

@_cdecl("rd_kafka_oauthbearer_set_token_failure")
func simulatedTokenFailure(_ handle: OpaquePointer, _ reason: UnsafePointer<CChar>?) -> rd_kafka_resp_err_t {
    SimulatedClient.behind(handle).missToken()
    return RD_KAFKA_RESP_ERR_NO_ERROR
}

@_cdecl("rd_kafka_conf_set_ssl_cert_verify_cb")
func simulatedConfigurationCertificates(
    _ pointer: OpaquePointer?, _ callback: UnsafeRawPointer?
) -> rd_kafka_conf_res_t { RD_KAFKA_CONF_OK }

// MARK: Handles

@_cdecl("rd_kafka_new")
func simulatedNew(
    _ type: rd_kafka_type_t, _ pointer: OpaquePointer?, _ reason: UnsafeMutablePointer<CChar>?, _ size: Int
) -> OpaquePointer? {
    guard let pointer else { return nil }
    let configuration = Unmanaged<SimulatedConfiguration>.fromOpaque(UnsafeRawPointer(pointer)).takeRetainedValue()
    let client = SimulatedClient(configuration, isProducer: type == RD_KAFKA_PRODUCER)
    return OpaquePointer(Unmanaged.passRetained(client).toOpaque())
}

@_cdecl("rd_kafka_destroy_flags")
func simulatedDestroy(_ handle: OpaquePointer, _ flags: Int32) {
    let client = SimulatedClient.behind(handle)
    client.orderAndWait {}
    client.destroy()
    Unmanaged<SimulatedClient>.fromOpaque(UnsafeRawPointer(handle)).release()
}

@_cdecl("rd_kafka_name")
func simulatedName(_ handle: OpaquePointer) -> UnsafePointer<CChar>? {
    UnsafePointer(SimulatedClient.behind(handle).name)
}

@_cdecl("rd_kafka_opaque")
func simulatedOpaque(_ handle: OpaquePointer) -> UnsafeMutableRawPointer? {
    SimulatedClient.behind(handle).configuration.opaque
}

@_cdecl("rd_kafka_fatal_error")
func simulatedFatalError(
    _ handle: OpaquePointer, _ reason: UnsafeMutablePointer<CChar>?, _ size: Int
) -> rd_kafka_resp_err_t { SimulatedClient.behind(handle).fatal ?? RD_KAFKA_RESP_ERR_NO_ERROR }

@_cdecl("rd_kafka_sasl_background_callbacks_enable")
func simulatedBackground(_ handle: OpaquePointer) -> OpaquePointer? { nil }

@_cdecl("rd_kafka_sasl_set_credentials")
func simulatedCredentials(
    _ handle: OpaquePointer, _ name: UnsafePointer<CChar>?, _ password: UnsafePointer<CChar>?
) -> OpaquePointer? { nil }

@_cdecl("rd_kafka_topic_new")
func simulatedTopicNew(
    _ handle: OpaquePointer, _ name: UnsafePointer<CChar>, _ configuration: OpaquePointer?
) -> OpaquePointer? { SimulatedClient.behind(handle).topic(String(cString: name)).opaque }

@_cdecl("rd_kafka_topic_destroy")
func simulatedTopicDestroy(_ topic: OpaquePointer?) {}

@_cdecl("rd_kafka_topic_name")
func simulatedTopicName(_ topic: OpaquePointer) -> UnsafePointer<CChar>? {
    UnsafePointer(SimulatedTopic.behind(topic).text)
}

// MARK: Questions to the brokers

@_cdecl("rd_kafka_offsets_for_times")
func simulatedOffsets(
    _ handle: OpaquePointer, _ list: UnsafeMutablePointer<rd_kafka_topic_partition_list_t>, _ timeout: Int32
) -> rd_kafka_resp_err_t {
    let asked = SimulatedList.offsets(of: list)
    let answer = SimulatedClient.behind(handle).ask(timeout) { cluster in
        asked.map { place, time -> (Int64, rd_kafka_resp_err_t) in
            guard let partition = cluster.partition(place) else {
                return (time, RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART)
            }
            guard partition.leaderless <= sim_now() else { return (time, RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION) }
            switch time {
            case -2: return (partition.low, RD_KAFKA_RESP_ERR_NO_ERROR)
            case -1: return (partition.high, RD_KAFKA_RESP_ERR_NO_ERROR)
            default:
                let first = partition.records.first { $0.timestamp >= time }
                return (first?.offset ?? -1, RD_KAFKA_RESP_ERR_NO_ERROR)
            }
        }
    }
    guard let answer else { return RD_KAFKA_RESP_ERR__TIMED_OUT }
    for (index, (offset, error)) in answer.enumerated() {
        (list.pointee.elems[index].offset, list.pointee.elems[index].err) = (offset, error)
    }
    return RD_KAFKA_RESP_ERR_NO_ERROR
}

@_cdecl("rd_kafka_committed")
func simulatedCommitted(
    _ handle: OpaquePointer, _ list: UnsafeMutablePointer<rd_kafka_topic_partition_list_t>, _ timeout: Int32
) -> rd_kafka_resp_err_t {
    let client = SimulatedClient.behind(handle)
    let group = client.configuration.properties["group.id"] ?? ""
    guard let known = client.ask(timeout, { $0.group(group).committed }) else { return RD_KAFKA_RESP_ERR__TIMED_OUT }
    for (index, (place, _)) in SimulatedList.offsets(of: list).enumerated() {
        SimulatedList.set(list, index, Mutant.is(.groupForgotten) ? nil : known[place])
    }
    return RD_KAFKA_RESP_ERR_NO_ERROR
}

@_cdecl("rd_kafka_get_watermark_offsets")
func simulatedWatermarks(
    _ handle: OpaquePointer, _ topic: UnsafePointer<CChar>, _ partition: Int32, _ low: UnsafeMutablePointer<Int64>,
    _ high: UnsafeMutablePointer<Int64>
) -> rd_kafka_resp_err_t {
    let place = TopicPartition(topic: String(cString: topic), partition: partition)
    low.pointee = -1001
    high.pointee = SimulatedClient.behind(handle).fetchers[place]?.high ?? -1001
    return RD_KAFKA_RESP_ERR_NO_ERROR
}

@_cdecl("rd_kafka_metadata")
func simulatedMetadata(
    _ handle: OpaquePointer, _ all: Int32, _ topic: OpaquePointer?,
    _ metadata: UnsafeMutablePointer<UnsafePointer<rd_kafka_metadata>?>, _ timeout: Int32
) -> rd_kafka_resp_err_t {
    let name = topic.map { SimulatedTopic.behind($0).name }
    let counts = SimulatedClient.behind(handle).ask(timeout) { cluster in
        cluster.topics.mapValues(\.count).sorted { $0.key < $1.key }
    }
    guard let counts else { return RD_KAFKA_RESP_ERR__TIMED_OUT }
    var found = counts.filter { name == nil || $0.key == name }
    let isMissing = name != nil && found.isEmpty
    if let name, isMissing { found = [(name, 0)] }
    let topics = UnsafeMutablePointer<rd_kafka_metadata_topic>.allocate(capacity: max(1, found.count))
    for (index, (name, count)) in found.enumerated() {
        (topics + index).initialize(
            to: rd_kafka_metadata_topic(
                topic: strdup(name), partition_cnt: Int32(count), partitions: nil,
                err: isMissing ? RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART : RD_KAFKA_RESP_ERR_NO_ERROR))
    }
    let made = UnsafeMutablePointer<rd_kafka_metadata>.allocate(capacity: 1)
    made.initialize(
        to: rd_kafka_metadata(
            broker_cnt: 0, brokers: nil, topic_cnt: Int32(found.count), topics: topics, orig_broker_id: 1,
            orig_broker_name: nil))
    metadata.pointee = UnsafePointer(made)
    return RD_KAFKA_RESP_ERR_NO_ERROR
}

@_cdecl("rd_kafka_metadata_destroy")
func simulatedMetadataDestroy(_ metadata: UnsafePointer<rd_kafka_metadata>) {
    for index in 0..<Int(metadata.pointee.topic_cnt) { free(metadata.pointee.topics[index].topic) }
    metadata.pointee.topics.deallocate()
    metadata.deallocate()
}

// MARK: Lists of partitions

enum SimulatedList {
    static func make(
        _ entries: [(TopicPartition, Int64)]
    ) -> UnsafeMutablePointer<rd_kafka_topic_partition_list_t>? {
        let list = rd_kafka_topic_partition_list_new(Int32(max(1, entries.count)))
        for (place, offset) in entries {
            rd_kafka_topic_partition_list_add(list, place.topic, place.partition)?.pointee.offset = offset
        }
        return list
    }

    static func offsets(of list: UnsafePointer<rd_kafka_topic_partition_list_t>?) -> [(TopicPartition, Int64)] {
        guard let list else { return [] }
        return (0..<Int(list.pointee.cnt)).map { index in
            let entry = list.pointee.elems[index]
            return (TopicPartition(topic: String(cString: entry.topic), partition: entry.partition), entry.offset)
        }
    }

    static func committed(
        _ list: UnsafePointer<rd_kafka_topic_partition_list_t>
    ) -> [(TopicPartition, SimulatedGroup.Committed)] {
        offsets(of: list).enumerated().map { index, entry in
            let element = list.pointee.elems[index]
            let bytes = UnsafeRawBufferPointer(start: element.metadata, count: element.metadata_size)
            let metadata = Mutant.is(.marksMissing) ? "" : String(decoding: bytes, as: UTF8.self)
            return (entry.0, .init(offset: entry.1 + (Mutant.is(.commitAhead) ? 1 : 0), metadata: metadata))
        }
    }

    static func set(
        _ list: UnsafeMutablePointer<rd_kafka_topic_partition_list_t>, _ index: Int,
        _ committed: SimulatedGroup.Committed?
    ) {
        free(list.pointee.elems[index].metadata)
        list.pointee.elems[index].offset = committed?.offset ?? -1001
        list.pointee.elems[index].metadata = committed.map { UnsafeMutableRawPointer(strdup($0.metadata)) } ?? nil
        list.pointee.elems[index].metadata_size = committed?.metadata.utf8.count ?? 0
        list.pointee.elems[index].err = RD_KAFKA_RESP_ERR_NO_ERROR
    }
}
