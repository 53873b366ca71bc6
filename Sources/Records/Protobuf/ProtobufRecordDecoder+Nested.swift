/// Looks into what a message was handed out as.
extension ProtobufRecordDecoder {
    public func visit(
        _ container: Field, _ body: (_ name: UnsafeRawBufferPointer, _ value: Field) -> Bool
    ) throws(DecodingFailure) {
        do throws(ProtobufFault) {
            faulty = nil
            _ = try look(into: container, body)
        } catch {
            throw DecodingFailure(error, offset: (faulty ?? start) - start)
        }
    }

    /// Something is looked into within something else.
    func enter<Result>(
        _ body: (Fields) throws(ProtobufFault) -> Result
    ) throws(ProtobufFault) -> Result {
        // Deeper than any message that has been checked: only what lies in bytes, as in an Any, has not been.
        guard level < Self.deepest else { throw .tooDeep }
        let frame = frames[level] ?? makeFrame()
        level += 1
        defer { level -= 1 }
        return try body(frame)
    }

    /// For the next level, which no message has had before.
    @inline(never)
    private func makeFrame() -> Fields {
        let frame = Fields.allocate(capacity: frameSize)
        frame.initialize(repeating: Field(.absent), count: frameSize)
        frames[level] = frame
        keyTexts.append(.allocate(capacity: 24))
        return frame
    }

    /// - Returns: whether all was wanted.
    func look(
        into container: Field, _ body: (_ name: UnsafeRawBufferPointer, _ value: Field) -> Bool
    ) throws(ProtobufFault) -> Bool {
        switch plan.contents[Int(container.node)] {
        case .record(let table, let meaning):
            return try enter { (frame) throws(ProtobufFault) in
                try read(container, table, frame)
                // An object's members and an array's elements are those of its one field.
                if meaning == .structure || meaning == .listValue { return try look(into: frame[0], body) }
                if meaning == .any, let inner = packed(frame) {
                    guard body(Self.bytes("@type"), frame[0]) else { return false }
                    return try look(intoPacked: inner, body)
                }
                for member in plan.members[tables[table].members] where frame[member.slot].kind != .absent {
                    guard body(text(member.name), frame[member.slot]) else { return false }
                }
                return true
            }
        case .list(let element):
            var place = containers[Int(container.place)].first
            while place >= 0 {
                let piece = pieces[Int(place)]
                place = piece.next
                guard try forEachElement(of: piece, element, { value, _ in body(Self.noName, value) }) else {
                    return false
                }
            }
            return true
        case .map(let table):
            var piece = containers[Int(container.place)].first
            while piece >= 0 {
                let entry = pieces[Int(piece)]
                let goesOn = try enter { (frame) throws(ProtobufFault) in
                    try read(entry, table, frame)
                    return body(keyText(frame[0]), frame[1])
                }
                guard goesOn else { return false }
                piece = entry.next
            }
            return true
        }
    }

    static var noName: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: nil, count: 0) }

    /// - Returns: whether all was wanted.
    func forEachElement(
        of piece: Piece, _ element: Entry, _ body: (_ value: Field, _ message: Field) -> Bool
    ) throws(ProtobufFault) -> Bool {
        if element.table != ProtobufPlan.none {
            var value = Field(.absent)
            mark(piece.start, piece.end, &value, node: element.node, isList: false)
            return body(try meaning(of: value), value)
        }
        var cursor = ProtobufCursor(piece.start, end: piece.end)
        repeat {
            if piece.isPacked, cursor.left == 0 { break }
            var value: Field?
            if element.code == .symbol {
                value = symbol(try cursor.varint(), element.symbols)
            } else {
                value = try scalar(element.code, &cursor)
            }
            if let value, !body(value, value) { return false }
        } while piece.isPacked
        return true
    }

    /// Reads all of a message by its table, whatever pieces it came in.
    func read(_ container: Field, _ table: Int, _ frame: Fields) throws(ProtobufFault) {
        begin(table, frame)
        var place = containers[Int(container.place)].first
        while place >= 0 {
            let piece = pieces[Int(place)]
            try run(UInt32(table), piece.start, piece.end, frame, depth: 0)
            place = piece.next
        }
        try finish(table, frame)
    }

    func read(_ piece: Piece, _ table: Int, _ frame: Fields) throws(ProtobufFault) {
        begin(table, frame)
        try run(UInt32(table), piece.start, piece.end, frame, depth: 0)
        try finish(table, frame)
    }

    func begin(_ table: Int, _ frame: Fields) {
        for slot in 0..<tables[table].slotCount { frame[slot] = Field(.absent) }
        setDefaults(tables[table], frame)
    }

    func finish(_ table: Int, _ frame: Fields) throws(ProtobufFault) {
        for index in tables[table].meanings {
            let slot = Int(plan.meanings[index])
            frame[slot] = try meaning(of: frame[slot])
        }
    }

    func keyText(_ key: Field) -> UnsafeRawBufferPointer {
        let keyText = keyTexts[level - 1]
        var negative = false
        var magnitude: UInt64
        switch key.kind {
        case .string: return key.bytes
        case .true: return Self.bytes("true")
        case .false: return Self.bytes("false")
        case .integer:
            let number = Int64(bitPattern: key.first)
            (negative, magnitude) = (number < 0, number.magnitude)
        default: magnitude = key.first
        }
        var place = keyText.count
        repeat {
            place -= 1
            keyText[place] = UInt8(ascii: "0") + UInt8(magnitude % 10)
            magnitude /= 10
        } while magnitude > 0
        if negative {
            place -= 1
            keyText[place] = UInt8(ascii: "-")
        }
        return UnsafeRawBufferPointer(UnsafeMutableBufferPointer(rebasing: keyText[place...]))
    }

    static func bytes(_ text: StaticString) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount)
    }

    func text(_ range: Range<Int>) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(texts)[range])
    }

    /// What a message stands for; itself where it stands for nothing else.
    func meaning(of message: Field) throws(ProtobufFault) -> Field {
        guard message.kind == .record, case .record(let table, let meaning) = plan.contents[Int(message.node)] else {
            return message
        }
        switch meaning {
        case .none, .structure, .any, .money: return message
        case .listValue: return .list(message.place, node: message.node)
        default: break
        }
        return try enter { (frame) throws(ProtobufFault) in
            try read(message, table, frame)
            if meaning == .fieldMask { return try joined(frame[0]) ?? message }
            return meaning.value(frame) ?? message
        }
    }

    /// Texts with commas between them.
    private func joined(_ list: Field) throws(ProtobufFault) -> Field? {
        guard list.kind == .list else { return nil }
        var count = 0
        _ = try look(into: list) { _, text in
            count += text.bytes.count + 1
            return true
        }
        let room = arena.take(max(0, count - 1))
        var place = 0
        var isFirst = true
        _ = try look(into: list) { _, text in
            if !isFirst {
                room[place] = UInt8(ascii: ",")
                place += 1
            }
            isFirst = false
            for byte in text.bytes {
                room[place] = byte
                place += 1
            }
            return true
        }
        return Field(.string, UnsafeRawBufferPointer(start: room, count: place))
    }

    // MARK: Money

    public func number(of record: Field) -> Field? {
        guard record.kind == .record, case .record(let table, .money) = plan.contents[Int(record.node)] else {
            return nil
        }
        let amount = try? enter { (frame) throws(ProtobufFault) in
            try read(record, table, frame)
            return Int128(Int64(bitPattern: frame[1].first)) * 1_000_000_000 + Int128(Int64(bitPattern: frame[2].first))
        }
        guard let amount else { return nil }
        let room = arena.take(16)
        for place in 0..<16 { room[place] = UInt8(truncatingIfNeeded: amount >> Int128(8 * (15 - place))) }
        return .decimal(UnsafeRawBufferPointer(start: room, count: 16), scale: 9)
    }

    // MARK: Any

    /// The message in an Any; nil where its type is not known.
    private func packed(_ frame: Fields) -> Field? {
        guard frame[0].kind == .string, frame[1].kind == .bytes else { return nil }
        let url = frame[0].bytes
        let name = url[(url.lastIndex(of: UInt8(ascii: "/")).map { $0 + 1 } ?? url.startIndex)...]
        guard let node = plan.packable[String(decoding: name, as: UTF8.self)] else { return nil }
        var message = Field(.absent)
        let bytes = frame[1].bytes
        let start = bytes.baseAddress?.assumingMemoryBound(to: UInt8.self) ?? nothing
        mark(start, start + bytes.count, &message, node: node, isList: false)
        return message
    }

    /// What it stands for has no members, and is the value of one.
    private func look(
        intoPacked message: Field, _ body: (_ name: UnsafeRawBufferPointer, _ value: Field) -> Bool
    ) throws(ProtobufFault) -> Bool {
        guard case .record(_, let meaning) = plan.contents[Int(message.node)], meaning.hasMembers else {
            return body(Self.bytes("value"), try self.meaning(of: message))
        }
        return try look(into: message, body)
    }
}
