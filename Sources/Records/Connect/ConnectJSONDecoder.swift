/// Reads JSON, and in the envelope that Kafka Connect's JsonConverter puts around it, `{"schema":…,"payload":…}`, what the
/// schema says that the values are.
///
/// - An envelope is one if it is just as that converter writes it: those two names in that order and nothing else.
/// - Paths that begin with `payload` or `schema` get each message as it is.
/// - Bytes are base64, and become bytes; types with the semantic names of Connect and Debezium become what `ConnectMeaning` says.
///   All else stays as JSON has it.
/// - The schemas of the last messages are remembered by their bytes.
///
/// JSON without the envelope costs a look at its first bytes.
public final class ConnectJSONDecoder: RecordDecoder {
    final class Plan {
        let text: [UInt8]
        let schema: ConnectSchema
        /// The type of what each path leads to, where JSON does not say all of it; negative: it does.
        let types: [Int]

        init(_ text: [UInt8], _ schema: ConnectSchema, _ paths: [FieldPath]) {
            (self.text, self.schema) = (text, schema)
            types = paths.map { path in
                guard let place = schema.place(of: path), schema.nodes[place].isMore else { return -1 }
                return place
            }
        }
    }

    public var padding: Int { JSONRecordDecoder.padding }

    /// What was in the envelope of the last message, all of it; nil: it had none.
    public private(set) var payload: Field?

    private let paths: [FieldPath]
    private let opens: Bool
    private let json: JSONRecordDecoder
    private lazy var parts = JSONRecordDecoder(paths: [FieldPath(["schema"]), FieldPath(["payload"])])
    private let container = JSONContainer()
    private let memory = SideMemory()
    private let converted: UnsafeMutableBufferPointer<Field>
    private var plans: [Plan] = []
    private var current: Plan?
    private var oldest = 0
    /// Texts that `visit` looks into.
    private var opened: [UnsafeRawBufferPointer] = []

    /// More than the versions that one topic has at a time.
    private static let mostPlans = 16
    private static let head: StaticString = #"{"schema":"#
    private static let middle: StaticString = #","payload":"#

    public init(paths: [FieldPath]) {
        self.paths = paths
        opens = Self.opens(paths)
        json = JSONRecordDecoder(paths: paths)
        converted = .allocate(capacity: paths.count)
        converted.initialize(repeating: Field(.absent))
    }

    deinit {
        converted.deallocate()
    }

    /// Whether none of the paths is one of the envelope's own.
    public static func opens(_ paths: [FieldPath]) -> Bool {
        paths.allSatisfy { $0.components.first != "schema" && $0.components.first != "payload" }
    }

    /// Whether it begins as an envelope does: eight bytes at once.
    @inline(__always)
    public static func mayBeEnvelope(_ message: UnsafeRawBufferPointer) -> Bool {
        guard message.count >= 24 else { return false }
        return UInt64(bigEndian: message.loadUnaligned(as: UInt64.self)) == 0x7B22_7363_6865_6D61
            && begins(message, head)
    }

    /// Whether it is an envelope with nothing in it, which is how the converter writes a tombstone.
    public static func isTombstone(_ message: UnsafeRawBufferPointer) -> Bool {
        let end: StaticString = #","payload":null}"#
        return mayBeEnvelope(message)
            && begins(UnsafeRawBufferPointer(rebasing: message[(message.count - end.utf8CodeUnitCount)...]), end)
    }

    private static func begins(_ message: UnsafeRawBufferPointer, _ text: StaticString) -> Bool {
        guard message.count >= text.utf8CodeUnitCount else { return false }
        for place in 0..<text.utf8CodeUnitCount where message[place] != text.utf8Start[place] { return false }
        return true
    }

    // MARK: Messages

    @inline(__always)
    public func decode(_ message: UnsafeRawBufferPointer) throws(DecodingFailure) -> UnsafeBufferPointer<Field> {
        if opens, Self.mayBeEnvelope(message), let fields = try open(message) { return fields }
        payload = nil
        return try json.decode(message)
    }

    /// - Returns: nil for what is no envelope.
    @inline(never)
    private func open(_ message: UnsafeRawBufferPointer) throws(DecodingFailure) -> UnsafeBufferPointer<Field>? {
        guard let plan = plan(of: message) else { return nil }
        let start = Self.head.utf8CodeUnitCount + plan.text.count + Self.middle.utf8CodeUnitCount
        let inside = UnsafeRawBufferPointer(rebasing: message[start..<message.count - 1])
        begin()
        guard inside.first == UInt8(ascii: "{") else { return try openScalar(inside, plan) }
        let fields: UnsafeBufferPointer<Field>
        do throws(DecodingFailure) {
            fields = try json.decode(inside)
        } catch {
            // Either way: more names than an envelope has, or no JSON at all, which is told by the place in the message.
            return nil
        }
        payload = try value(of: Field(.object, inside), plan.schema.root, plan.schema)
        return try convert(fields, plan)
    }

    /// Reads a message that has no envelope and is of these types.
    func decode(
        _ message: UnsafeRawBufferPointer, of plan: Plan
    ) throws(DecodingFailure) -> UnsafeBufferPointer<Field> {
        begin()
        current = plan
        return try convert(try json.decode(message), plan)
    }

    private func begin() {
        memory.reset()
        container.reset()
        opened.removeAll(keepingCapacity: true)
    }

    private func convert(
        _ fields: UnsafeBufferPointer<Field>, _ plan: Plan
    ) throws(DecodingFailure) -> UnsafeBufferPointer<Field> {
        for slot in paths.indices {
            let type = plan.types[slot]
            converted[slot] = type < 0 ? fields[slot] : try value(of: fields[slot], type, plan.schema)
        }
        return UnsafeBufferPointer(converted)
    }

    /// What is in the envelope and no object, as a key is often.
    private func openScalar(
        _ inside: UnsafeRawBufferPointer, _ plan: Plan
    ) throws(DecodingFailure) -> UnsafeBufferPointer<Field>? {
        let room = memory.room(for: inside.count + 2 + JSONRecordDecoder.padding)
        room[0] = UInt8(ascii: "[")
        UnsafeMutableRawBufferPointer(rebasing: room[1...]).copyMemory(from: inside)
        room[inside.count + 1] = UInt8(ascii: "]")
        for place in inside.count + 2..<room.count { room[place] = 0 }
        let list = UnsafeRawBufferPointer(rebasing: room[..<(inside.count + 2)])
        guard let elements = try? container.elements(of: list), elements.count == 1 else { return nil }
        let whole = try value(of: elements[0], plan.schema.root, plan.schema)
        payload = whole
        guard paths.contains(where: { $0.components.isEmpty }) else {
            throw DecodingFailure(.notAnObject, "is an envelope of Kafka Connect's, but what is in it is no object")
        }
        for slot in paths.indices { converted[slot] = paths[slot].components.isEmpty ? whole : Field(.absent) }
        return UnsafeBufferPointer(converted)
    }

    // MARK: Schemas

    /// What is known of a message's schema, which is read if it is new; nil for what is no envelope.
    private func plan(of message: UnsafeRawBufferPointer) -> Plan? {
        if let current, isOf(current, message) { return current }
        if let known = plans.first(where: { isOf($0, message) }) {
            current = known
            return known
        }
        let head = Self.head.utf8CodeUnitCount
        guard let fields = try? parts.decode(message), fields[1].kind != .absent else { return nil }
        let text: [UInt8]
        switch fields[0].kind {
        case .object: text = Array(fields[0].bytes)
        case .null: text = Array("null".utf8)
        default: return nil
        }
        guard message.count > head + text.count,
            message[head..<head + text.count].elementsEqual(text),
            let schema = ConnectSchema(fields[0])
        else { return nil }
        let plan = Plan(text, schema, paths)
        guard isOf(plan, message) else { return nil }
        if plans.count < Self.mostPlans {
            plans.append(plan)
        } else {
            plans[oldest] = plan
            oldest = (oldest + 1) % Self.mostPlans
        }
        current = plan
        return plan
    }

    /// Whether a message has this schema, and behind it what is in the envelope.
    private func isOf(_ plan: Plan, _ message: UnsafeRawBufferPointer) -> Bool {
        let head = Self.head.utf8CodeUnitCount
        let end = head + plan.text.count
        guard message.count > end + Self.middle.utf8CodeUnitCount + 1, message[message.count - 1] == UInt8(ascii: "}")
        else { return false }
        return plan.text.withUnsafeBytes { text in
            UnsafeRawBufferPointer(rebasing: message[head..<end]).elementsEqual(text)
        } && Self.begins(UnsafeRawBufferPointer(rebasing: message[end...]), Self.middle)
    }

    // MARK: Values

    private func value(of field: Field, _ type: Int, _ schema: ConnectSchema) throws(DecodingFailure) -> Field {
        let node = schema.nodes[type]
        guard node.isMore, field.kind != .null, field.kind != .absent else { return field }
        switch (node.shape, field.kind) {
        case (.bytes, .string): return Field(.bytes, try bytes(of: field))
        case (.meant(.decimal(let scale)), .string): return decimal(try bytes(of: field), scale)
        case (.meant(.bits(let length)), .string):
            return ConnectMeaning.digits(of: try bytes(of: field), length: length, in: memory)
        case (.meant(.variableDecimal), .object): return try variableDecimal(field)
        case (.meant(let meaning), .number):
            return Int64(String(decoding: field.bytes, as: UTF8.self)).flatMap { meaning.value(of: $0) } ?? field
        case (.array, .array), (.map(_, isObject: true), .object), (.structure, .object), (.map, .array):
            opened.append(field.bytes)
            let place = UInt64(opened.count - 1)
            if case .array = node.shape { return .list(place, node: UInt32(type)) }
            return .record(place, node: UInt32(type))
        default: return field
        }
    }

    private func decimal(_ unscaled: UnsafeRawBufferPointer, _ scale: Int32) -> Field {
        .decimal(unscaled, scale: scale)
    }

    /// A record of a scale and the bytes of a number. What is no such thing stays what it is.
    private func variableDecimal(_ field: Field) throws(DecodingFailure) -> Field {
        guard let members = try? container.members(of: field.bytes),
            let value = members.last(where: { $0.name == "value" })?.value, value.kind == .string,
            let scale = members.last(where: { $0.name == "scale" })?.value, scale.kind == .number,
            let number = Int32(String(decoding: scale.bytes, as: UTF8.self))
        else { return field }
        return decimal(try bytes(of: value), number)
    }

    private func bytes(of field: Field) throws(DecodingFailure) -> UnsafeRawBufferPointer {
        let room = memory.room(for: field.bytes.count / 4 * 3 + 3)
        guard let count = Base64.decode(field.bytes, into: room) else {
            throw DecodingFailure(.invalidSyntax, "has bytes that are no base64, though its schema says so")
        }
        return UnsafeRawBufferPointer(rebasing: room[..<count])
    }

    public func visit(
        _ container: Field, _ body: (_ name: UnsafeRawBufferPointer, _ value: Field) -> Bool
    ) throws(DecodingFailure) {
        guard let schema = current?.schema, container.place < UInt64(opened.count) else {
            throw .json(.invalidSyntax)
        }
        let text = opened[Int(container.place)]
        switch schema.nodes[Int(container.node)].shape {
        case .array(let items):
            let noName = UnsafeRawBufferPointer(start: nil, count: 0)
            for element in try self.container.elements(of: text) {
                guard body(noName, try value(of: element, items, schema)) else { return }
            }
        case .map(let values, isObject: true):
            for (name, element) in try self.container.members(of: text) {
                guard try hand(name, element, values, schema, body) else { return }
            }
        case .map(let values, isObject: false):
            for pair in try self.container.elements(of: text) {
                let parts = try self.container.elements(of: pair.bytes)
                guard parts.count == 2 else { throw .json(.invalidSyntax) }
                let name = String(decoding: parts[0].name, as: UTF8.self)
                guard try hand(name, parts[1], values, schema, body) else { return }
            }
        case .structure(let fields):
            for (name, element) in try self.container.members(of: text) {
                guard try hand(name, element, fields[name] ?? -1, schema, body) else { return }
            }
        default: throw .json(.invalidSyntax)
        }
    }

    private func hand(
        _ name: String, _ field: Field, _ type: Int, _ schema: ConnectSchema,
        _ body: (_ name: UnsafeRawBufferPointer, _ value: Field) -> Bool
    ) throws(DecodingFailure) -> Bool {
        let value = type < 0 ? field : try value(of: field, type, schema)
        var name = name
        return name.withUTF8 { body(UnsafeRawBufferPointer($0), value) }
    }
}

extension Field {
    /// What a key of a map is as a name.
    fileprivate var name: UnsafeRawBufferPointer {
        switch kind {
        case .true: UnsafeRawBufferPointer(start: Self.yes.utf8Start, count: 4)
        case .false: UnsafeRawBufferPointer(start: Self.no.utf8Start, count: 5)
        case .null: UnsafeRawBufferPointer(start: Self.none.utf8Start, count: 4)
        default: bytes
        }
    }

    private static let yes: StaticString = "true"
    private static let no: StaticString = "false"
    private static let none: StaticString = "null"
}
