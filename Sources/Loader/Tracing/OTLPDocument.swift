import Foundation
import Loading
import Tracing

/// What is posted to `/v1/traces`: OTLP's ExportTraceServiceRequest in its JSON encoding, where ids are hexadecimal and
/// 64-bit numbers are text.
///
/// https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding
struct OTLPDocument: Encodable {
    var resourceSpans: [ResourceSpans]

    init(_ spans: [Span], resource: [String: String]) {
        let attributes = resource.sorted { $0.key < $1.key }.map { Attribute(key: $0.key, value: .text($0.value)) }
        let scope = ScopeSpans(scope: Scope(name: "loader", version: Version.loader), spans: spans)
        resourceSpans = [ResourceSpans(resource: Resource(attributes: attributes), scopeSpans: [scope])]
    }

    func encoded() throws -> Data {
        let encoder = JSONEncoder()
        encoder.outputFormatting = .withoutEscapingSlashes
        return try encoder.encode(self)
    }

    struct ResourceSpans: Encodable {
        var resource: Resource
        var scopeSpans: [ScopeSpans]
    }

    struct Resource: Encodable { var attributes: [Attribute] }

    struct Scope: Encodable { var name, version: String }

    struct ScopeSpans: Encodable {
        var scope: Scope
        var spans: [Span]
    }

    struct Span: Encodable, Sendable {
        var traceId, spanId: String
        /// Left out where there is none.
        var parentSpanId: String?
        var flags = 1
        var name: String
        var kind: Int
        var startTimeUnixNano, endTimeUnixNano: String
        private(set) var attributes: [Attribute] = []
        var events: [Event] = []
        var links: [Link] = []
        var status: Status?

        init(_ this: TraceParent, parent: TraceParent?, _ name: String, _ kind: SpanKind, began: UInt64) {
            traceId = this.traceID
            spanId = this.spanID
            parentSpanId = parent?.spanID
            self.name = name
            self.kind =
                switch kind {
                case .internal: 1
                case .server: 2
                case .client: 3
                case .producer: 4
                case .consumer: 5
                }
            startTimeUnixNano = String(began)
            endTimeUnixNano = startTimeUnixNano
        }

        mutating func end(at nanoseconds: UInt64, _ attributes: SpanAttributes) {
            endTimeUnixNano = String(nanoseconds)
            self.attributes = Attribute.list(attributes)
        }
    }

    struct Event: Encodable, Sendable {
        var timeUnixNano: String
        var name: String
        var attributes: [Attribute]

        init(_ event: SpanEvent) {
            timeUnixNano = String(event.nanosecondsSinceEpoch)
            name = event.name
            attributes = Attribute.list(event.attributes)
        }
    }

    struct Link: Encodable, Sendable {
        var traceId, spanId: String
        var flags: Int
        var attributes: [Attribute]

        init(_ parent: TraceParent, _ attributes: SpanAttributes) {
            traceId = parent.traceID
            spanId = parent.spanID
            flags = parent.isSampled ? 1 : 0
            self.attributes = Attribute.list(attributes)
        }
    }

    struct Status: Encodable, Sendable {
        var code: Int
        var message: String?

        init(_ status: SpanStatus) {
            code = status.code == .ok ? 1 : 2
            message = status.message
        }
    }

    struct Attribute: Encodable, Sendable {
        var key: String
        var value: Value

        /// In the order of their names.
        static func list(_ attributes: SpanAttributes) -> [Attribute] {
            var list: [Attribute] = []
            // They are no sequence.
            // swift-format-ignore: ReplaceForEachWithForLoop
            attributes.forEach { list.append(Attribute(key: $0, value: Value($1))) }
            return list.sorted { $0.key < $1.key }
        }
    }

    indirect enum Value: Encodable, Sendable {
        case text(String)
        case integer(Int64)
        case number(Double)
        case truth(Bool)
        case list([Value])

        private enum Key: String, CodingKey { case stringValue, intValue, doubleValue, boolValue, arrayValue, values }

        init(_ attribute: SpanAttribute) {
            self =
                switch attribute {
                case .int32(let number): .integer(Int64(number))
                case .int64(let number): .integer(number)
                case .int32Array(let numbers): .list(numbers.map { .integer(Int64($0)) })
                case .int64Array(let numbers): .list(numbers.map { .integer($0) })
                case .double(let number): .number(number)
                case .doubleArray(let numbers): .list(numbers.map { .number($0) })
                case .bool(let truth): .truth(truth)
                case .boolArray(let truths): .list(truths.map { .truth($0) })
                case .string(let text): .text(text)
                case .stringArray(let texts): .list(texts.map { .text($0) })
                case .stringConvertible(let value): .text("\(value)")
                case .stringConvertibleArray(let values): .list(values.map { .text("\($0)") })
                // The API keeps this case back for what it may add.
                default: .text("")
                }
        }

        func encode(to encoder: any Encoder) throws {
            var container = encoder.container(keyedBy: Key.self)
            switch self {
            case .text(let text): try container.encode(text, forKey: .stringValue)
            case .integer(let number): try container.encode(String(number), forKey: .intValue)
            // JSON has no such numbers.
            case .number(let number) where !number.isFinite: try container.encode("\(number)", forKey: .stringValue)
            case .number(let number): try container.encode(number, forKey: .doubleValue)
            case .truth(let truth): try container.encode(truth, forKey: .boolValue)
            case .list(let values):
                var array = container.nestedContainer(keyedBy: Key.self, forKey: .arrayValue)
                try array.encode(values, forKey: .values)
            }
        }
    }
}
