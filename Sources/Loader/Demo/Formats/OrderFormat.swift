import ArgumentParser

/// What the demo's orders can be written in.
enum OrderFormat: String, CaseIterable, ExpressibleByArgument {
    case json, avro, protobuf, csv, msgpack, cbor
    case jsonSchema = "json-schema"

    /// Messages name their schema.
    var wantsRegistry: Bool { schema != nil }

    /// The schema, and what the registry calls its kind.
    var schema: (text: String, type: String)? {
        switch self {
        case .avro: (AvroOrders.schema, "AVRO")
        case .protobuf: (ProtobufOrders.schema, "PROTOBUF")
        case .jsonSchema: (JSONSchemaOrders.schema, "JSON")
        case .json, .csv, .msgpack, .cbor: nil
        }
    }
}

/// Writes orders in a format.
struct OrderWriter {
    let format: OrderFormat
    /// The schema's number, before each message.
    let schemaID: Int32?
    private let reader = OrderReader()

    init(_ format: OrderFormat, schemaID: Int32? = nil) {
        self.format = format
        self.schemaID = schemaID
    }

    /// The value of an event; a broken one's is what it is.
    func value(of event: OrderEvents.Event) throws -> [UInt8]? {
        guard let json = event.value, let order = event.order else { return event.value }
        switch format {
        case .json: return json
        case .jsonSchema: return framed([]) + json
        default: break
        }
        let values = try reader.values(of: order, json)
        switch format {
        case .json, .jsonSchema: return json
        case .avro: return framed([]) + AvroOrders.message(values)
        // Which of the file's messages it is: the first.
        case .protobuf: return framed([0]) + ProtobufOrders.message(values)
        case .csv: return Array(CSVOrders.line(values).utf8)
        case .msgpack: return SelfDescribingOrders.message(values, MessagePackWriter())
        case .cbor: return SelfDescribingOrders.message(values, CBORWriter())
        }
    }

    private func framed(_ indexes: [UInt8]) -> [UInt8] {
        [0] + withUnsafeBytes(of: (schemaID ?? 0).bigEndian) { Array($0) } + indexes
    }
}
