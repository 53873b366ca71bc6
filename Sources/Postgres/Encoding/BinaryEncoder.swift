/// How one column's values become bytes of binary COPY: a length word and the payload, or a length of -1 for null.
///
/// There is one for bool, int2, int4, int8, float4, float8, numeric, text, varchar, char(n), citext, bytea, uuid, date,
/// time, timestamp, timestamptz, json, jsonb, enums, and domains over and arrays of these. What it accepts is what
/// `TextEncoder` accepts:
///
/// - A string is read as the input function of PostgreSQL 15 reads it, but for hexadecimal floats and for white space
///   before the digits of an exponent, which version 16 refuses as well. Times are RFC 3339 or ISO 8601, `infinity`,
///   PostgreSQL's output in DateStyle ISO, and what `TimeSpelling` adds; words such as `now` and other orders of day
///   and month are refused. A `bytea` is hexadecimal after `\x`, else the string's own bytes. An array's literal is
///   read.
/// - A number goes into number types (into integers if it is whole, however written), into text types as written, 0 and
///   1 into bool, and by the options' unit into date, time, timestamp and timestamptz, cut off towards the past below a
///   microsecond. With a unit a string that is a number is one.
/// - A truth value goes into bool and text types.
/// - An array goes into arrays of one or more dimensions; anything goes into json and jsonb.
/// - Numbers that are no text go where those in text go, and decimals nowhere through a float. A day goes into date,
///   and as its midnight into timestamp and, in the options' zone, timestamptz; a local time likewise; a time of day
///   into time; an instant where other moments go, and as milliseconds into int8; a UUID into uuid and bytea, bytes
///   into bytea and, sixteen of them, into uuid. Into text types they all go, bytes if they are UTF-8, and each as what
///   `CopyBuffer.append(textOf:)` says.
/// - A moment, which is a number, or a text with an offset, goes into `timestamp` and `date` as the clock shows it in
///   the options' zone, or UTC; so does a text with an offset into `time`. A text without one needs the zone for
///   `timestamptz`.
/// - Strings are decoded by the options first. The bytes of a key, value or header are a document for json and jsonb.
/// - Null is NULL; whether the column takes it is the caller's to check.
public struct BinaryEncoder: Sendable {
    /// Shared, so that an encoder is one pointer however it is passed about.
    private let shared: SharedColumnForm
    private var form: ColumnForm { _read { yield shared.form } }

    /// Nil where the type has no binary encoder, so that the whole table goes by text COPY.
    ///
    /// - Parameter options: an unknown `timeZone` counts as none; see `EncodingOptions.isKnownTimeZone(_:)`.
    public init?(_ type: PostgresType, options: EncodingOptions) {
        shared = SharedColumnForm(ColumnForm(type, options: options))
        guard form.isBinary else { return nil }
    }

    /// Appends the length word and the payload.
    ///
    /// - Parameter containers: asked for what is in lists and records, for arrays, json and jsonb.
    /// - Throws: why the value does not fit; the buffer then is as it was before.
    public func encode(
        _ value: InputValue, into buffer: inout CopyBuffer, containers: any ContainerReader
    ) throws(EncodingFailure) {
        try Self.encode(value, form, into: &buffer, containers: containers)
    }

    /// The encoder without a share in its form, so that taking it from memory that others may change retains nothing.
    public struct Unretained: Sendable {
        private let shared: Unmanaged<SharedColumnForm>

        /// - Parameter encoder: must outlive this one.
        public init(_ encoder: BinaryEncoder) { shared = .passUnretained(encoder.shared) }

        /// As `BinaryEncoder.encode`.
        public func encode(
            _ value: InputValue, into buffer: inout CopyBuffer, containers: any ContainerReader
        ) throws(EncodingFailure) {
            // A typed error cannot be thrown through, so the failure is carried out by hand.
            let failure: EncodingFailure? = shared._withUnsafeGuaranteedRef { shared in
                do throws(EncodingFailure) {
                    try BinaryEncoder.encode(value, shared.form, into: &buffer, containers: containers)
                    return nil
                } catch {
                    return error
                }
            }
            if let failure { throw failure }
        }
    }

    private static func encode(
        _ value: InputValue, _ form: borrowing ColumnForm, into buffer: inout CopyBuffer,
        containers: any ContainerReader
    ) throws(EncodingFailure) {
        let start = buffer.count
        do {
            try append(value, form, to: &buffer, containers)
        } catch {
            buffer.truncate(to: start)
            throw error
        }
    }

    private static func append(
        _ value: InputValue, _ form: borrowing ColumnForm, to buffer: inout CopyBuffer,
        _ containers: any ContainerReader
    ) throws(EncodingFailure) {
        // Long because it is one choice among all types.
        if value.kind == .null { return buffer.append(-1 as Int32) }
        switch form.kind {
        case .text:
            let start = buffer.count
            buffer.append(0 as Int32)
            try form.appendTextOrShape(value, to: &buffer, containers)
            try finish(from: start, &buffer, found: value.kind)
        case .int4:
            let number = try form.integer(value, in: Int64(Int32.min)...Int64(Int32.max))
            buffer.append(4 as Int32)
            buffer.append(Int32(truncatingIfNeeded: number))
        case .int8:
            let number = try form.integer(value, in: .min ... .max)
            buffer.append(8 as Int32)
            buffer.append(number)
        case .int2:
            let number = try form.integer(value, in: Int64(Int16.min)...Int64(Int16.max))
            buffer.append(2 as Int32)
            buffer.append(Int16(truncatingIfNeeded: number))
        case .numeric:
            if form.options.writing != nil, let number = try form.unscaled(value, containers) {
                return try append(number, form, to: &buffer, containers)
            }
            let isText = value.kind == .number || value.kind == .string
            if isText, NumericValue.append(short: value.bytes, form.numericLimits, to: &buffer) { return }
            if value.kind == .decimal,
                NumericValue.append(short: value.unscaled, scale: value.scale, form.numericLimits, to: &buffer)
            {
                return
            }
            if value.kind.isNumber {
                try value.withText { (number) throws(EncodingFailure) in try form.numeric(number).append(to: &buffer) }
            } else if value.kind == .record, let number = containers.number(of: value) {
                try append(number, form, to: &buffer, containers)
            } else {
                try form.numeric(value).append(to: &buffer)
            }
        case .timestamp, .timestamptz:
            let microseconds = try form.microseconds(value)
            buffer.append(8 as Int32)
            buffer.append(microseconds)
        case .jsonb, .json:
            let start = buffer.count
            buffer.append(0 as Int32)
            if form.kind == .jsonb { buffer.append(byte: 1) }
            try form.appendJSON(value, to: &buffer, containers)
            try finish(from: start, &buffer, found: value.kind)
        case .bool:
            let truth = try form.boolean(value)
            buffer.append(1 as Int32)
            buffer.append(byte: truth ? 1 : 0)
        case .float8:
            let number = try form.double(value)
            buffer.append(8 as Int32)
            buffer.append(Int64(bitPattern: number.bitPattern))
        case .float4:
            let number = try form.float(value)
            buffer.append(4 as Int32)
            buffer.append(Int32(bitPattern: number.bitPattern))
        case .uuid:
            let halves = try form.uuid(value)
            buffer.append(16 as Int32)
            buffer.append(Int64(bitPattern: halves.high))
            buffer.append(Int64(bitPattern: halves.low))
        case .enumeration:
            let label = try form.label(value)
            buffer.append(Int32(label.count))
            buffer.append(label)
        case .date:
            let day = try form.day(value)
            buffer.append(4 as Int32)
            buffer.append(day)
        case .time:
            let microseconds = try form.timeOfDay(value)
            buffer.append(8 as Int32)
            buffer.append(microseconds)
        case .bytea:
            let start = buffer.count
            buffer.append(0 as Int32)
            try form.appendBytesOrShape(value, to: &buffer, containers)
            try finish(from: start, &buffer, found: value.kind)
        case .array:
            try append(array: value, form, to: &buffer, containers)
        case .decoded:
            var value = value
            let inner = try form.resolving(&value, containers)
            try append(value, inner, to: &buffer, containers)
        case .composite, .interval, .timetz, .hstore, .other:
            // `init?` lets no such form through.
            throw EncodingFailure(.wrongType, found: value.kind)
        }
    }

    /// Writes the length of what stands behind the length word at `start`. No field can be larger than 1 GB.
    private static func finish(
        from start: Int, _ buffer: inout CopyBuffer, found: InputValue.Kind
    ) throws(EncodingFailure) {
        let length = buffer.count - start - 4
        guard length < 1 << 30 else { throw EncodingFailure(.tooLong, found: found) }
        buffer.patch(Int32(truncatingIfNeeded: length), at: start)
    }

    /// Binary form: `Int32` number of dimensions, whether there are nulls, the element's OID; for each dimension its
    /// length and lower bound; then the elements, the last dimension's index running fastest. Source: `array_send`.
    private static func append(
        array value: InputValue, _ form: borrowing ColumnForm, to buffer: inout CopyBuffer,
        _ containers: any ContainerReader
    ) throws(EncodingFailure) {
        if value.kind == .string { return try append(literal: value, form, to: &buffer, containers) }
        guard value.kind.isList else { throw EncodingFailure(.wrongType, found: value.kind) }
        let shape = try ArrayShape(value, nests: !form.parts[0].takesArrays, containers)
        let start = buffer.count
        try appendArrayHeader(shape.lengths, hasNull: false, form, to: &buffer)
        var hasNull = false
        if !shape.lengths.isEmpty {
            try appendElements(
                of: shape.elements, shape.lengths[...], form.parts[0], to: &buffer, &hasNull, containers)
        }
        if hasNull { buffer.patch(1, at: start + 8) }
        try finish(from: start, &buffer, found: .array)
    }

    /// Begins with room for the length of the whole.
    private static func appendArrayHeader(
        _ lengths: [Int], hasNull: Bool, _ form: borrowing ColumnForm, to buffer: inout CopyBuffer
    ) throws(EncodingFailure) {
        buffer.append(0 as Int32)
        buffer.append(Int32(lengths.count))
        buffer.append(hasNull ? 1 : 0 as Int32)
        buffer.append(Int32(bitPattern: form.elementOID))
        for length in lengths {
            guard let length = Int32(exactly: length) else { throw EncodingFailure(.tooLong, found: .array) }
            buffer.append(length)
            buffer.append(1 as Int32)
        }
    }

    /// An array as PostgreSQL writes it.
    private static func append(
        literal value: InputValue, _ form: borrowing ColumnForm, to buffer: inout CopyBuffer,
        _ containers: any ContainerReader
    ) throws(EncodingFailure) {
        let literal = try form.literal(value.bytes)
        let start = buffer.count
        try appendArrayHeader(literal.lengths, hasNull: false, form, to: &buffer)
        var hasNull = false
        for index in literal.elements.indices {
            try literal.withElement(index) { element throws(EncodingFailure) in
                try appendElement(
                    form.elementOfLiteral(element, containers), form.parts[0], to: &buffer, &hasNull, containers)
            }
        }
        if hasNull { buffer.patch(1, at: start + 8) }
        try finish(from: start, &buffer, found: .string)
    }

    private static func appendElements(
        of elements: [InputValue], _ lengths: ArraySlice<Int>, _ form: borrowing ColumnForm,
        to buffer: inout CopyBuffer, _ hasNull: inout Bool, _ containers: any ContainerReader
    ) throws(EncodingFailure) {
        guard elements.count == lengths.first else { throw EncodingFailure(.badSyntax, found: .array) }
        for element in elements {
            if lengths.count > 1 {
                guard element.kind.isList else { throw EncodingFailure(.badSyntax, found: .array) }
                try appendElements(
                    of: containers.elements(of: element), lengths.dropFirst(), form, to: &buffer, &hasNull, containers)
            } else {
                try appendElement(element, form, to: &buffer, &hasNull, containers)
            }
        }
    }

    private static func appendElement(
        _ element: InputValue, _ form: borrowing ColumnForm, to buffer: inout CopyBuffer, _ hasNull: inout Bool,
        _ containers: any ContainerReader
    ) throws(EncodingFailure) {
        // An array one level too deep is a ragged array, whatever the element's type.
        if element.kind.isList, !form.takesArrays { throw EncodingFailure(.badSyntax, found: .array) }
        if form.kind == .decoded {
            var element = element
            let form = try form.resolving(&element, containers)
            if element.kind == .null { hasNull = true }
            return try append(element, form, to: &buffer, containers)
        }
        if element.kind == .null { hasNull = true }
        try append(element, form, to: &buffer, containers)
    }
}

/// How long an SQL array is in each of its dimensions, told from the first element of each.
struct ArrayShape {
    /// None for an empty array, which has no dimensions.
    let lengths: [Int]
    /// The elements of the first dimension.
    let elements: [InputValue]

    /// PostgreSQL's MAXDIM.
    private static let greatestDepth = 6

    /// - Parameter nests: whether an array within the array is a further dimension.
    init(_ value: InputValue, nests: Bool, _ containers: any ContainerReader) throws(EncodingFailure) {
        let outermost = try containers.elements(of: value)
        var lengths = [outermost.count]
        var inner = outermost
        while nests, let first = inner.first, first.kind.isList {
            guard lengths.count < Self.greatestDepth else { throw EncodingFailure(.badSyntax, found: .array) }
            inner = try containers.elements(of: first)
            lengths.append(inner.count)
        }
        elements = outermost
        guard lengths.last == 0 else {
            self.lengths = lengths
            return
        }
        // An array of nothing but empty arrays is empty.
        self.lengths = []
        if lengths.count > 1 { try Self.check(outermost, against: lengths[...], containers) }
    }

    private static func check(
        _ elements: [InputValue], against lengths: ArraySlice<Int>, _ containers: any ContainerReader
    ) throws(EncodingFailure) {
        guard elements.count == lengths.first else { throw EncodingFailure(.badSyntax, found: .array) }
        for element in elements {
            guard element.kind.isList else { throw EncodingFailure(.badSyntax, found: .array) }
            try check(containers.elements(of: element), against: lengths.dropFirst(), containers)
        }
    }
}
