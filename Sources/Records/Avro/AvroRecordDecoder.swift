import CSimdJSON

/// Picks the routed fields out of messages in Avro's binary encoding, by the schema that they were written with.
///
/// - The writer's schema alone decides: what it does not have is absent. A field by another name is taken where a path
///   takes other names, and a union is what its branch is.
/// - The whole message is checked, also what no path names: numbers, lengths, counts and indexes, UTF-8, the lengths of
///   blocks, depth, and that nothing stands behind the value.
/// - Values are of the kind that their logical type says, or the semantic name of Kafka Connect and Debezium; see
///   `AvroInstruction.Code.reading`. Records and maps are records, arrays are lists.
/// - A path's step is a field of a record, a key of a map, or an index of an array. Of a key that comes twice the last one
///   counts.
/// - Records, arrays and maps may be 1024 deep.
///
/// Decoding allocates nothing.
public final class AvroRecordDecoder: RecordDecoder {
    private static let deepest = 1024
    /// So many elements without a byte may be in any message, and one more for each of its bytes.
    private static let emptyElements = 65536

    /// As `padding`, for those who hold a message before they have a decoder.
    public static let padding = AvroCursor.padding

    public let padding = AvroCursor.padding

    private let plan: AvroPlan
    // What a message looks at lies in memory of its own: an array of Swift's is counted at each look.
    private let instructions: UnsafeBufferPointer<AvroInstruction>
    private let branches: UnsafeBufferPointer<UInt32>
    private let forgotten: UnsafeBufferPointer<UInt32>
    private let resets: UnsafeBufferPointer<UInt32>
    private let selections: UnsafeBufferPointer<Range<Int>>
    private let choices: UnsafeBufferPointer<AvroPlan.Choice>
    private let members: UnsafeBufferPointer<AvroPlan.Member>
    /// The texts of enums' symbols.
    private let symbols: UnsafeMutableBufferPointer<Field>
    private let fields: UnsafeMutableBufferPointer<Field>
    /// Names of fields, symbols and keys, and behind them what an empty message points to.
    private let texts: UnsafeMutableBufferPointer<UInt8>
    private let nothing: UnsafePointer<UInt8>

    /// For what does not lie in the message as a field has it.
    private let memory = SideMemory()
    private var start: UnsafePointer<UInt8>
    private var end: UnsafePointer<UInt8>
    /// Where a fault was found.
    private var faulty: UnsafePointer<UInt8>?
    private var emptyLeft: UInt64 = 0
    /// What was looked into last to its end, and where that is.
    private var visited: (place: UInt64, node: UInt32, end: UnsafePointer<UInt8>)?

    private var schema: AvroSchema?
    public private(set) lazy var outline = schema?.outline

    public init(_ plan: AvroPlan) {
        self.plan = plan
        instructions = Self.table(plan.instructions)
        branches = Self.table(plan.branches)
        forgotten = Self.table(plan.forgotten)
        resets = Self.table(plan.resets)
        selections = Self.table(plan.selections)
        choices = Self.table(plan.choices)
        members = Self.table(plan.members)
        texts = .allocate(capacity: plan.texts.count + 2 * AvroCursor.padding)
        texts.initialize(repeating: 0)
        for (index, byte) in plan.texts.enumerated() { texts[index] = byte }
        let behind = UnsafePointer(texts.baseAddress.unsafelyUnwrapped) + plan.texts.count
        (nothing, start, end) = (behind, behind, behind)
        symbols = .allocate(capacity: plan.symbols.count)
        for (index, symbol) in plan.symbols.enumerated() {
            let text = UnsafeRawBufferPointer(
                rebasing: UnsafeRawBufferPointer(texts)[symbol.start..<symbol.start + symbol.count])
            symbols.initializeElement(at: index, to: Field(.string, text))
        }
        fields = .allocate(capacity: plan.slotCount)
        fields.initialize(repeating: Field(.absent))
    }

    public convenience init(_ schema: AvroSchema, paths: [FieldPath]) {
        self.init(AvroPlan(schema, paths: paths))
        self.schema = schema
    }

    private static func table<Element>(_ array: [Element]) -> UnsafeBufferPointer<Element> {
        let table = UnsafeMutableBufferPointer<Element>.allocate(capacity: array.count)
        _ = table.initialize(from: array)
        return UnsafeBufferPointer(table)
    }

    deinit {
        instructions.deallocate()
        branches.deallocate()
        forgotten.deallocate()
        resets.deallocate()
        selections.deallocate()
        choices.deallocate()
        members.deallocate()
        symbols.deallocate()
        fields.deallocate()
        texts.deallocate()
    }

    public func decode(_ message: UnsafeRawBufferPointer) throws(DecodingFailure) -> UnsafeBufferPointer<Field> {
        for slot in resets { fields[Int(slot)] = Field(.absent) }
        start = message.baseAddress?.assumingMemoryBound(to: UInt8.self) ?? nothing
        end = start + message.count
        emptyLeft = UInt64(Self.emptyElements + message.count)
        visited = nil
        memory.reset()
        do throws(AvroFault) {
            faulty = nil
            guard message.count > 0 || plan.isEmptyMessage else { throw .empty }
            let behind = try run(0, start, depth: 0)
            guard behind == end else {
                faulty = behind
                throw .trailing
            }
        } catch {
            throw DecodingFailure(error, offset: (faulty ?? start) - start)
        }
        if !plan.copies.isEmpty || !plan.standIns.isEmpty { fillIn() }
        return UnsafeBufferPointer(rebasing: fields[..<plan.pathCount])
    }

    @inline(never)
    private func fillIn() {
        for copy in plan.copies { fields[copy.to] = fields[copy.from] }
        for standIn in plan.standIns where fields[standIn.slot].kind == .absent {
            fields[standIn.slot] = fields[standIn.other]
        }
    }

    // MARK: Instructions

    /// Follows the instructions from a place in the plan to their end.
    ///
    /// - Parameters:
    ///   - start: where to begin reading, not behind the message's end.
    ///   - depth: lists and records around it.
    /// - Returns: where the next value begins.
    private func run(
        _ first: UInt32, _ start: UnsafePointer<UInt8>, depth: Int
    ) throws(AvroFault) -> UnsafePointer<UInt8> {
        var cursor = AvroCursor(start, end: end)
        do throws(AvroFault) {
            try follow(first, &cursor, depth)
            return cursor.place
        } catch {
            // Of those within each other the innermost knows the place.
            faulty = faulty ?? cursor.place
            throw error
        }
    }

    @inline(__always)
    private func follow(_ first: UInt32, _ cursor: inout AvroCursor, _ depth: Int) throws(AvroFault) {
        // Long because each instruction is a case of the one switch, which a message passes once for each of its values.
        let fields = fields.baseAddress.unsafelyUnwrapped
        let instructions = instructions.baseAddress.unsafelyUnwrapped
        var next = instructions + Int(first)
        while true {
            let step = next.pointee
            next += 1
            switch step.code {
            case .end: return
            case .jump: next = instructions + Int(step.first)
            case .call:
                let inner = depth + Int(step.levels)
                guard inner < Self.deepest else { throw .tooDeep }
                cursor.move(to: try run(step.first, cursor.place, depth: inner))
            case .mark:
                let place = UInt64(UInt(bitPattern: cursor.place))
                fields[Int(step.slot)] =
                    step.second == 0 ? .list(place, node: step.first) : .record(place, node: step.first)
            case .forget:
                for slot in forgotten[Int(step.first)..<Int(step.first + step.second)] {
                    fields[Int(slot)] = Field(.absent)
                }
            case .optional:
                let branch = try cursor.index(below: 2, or: .branch)
                if branch == Int(step.second) {
                    if step.slot != AvroInstruction.none { fields[Int(step.slot)] = Field(.null) }
                    next = instructions + Int(step.first)
                }
            case .union:
                let branch = try cursor.index(below: step.second, or: .branch)
                next = instructions + Int(branches[Int(step.first) + branch])
            case .null: fields[Int(step.slot)] = Field(.null)
            case .boolean: fields[Int(step.slot)] = Field(try cursor.boolean() ? .true : .false)
            case .skipBoolean: _ = try cursor.boolean()
            case .int: fields[Int(step.slot)] = .integer(try cursor.int())
            case .skipInt: _ = try cursor.int()
            case .long: fields[Int(step.slot)] = .integer(try cursor.long())
            case .skipLong: _ = try cursor.long()
            case .float: fields[Int(step.slot)] = .float(try cursor.float())
            case .double: fields[Int(step.slot)] = .double(try cursor.double())
            case .bytes: fields[Int(step.slot)] = Field(.bytes, try cursor.bytes())
            case .skipBytes: _ = try cursor.bytes()
            case .string: fields[Int(step.slot)] = Field(.string, try cursor.string())
            case .skipString: _ = try cursor.string()
            case .symbol:
                let index = try cursor.index(below: step.second, or: .symbol)
                fields[Int(step.slot)] = symbols[Int(step.first) + index]
            case .skipSymbol: _ = try cursor.index(below: step.second, or: .symbol)
            case .fixed: fields[Int(step.slot)] = Field(.bytes, try cursor.fixed(Int(step.first)))
            case .skipFixed: _ = try cursor.take(Int(step.first))
            case .array, .map: try list(step, &cursor, depth)
            case .skipFixedArray: try passFixed(Int(step.first), &cursor)
            case .emptyArray: try passEmpty(UInt64(step.first), &cursor)
            case .decimal:
                fields[Int(step.slot)] = .decimal(try cursor.bytes(), scale: Int32(bitPattern: step.second))
            case .bits:
                fields[Int(step.slot)] = ConnectMeaning.digits(
                    of: try cursor.bytes(), length: Int32(bitPattern: step.second), in: memory)
            case .date: fields[Int(step.slot)] = .day(sinceUnixEpoch: try cursor.int())
            case .instantMillis: fields[Int(step.slot)] = .instant(microseconds: try cursor.long().fromMillis)
            case .instantMicros: fields[Int(step.slot)] = .instant(microseconds: try cursor.long())
            case .localMillis: fields[Int(step.slot)] = .localTime(microseconds: try cursor.long().fromMillis)
            case .localMicros: fields[Int(step.slot)] = .localTime(microseconds: try cursor.long())
            case .uuid: fields[Int(step.slot)] = .uuid(try cursor.fixed(16))
            default: fields[Int(step.slot)] = try cursor.meant(by: step)
            }
        }
    }

    // MARK: Lists and maps

    @inline(never)
    private func list(_ step: AvroInstruction, _ cursor: inout AvroCursor, _ depth: Int) throws(AvroFault) {
        guard depth + Int(step.levels) < Self.deepest else { throw .tooDeep }
        let chosen = step.second == AvroInstruction.none ? 0..<0 : selections[Int(step.second)]
        var index: UInt64 = 0
        while true {
            let block = try cursor.block()
            if block.count == 0 { return }
            if step.slot > 0 { try charge(block.count, UInt64(step.slot)) }
            var left = block.count
            while left > 0 {
                var first = step.first
                if step.code == .map {
                    let name = try cursor.string()
                    if !chosen.isEmpty { first = choice(chosen, name) ?? first }
                } else if !chosen.isEmpty {
                    first = choices[chosen].first { $0.index == index }?.instruction ?? first
                }
                cursor.move(to: try run(first, cursor.place, depth: depth))
                index &+= 1
                left -= 1
            }
            try cursor.endBlock(block.end)
        }
    }

    private func choice(_ chosen: Range<Int>, _ name: UnsafeRawBufferPointer) -> UInt32? {
        let own = choices[chosen].first { choice in
            choice.names == .exact && choice.name.count == name.count && text(choice.name).elementsEqual(name)
        }
        if let own { return own.instruction }
        let address = name.baseAddress?.assumingMemoryBound(to: UInt8.self)
        return choices[chosen].first { choice in
            guard choice.names != .exact else { return false }
            let wanted = text(choice.name)
            return csj_takes(
                choice.names.asC, wanted.baseAddress?.assumingMemoryBound(to: UInt8.self), wanted.count, address,
                name.count) != 0
        }?.instruction
    }

    private func text(_ text: AvroPlan.Text) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(texts)[text.start..<text.start + text.count])
    }

    /// Elements of so many bytes, of which any is as good as another.
    @inline(never)
    private func passFixed(_ size: Int, _ cursor: inout AvroCursor) throws(AvroFault) {
        while true {
            let block = try cursor.block()
            if block.count == 0 { return }
            guard block.count <= UInt64(cursor.left / size) else { throw .truncated }
            _ = try cursor.take(Int(block.count) * size)
            try cursor.endBlock(block.end)
        }
    }

    @inline(never)
    private func passEmpty(_ values: UInt64, _ cursor: inout AvroCursor) throws(AvroFault) {
        while true {
            let block = try cursor.block()
            if block.count == 0 { return }
            try charge(block.count, values)
            try cursor.endBlock(block.end)
        }
    }

    private func charge(_ count: UInt64, _ values: UInt64) throws(AvroFault) {
        let (cost, overflow) = count.multipliedReportingOverflow(by: values)
        guard !overflow, cost <= emptyLeft else { throw .emptyElements }
        emptyLeft -= cost
    }

    // MARK: What is nested

    public func visit(
        _ container: Field, _ body: (_ name: UnsafeRawBufferPointer, _ value: Field) -> Bool
    ) throws(DecodingFailure) {
        guard let place = UnsafePointer<UInt8>(bitPattern: UInt(container.place)) else { return }
        var cursor = AvroCursor(place, end: end)
        do throws(AvroFault) {
            faulty = nil
            guard try look(into: plan.contents[Int(container.node)], &cursor, body) else { return }
            visited = (container.place, container.node, cursor.place)
        } catch {
            throw DecodingFailure(error, offset: (faulty ?? cursor.place) - start)
        }
    }

    /// - Returns: whether all was wanted.
    private func look(
        into content: AvroPlan.Content, _ cursor: inout AvroCursor,
        _ body: (_ name: UnsafeRawBufferPointer, _ value: Field) -> Bool
    ) throws(AvroFault) -> Bool {
        let noName = UnsafeRawBufferPointer(start: nil, count: 0)
        switch content {
        case .scalar: return true
        case .record(let range):
            for member in members[range] {
                guard try hand(member.node, text(member.name), &cursor, body) else { return false }
            }
            return true
        case .list(let node), .map(let node):
            var isMap = false
            if case .map = content { isMap = true }
            while true {
                let block = try cursor.block()
                if block.count == 0 { return true }
                var left = block.count
                while left > 0 {
                    let name = isMap ? try cursor.string() : noName
                    guard try hand(node, name, &cursor, body) else { return false }
                    left -= 1
                }
            }
        }
    }

    private func hand(
        _ node: Int, _ name: UnsafeRawBufferPointer, _ cursor: inout AvroCursor,
        _ body: (_ name: UnsafeRawBufferPointer, _ value: Field) -> Bool
    ) throws(AvroFault) -> Bool {
        cursor.move(to: try run(plan.values[node], cursor.place, depth: 0))
        let value = fields[plan.scratch]
        guard body(name, value) else { return false }
        guard value.kind == .list || value.kind == .record else { return true }
        // Who has looked into it knows where it ends; so nothing is read as often as it is deep.
        if let visited, visited.place == value.place, visited.node == value.node {
            cursor.move(to: visited.end)
        } else {
            cursor.move(to: try run(plan.skips[Int(value.node)], cursor.place, depth: 0))
        }
        return true
    }
}
