extension ProtobufSchema {
    /// What messages of a type have.
    public func outline(of message: Int) -> SchemaOutline { SchemaOutline(fields(of: message, depth: 1)) }

    private func fields(of message: Int, depth: Int) -> [SchemaOutline.Field] {
        // As they were numbered, which is mostly how they were written.
        self[message].fields.map { field in
            let isMap = field.isRepeated && field.kind == .message && self[field.type].isMapEntry
            let single = content(field, depth: depth)
            return SchemaOutline.Field(
                field.name, isMap ? .map : field.isRepeated ? .list(of: single) : single,
                isOptional: field.hasPresence && !field.isRepeated, type: words(field, isMap: isMap))
        }
    }

    private func content(_ field: Field, depth: Int) -> SchemaOutline.Content {
        switch field.kind {
        case .double: return .double
        case .float: return .float
        case .int32, .sint32, .sfixed32: return .integer(bits: 32, isSigned: true)
        case .int64, .sint64, .sfixed64: return .integer(bits: 64, isSigned: true)
        case .uint32, .fixed32: return .integer(bits: 32, isSigned: false)
        case .uint64, .fixed64: return .integer(bits: 64, isSigned: false)
        case .bool: return .boolean
        case .string, .symbol: return .string
        case .bytes: return .bytes
        case .message, .group: break
        }
        let message = self[field.type]
        switch ProtobufMeaning(message) {
        case .timestamp, .dateTime: return .instant
        case .duration: return .interval
        case .wrapper: return message.fields.first.map { content($0, depth: depth) } ?? .any
        case .structure: return .map
        case .value, .listValue: return .any
        case .date: return .day
        case .timeOfDay: return .timeOfDay
        case .fieldMask, .timeZone: return .string
        case .decimalText, .decimal: return .decimal(precision: nil, scale: nil)
        default: return .record(depth < SchemaOutline.depth ? fields(of: field.type, depth: depth + 1) : [])
        }
    }

    private func words(_ field: Field, isMap: Bool) -> String {
        if isMap {
            let entry = self[field.type].fields
            return "map of \(entry.map { words($0, isMap: false) }.joined(separator: " to "))"
        }
        let name: String =
            switch field.kind {
            case .symbol: "enum \(Self.shortName(enums[field.type].name))"
            case .message, .group: self[field.type].name
            default: "\(field.kind)"
            }
        return field.isRepeated ? "repeated \(name)" : name
    }

    private static func shortName(_ name: String) -> String { String(name.split(separator: ".").last ?? "") }
}
