extension AvroSchema {
    /// What its messages have; nil where they are no record.
    public var outline: SchemaOutline? {
        guard case .record(let members) = self[root].shape else { return nil }
        return SchemaOutline(fields(members, depth: 1))
    }

    private func fields(_ members: [Member], depth: Int) -> [SchemaOutline.Field] {
        members.map { member in
            let branches: [Place] =
                if case .union(let branches) = self[member.type].shape { branches } else { [member.type] }
            let values = branches.filter { self[$0].shape != .null }
            return SchemaOutline.Field(
                member.name, values.count == 1 ? content(values[0], depth: depth) : .any,
                isOptional: values.count < branches.count, type: words(member.type),
                documentation: member.documentation)
        }
    }

    private func content(_ place: Place, depth: Int) -> SchemaOutline.Content {
        let node = self[place]
        if let reading = AvroInstruction.Code.reading(node) {
            return SchemaOutline.Content(reading.code, node)
        }
        return switch node.shape {
        case .array(let items):
            .list(of: depth < SchemaOutline.depth ? content(items, depth: depth + 1) : .any)
        case .map: .map
        case .record where Self.isVariableDecimal(node): .decimal(precision: nil, scale: nil)
        case .record(let members): .record(depth < SchemaOutline.depth ? fields(members, depth: depth + 1) : [])
        default: .any
        }
    }

    private static func isVariableDecimal(_ node: Node) -> Bool {
        [node.connectName, node.name].contains("io.debezium.data.VariableScaleDecimal")
    }

    /// As somebody would say it who has read the schema.
    private func words(_ place: Place) -> String {
        let node = self[place]
        if let name = node.connectName { return "\(shapeWords(node)) (\(name.split(separator: ".").last ?? ""))" }
        return shapeWords(node) + (node.logical.map { " (\($0.words))" } ?? "")
    }

    private func shapeWords(_ node: Node) -> String {
        switch node.shape {
        case .null: "null"
        case .boolean: "boolean"
        case .int: "int"
        case .long: "long"
        case .float: "float"
        case .double: "double"
        case .bytes: "bytes"
        case .string: "string"
        case .fixed(let size): "fixed of \(size)"
        case .enum: "enum \(Self.shortName(node))"
        case .array(let items): "array of \(nested(items))"
        case .map(let values): "map of \(nested(values))"
        case .record: "record \(Self.shortName(node))"
        case .union(let branches): branches.map { words($0) }.joined(separator: " or ")
        }
    }

    private func nested(_ place: Place) -> String {
        if case .union = self[place].shape { "(\(words(place)))" } else { words(place) }
    }

    private static func shortName(_ node: Node) -> String { String(node.name?.split(separator: ".").last ?? "") }
}

extension AvroSchema.Logical {
    /// As the specification names it.
    fileprivate var words: String {
        switch self {
        case .decimal(let precision?, let scale): "decimal(\(precision),\(scale))"
        case .decimal(nil, let scale): "decimal of scale \(scale)"
        case .bigDecimal: "big-decimal"
        case .uuid: "uuid"
        case .date: "date"
        case .timeMillis: "time-millis"
        case .timeMicros: "time-micros"
        case .timestampMillis: "timestamp-millis"
        case .timestampMicros: "timestamp-micros"
        case .timestampNanos: "timestamp-nanos"
        case .localTimestampMillis: "local-timestamp-millis"
        case .localTimestampMicros: "local-timestamp-micros"
        case .localTimestampNanos: "local-timestamp-nanos"
        case .duration: "duration"
        }
    }
}

extension SchemaOutline.Content {
    /// What a scalar is that is read so.
    fileprivate init(_ code: AvroInstruction.Code, _ node: AvroSchema.Node) {
        self =
            switch code {
            case .boolean: .boolean
            case .int: .integer(bits: ["int8", "int16"].contains(node.connectType) ? 16 : 32, isSigned: true)
            case .long: .integer(bits: 64, isSigned: true)
            case .float: .float
            case .double: .double
            case .bytes, .fixed: .bytes
            case .string: node.logical == .uuid ? .uuid : .string
            case .symbol: .string
            case .uuid: .uuid
            case .decimal, .fixedDecimal: Self.decimal(node)
            case .bigDecimal: .decimal(precision: nil, scale: nil)
            case .date: .day
            case .timeMillis, .timeMicros, .timeNanos: .timeOfDay
            case .instantMillis, .instantMicros, .instantNanos: .instant
            case .localMillis, .localMicros, .localNanos, .boundedMillis, .boundedMicros, .boundedNanos: .localTime
            case .interval, .durationMicros, .durationNanos: .interval
            default: .any
            }
    }

    private static func decimal(_ node: AvroSchema.Node) -> Self {
        if case .decimal(let precision, let scale) = node.logical {
            return .decimal(precision: precision, scale: scale)
        }
        func number(_ name: String) -> Int? { node.connectParameters[name].flatMap { Int($0) } }
        return .decimal(precision: number("connect.decimal.precision"), scale: number("scale"))
    }
}
