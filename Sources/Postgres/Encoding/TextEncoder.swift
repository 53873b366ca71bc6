/// How one column's values become a field of text COPY: `\N` for null, special characters after a backslash. The
/// caller writes the tabs between fields and the newline behind a row.
///
/// Every type has one. For the types that `BinaryEncoder` takes, the same values are accepted, and times are written
/// in one canonical form. For any other type the server's input function reads the value: strings, numbers and truth
/// values are passed as they are; a JSON array becomes an array's literal, a JSON object a composite type's, its
/// attributes found by name, those missing being NULL, or an hstore's. The types of extensions get arrays and objects as
/// the JSON they are. A number becomes an interval or a `timetz` by the options' unit only, an interval goes into interval, and
/// a time of day into `timetz` in UTC.
public struct TextEncoder: Sendable {
    /// Shared, so that an encoder is one pointer however it is passed about.
    private let shared: SharedColumnForm
    private var form: ColumnForm { _read { yield shared.form } }

    /// - Parameter options: an unknown `timeZone` counts as none; see `EncodingOptions.isKnownTimeZone(_:)`.
    public init(_ type: PostgresType, options: EncodingOptions) {
        shared = SharedColumnForm(ColumnForm(type, options: options))
    }

    /// Appends the field.
    ///
    /// - Parameter containers: asked for what is in lists and records, for arrays, composite types, hstore and JSON.
    /// - Throws: why the value does not fit; the buffer then is as it was before.
    public func encode(
        _ value: InputValue, into buffer: inout CopyBuffer, containers: any ContainerReader
    ) throws(EncodingFailure) {
        try Self.encode(value, form, into: &buffer, containers: containers)
    }

    private static func encode(
        _ value: InputValue, _ form: borrowing ColumnForm, into buffer: inout CopyBuffer,
        containers: any ContainerReader
    ) throws(EncodingFailure) {
        if value.kind == .null { return buffer.append("\\N") }
        if form.kind == .decoded {
            var value = value
            let inner = try form.resolving(&value, containers)
            return try encode(value, inner, into: &buffer, containers: containers)
        }
        let start = buffer.count
        do {
            try append(value, form, to: &buffer, containers)
        } catch {
            buffer.truncate(to: start)
            throw error
        }
        if form.mayNeedEscapes { buffer.escapeForCopy(from: start) }
    }

    /// Appends the value as its input function reads it, before any escapes of COPY's. The value is not null.
    private static func append(
        _ value: InputValue, _ form: borrowing ColumnForm, to buffer: inout CopyBuffer,
        _ containers: any ContainerReader
    ) throws(EncodingFailure) {
        switch form.kind {
        case .text: try form.appendTextOrShape(value, to: &buffer, containers)
        case .int4: buffer.append(decimal: try form.integer(value, in: Int64(Int32.min)...Int64(Int32.max)))
        case .int8: buffer.append(decimal: try form.integer(value, in: .min ... .max))
        case .int2: buffer.append(decimal: try form.integer(value, in: Int64(Int16.min)...Int64(Int16.max)))
        case .numeric:
            if form.options.writing != nil, let number = try form.unscaled(value, containers) {
                return try append(number, form, to: &buffer, containers)
            }
            if value.kind.isNumber {
                try value.withText { (number) throws(EncodingFailure) in
                    _ = try form.numeric(number)
                    buffer.append(number.bytes)
                }
            } else if value.kind == .record, let number = containers.number(of: value) {
                try append(number, form, to: &buffer, containers)
            } else {
                _ = try form.numeric(value)
                buffer.append(value.bytes.trimmingWhitespace())
            }
        case .timestamp, .timestamptz: append(timestamp: try form.microseconds(value), form, to: &buffer)
        case .json, .jsonb: try form.appendJSON(value, to: &buffer, containers)
        case .bool: buffer.append(byte: try form.boolean(value) ? UInt8(ascii: "t") : UInt8(ascii: "f"))
        case .float8:
            let number = try form.double(value)
            // What is written already says it at least as well.
            if value.kind.isNumber {
                buffer.append(shortest: number)
            } else {
                buffer.append(value.bytes.trimmingWhitespace())
            }
        case .float4:
            let number = try form.float(value)
            if value.kind.isNumber {
                buffer.append(shortest: number)
            } else {
                buffer.append(value.bytes.trimmingWhitespace())
            }
        case .uuid:
            let halves = try form.uuid(value)
            if value.kind == .string { buffer.append(value.bytes) } else { buffer.append(uuid: halves) }
        case .enumeration: buffer.append(try form.label(value))
        case .date:
            switch try form.day(value) {
            case .max: buffer.append("infinity")
            case .min: buffer.append("-infinity")
            case let day: append(day: Int64(day), to: &buffer)
            }
        case .time: CalendarTime.append(timeOfDay: try form.timeOfDay(value), to: &buffer)
        case .bytea:
            buffer.append("\\x")
            let start = buffer.count
            try form.appendBytesOrShape(value, to: &buffer, containers)
            buffer.expandToHexadecimal(from: start)
        case .array: try append(array: value, form, to: &buffer, containers)
        case .composite: try append(composite: value, form, to: &buffer, containers)
        case .hstore: try append(hstore: value, form, to: &buffer, containers)
        case .interval, .timetz: try form.appendServerTime(value, to: &buffer)
        case .other: try form.appendOther(value, to: &buffer, containers)
        case .decoded:
            // Resolved by all who call this, because it may come to null.
            throw EncodingFailure(.wrongType, found: value.kind)
        }
    }

    private static func append(timestamp: Int64, _ form: borrowing ColumnForm, to buffer: inout CopyBuffer) {
        switch timestamp {
        case .max: buffer.append("infinity")
        case .min: buffer.append("-infinity")
        default:
            CalendarTime.append(
                microseconds: timestamp, separator: UInt8(ascii: " "), zone: form.kind == .timestamptz ? "+00" : "",
                to: &buffer)
        }
    }

    private static func append(day: Int64, to buffer: inout CopyBuffer) {
        if CalendarTime.append(day: day, to: &buffer) { buffer.append(" BC") }
    }

    private static func append(
        array value: InputValue, _ form: borrowing ColumnForm, to buffer: inout CopyBuffer,
        _ containers: any ContainerReader
    ) throws(EncodingFailure) {
        guard value.kind.isList else {
            guard value.kind == .string else { throw EncodingFailure(.wrongType, found: value.kind) }
            // A literal is left to the server, except where binary COPY would have to read it.
            guard form.isBinary else { return try form.appendText(value, to: &buffer) }
            return try append(literal: form.literal(value.bytes), form, to: &buffer, containers)
        }
        let shape = try ArrayShape(value, nests: !form.parts[0].takesArrays, containers)
        if shape.lengths.isEmpty { return buffer.append("{}") }
        try appendDimension(shape.elements, shape.lengths[...], form, to: &buffer, containers)
    }

    private static func appendDimension(
        _ elements: [InputValue], _ lengths: ArraySlice<Int>, _ form: borrowing ColumnForm,
        to buffer: inout CopyBuffer, _ containers: any ContainerReader
    ) throws(EncodingFailure) {
        guard elements.count == lengths.first else { throw EncodingFailure(.badSyntax, found: .array) }
        var opening = UInt8(ascii: "{")
        for element in elements {
            buffer.append(byte: opening)
            opening = form.delimiter
            if lengths.count > 1 {
                guard element.kind.isList else { throw EncodingFailure(.badSyntax, found: .array) }
                try appendDimension(
                    containers.elements(of: element), lengths.dropFirst(), form, to: &buffer, containers)
            } else {
                try appendElement(element, form.parts[0], to: &buffer, containers)
            }
        }
        buffer.append(byte: UInt8(ascii: "}"))
    }

    private static func appendElement(
        _ element: InputValue, _ form: borrowing ColumnForm, to buffer: inout CopyBuffer,
        _ containers: any ContainerReader
    ) throws(EncodingFailure) {
        if element.kind.isList, !form.takesArrays { throw EncodingFailure(.badSyntax, found: .array) }
        if form.kind == .decoded {
            var element = element
            let inner = try form.resolving(&element, containers)
            return try appendElement(element, inner, to: &buffer, containers)
        }
        if element.kind == .null { return buffer.append("NULL") }
        try appendQuoted(element, form, to: &buffer, containers)
    }

    /// Writes an array's literal anew, because its elements are judged as those of a JSON array are.
    private static func append(
        literal: ArrayLiteral, _ form: borrowing ColumnForm, to buffer: inout CopyBuffer,
        _ containers: any ContainerReader
    ) throws(EncodingFailure) {
        if literal.lengths.isEmpty { return buffer.append("{}") }
        for index in literal.elements.indices {
            if index > 0 { buffer.append(byte: form.delimiter) }
            for _ in 0..<literal.arrays(beginningAt: index) { buffer.append(byte: UInt8(ascii: "{")) }
            try literal.withElement(index) { element throws(EncodingFailure) in
                try appendElement(
                    form.elementOfLiteral(element, containers), form.parts[0], to: &buffer, containers)
            }
            for _ in 0..<literal.arrays(beginningAt: index + 1) { buffer.append(byte: UInt8(ascii: "}")) }
        }
    }

    private static func append(
        composite value: InputValue, _ form: borrowing ColumnForm, to buffer: inout CopyBuffer,
        _ containers: any ContainerReader
    ) throws(EncodingFailure) {
        guard value.kind.isRecord else {
            if value.kind == .string { return try form.appendText(value, to: &buffer) }
            throw EncodingFailure(.wrongType, found: value.kind)
        }
        let members = try containers.members(of: value)
        buffer.append(byte: UInt8(ascii: "("))
        for index in form.parts.indices {
            if index > 0 { buffer.append(byte: UInt8(ascii: ",")) }
            let name = form.attributeNames[index]
            guard let member = members.last(where: { $0.name == name }) else { continue }
            var value = member.value
            let part = try form.parts[index].resolving(&value, containers)
            if value.kind != .null { try appendQuoted(value, part, to: &buffer, containers) }
        }
        buffer.append(byte: UInt8(ascii: ")"))
    }

    /// `"name"=>"value"`, each value as the text that it is; what is nested as its JSON.
    private static func append(
        hstore value: InputValue, _ form: borrowing ColumnForm, to buffer: inout CopyBuffer,
        _ containers: any ContainerReader
    ) throws(EncodingFailure) {
        guard value.kind.isRecord else {
            if value.kind == .string { return try form.appendText(value, to: &buffer) }
            throw EncodingFailure(.wrongType, found: value.kind)
        }
        var isFirst = true
        for member in try containers.members(of: value) {
            if !isFirst { buffer.append(byte: UInt8(ascii: ",")) }
            isFirst = false
            var name = member.name
            let failure = name.withUTF8 { bytes -> EncodingFailure? in
                let name = InputValue(.string, UnsafeRawBufferPointer(bytes))
                do throws(EncodingFailure) {
                    try appendQuoted(hstore: name, form, to: &buffer, containers)
                } catch {
                    return error
                }
                return nil
            }
            if let failure { throw failure }
            buffer.append("=>")
            if member.value.kind == .null {
                buffer.append("NULL")
            } else {
                try appendQuoted(hstore: member.value, form, to: &buffer, containers)
            }
        }
    }

    private static func appendQuoted(
        hstore value: InputValue, _ form: borrowing ColumnForm, to buffer: inout CopyBuffer,
        _ containers: any ContainerReader
    ) throws(EncodingFailure) {
        buffer.append(byte: UInt8(ascii: "\""))
        let start = buffer.count
        switch value.kind {
        case .array, .object: buffer.append(value.bytes)
        case .list, .record: try form.appendJSON(value, to: &buffer, containers)
        default: try form.appendText(value, to: &buffer)
        }
        buffer.escape(from: start) { $0 == UInt8(ascii: "\"") || $0 == UInt8(ascii: "\\") ? $0 : 0 }
        buffer.append(byte: UInt8(ascii: "\""))
    }

    /// Appends a value in double quotes, which the literals of arrays and of composite types both read.
    private static func appendQuoted(
        _ value: InputValue, _ form: borrowing ColumnForm, to buffer: inout CopyBuffer,
        _ containers: any ContainerReader
    ) throws(EncodingFailure) {
        buffer.append(byte: UInt8(ascii: "\""))
        let start = buffer.count
        try append(value, form, to: &buffer, containers)
        buffer.escape(from: start) { $0 == UInt8(ascii: "\"") || $0 == UInt8(ascii: "\\") ? $0 : 0 }
        buffer.append(byte: UInt8(ascii: "\""))
    }
}

extension ColumnForm {
    /// Whether the text can have a character that COPY wants escaped.
    fileprivate var mayNeedEscapes: Bool {
        switch kind {
        case .text, .enumeration, .bytea, .json, .jsonb, .array, .composite, .hstore, .interval, .timetz, .other: true
        default: false
        }
    }
}

extension CopyBuffer {
    /// Escapes what separates fields and rows in text COPY, from `start` on.
    mutating func escapeForCopy(from start: Int) {
        guard let first = firstControlOrBackslash(from: start) else { return }
        escape(from: first) { byte in
            switch byte {
            case UInt8(ascii: "\\"): byte
            case 0x09: UInt8(ascii: "t")
            case 0x0A: UInt8(ascii: "n")
            case 0x0D: UInt8(ascii: "r")
            default: 0
            }
        }
    }

    /// Where the first byte below 0x20 or backslash may be, eight bytes a step; nil if there is none.
    private func firstControlOrBackslash(from start: Int) -> Int? {
        let ones: UInt64 = 0x0101_0101_0101_0101
        let highBits: UInt64 = 0x8080_8080_8080_8080
        var index = start
        while index &+ 8 <= count {
            let word = base.loadUnaligned(fromByteOffset: index, as: UInt64.self)
            let backslashes = word ^ (ones &* 0x5C)
            // A byte's high bit is set where the byte borrows: it was below 0x20, or zero and so a backslash.
            let found = ((word &- ones &* 0x20) & ~word) | ((backslashes &- ones) & ~backslashes)
            if found & highBits != 0 { return index }
            index &+= 8
        }
        while index < count {
            let byte = base.load(fromByteOffset: index, as: UInt8.self)
            if byte < 0x20 || byte == UInt8(ascii: "\\") { return index }
            index &+= 1
        }
        return nil
    }

    /// Puts a backslash and `replacement(byte)` in place of each byte from `start` on whose replacement is not 0.
    @inline(__always)
    fileprivate mutating func escape(from start: Int, _ replacement: (UInt8) -> UInt8) {
        let length = count - start
        var extra = 0
        let source = base + start
        for index in 0..<length where replacement(source.load(fromByteOffset: index, as: UInt8.self)) != 0 {
            extra &+= 1
        }
        if extra == 0 { return }
        let target = reserve(extra) - length
        advance(by: extra)
        // From the end backwards, so that nothing is overwritten before it has moved.
        var read = length
        var write = length + extra
        while read < write {
            read &-= 1
            write &-= 1
            let byte = target.load(fromByteOffset: read, as: UInt8.self)
            let escaped = replacement(byte)
            target.storeBytes(of: escaped == 0 ? byte : escaped, toByteOffset: write, as: UInt8.self)
            if escaped != 0 {
                write &-= 1
                target.storeBytes(of: UInt8(ascii: "\\"), toByteOffset: write, as: UInt8.self)
            }
        }
    }

    /// Puts two hexadecimal digits in place of each byte from `start` on.
    mutating func expandToHexadecimal(from start: Int) {
        let length = count - start
        let target = reserve(length) - length
        advance(by: length)
        var index = length
        while index > 0 {
            index &-= 1
            let byte = target.load(fromByteOffset: index, as: UInt8.self)
            target.storeBytes(of: (byte >> 4).hexDigit, toByteOffset: 2 &* index, as: UInt8.self)
            target.storeBytes(of: (byte & 0xF).hexDigit, toByteOffset: 2 &* index &+ 1, as: UInt8.self)
        }
    }
}
