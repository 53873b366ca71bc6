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
        func values() throws -> OrderValues { try reader.values(of: order, json) }
        return switch format {
        case .json: json
        case .jsonSchema: framed([]) + json
        case .avro: framed([]) + AvroOrders.message(try values())
        // Which of the file's messages it is: the first.
        case .protobuf: framed([0]) + ProtobufOrders.message(try values())
        case .csv: Array(CSVOrders.line(try values()).utf8)
        case .msgpack: SelfDescribingOrders.message(try values(), MessagePackWriter())
        case .cbor: SelfDescribingOrders.message(try values(), CBORWriter())
        }
    }

    private func framed(_ indexes: [UInt8]) -> [UInt8] {
        [0] + withUnsafeBytes(of: (schemaID ?? 0).bigEndian) { Array($0) } + indexes
    }
}
