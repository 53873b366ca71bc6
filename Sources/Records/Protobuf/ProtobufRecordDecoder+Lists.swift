/// Repeated fields and maps, and what of a message is handed out as a whole.
extension ProtobufRecordDecoder {
    /// One value of a repeated field, or many that are packed.
    @inline(never)
    func list(
        _ entry: Entry, _ tag: UInt32, _ cursor: inout ProtobufCursor, _ base: Fields, _ depth: Int
    ) throws(ProtobufFault) {
        let wire = UInt8(truncatingIfNeeded: tag & 7)
        let isPacked = wire == 2 && entry.element.isPackable
        guard isPacked || wire == entry.wire else { return try cursor.skip(tag, depth: depth) }
        var first = cursor.place
        var end = first
        if isPacked {
            let bytes = try cursor.bytes()
            first = bytes.baseAddress.unsafelyUnwrapped.assumingMemoryBound(to: UInt8.self)
            end = first + bytes.count
            try check(entry.element, first, end)
        } else if entry.table != ProtobufPlan.none {
            (first, end) = try payload(entry, &cursor, base, depth)
        } else {
            try check(entry.element, &cursor)
            end = cursor.place
        }
        if entry.slot != ProtobufPlan.none {
            var isList = true
            if case .map = plan.contents[Int(entry.node)] { isList = false }
            mark(first, end, &base[Int(entry.slot)], node: entry.node, isList: isList, isPacked: isPacked)
        }
        if entry.choices != ProtobufPlan.none {
            try choose(entry, Piece(start: first, end: end, isPacked: isPacked), base, depth)
        }
    }

    /// Leads paths on that lead through elements.
    func choose(_ entry: Entry, _ piece: Piece, _ base: Fields, _ depth: Int) throws(ProtobufFault) {
        let selection = plan.selections[Int(entry.choices)]
        if let table = selection.mapTable {
            var (value, message) = (Field(.absent), Field(.absent))
            let choice = try enter { (frame) throws(ProtobufFault) -> ProtobufPlan.Choice? in
                begin(table, frame)
                try run(UInt32(table), piece.start, piece.end, frame, depth: 0)
                message = frame[1]
                try finish(table, frame)
                value = frame[1]
                let key = keyText(frame[0])
                return selection.choices.first { $0.key.count == key.count && key.elementsEqual($0.key) }
            }
            if let choice { try take(value, message, choice, base, depth) }
            return
        }
        let counter = Int(entry.seen)
        var index = base[counter].kind == .absent ? 0 : base[counter].first
        var failure: ProtobufFault?
        _ = try forEachElement(of: piece, selection.element) { value, message in
            let choice = selection.choices.first { $0.index == index }
            index += 1
            guard let choice else { return true }
            do throws(ProtobufFault) { try take(value, message, choice, base, depth) } catch { failure = error }
            return failure == nil
        }
        if let failure { throw failure }
        base[counter] = .unsigned(index)
    }

    /// - Parameter message: the value as its own type has it, where it stands for another.
    private func take(
        _ value: Field, _ message: Field, _ choice: ProtobufPlan.Choice, _ base: Fields, _ depth: Int
    ) throws(ProtobufFault) {
        clear(choice.clears, base)
        if choice.slot != ProtobufPlan.none { base[Int(choice.slot)] = value }
        guard choice.table != ProtobufPlan.none, message.kind == .record else { return }
        setDefaults(tables[Int(choice.table)], base)
        var place = containers[Int(message.place)].first
        while place >= 0 {
            let piece = pieces[Int(place)]
            try run(choice.table, piece.start, piece.end, base, depth: depth + 1)
            place = piece.next
        }
    }

    func check(
        _ element: ProtobufPlan.Code, _ first: UnsafePointer<UInt8>, _ end: UnsafePointer<UInt8>
    ) throws(ProtobufFault) {
        var cursor = ProtobufCursor(first, end: end)
        do throws(ProtobufFault) {
            while cursor.left > 0 { try check(element, &cursor) }
        } catch {
            faulty = faulty ?? cursor.place
            throw error
        }
    }

    func check(_ element: ProtobufPlan.Code, _ cursor: inout ProtobufCursor) throws(ProtobufFault) {
        switch element.wire {
        case 0: _ = try cursor.varint()
        case 1: _ = try cursor.take(8)
        case 5: _ = try cursor.take(4)
        default:
            if element == .string || element == .skipString { _ = try cursor.string() } else { _ = try cursor.bytes() }
        }
    }

    /// Adds a piece to what a slot hands out.
    func mark(
        _ first: UnsafePointer<UInt8>, _ end: UnsafePointer<UInt8>, _ slot: inout Field, node: UInt32, isList: Bool,
        isPacked: Bool = false
    ) {
        let piece = Int32(truncatingIfNeeded: pieces.count)
        pieces.append(Piece(start: first, end: end, isPacked: isPacked))
        let isThere = (slot.kind == .list || slot.kind == .record) && slot.place != 0
        if isThere {
            let container = Int(slot.place)
            pieces[Int(containers[container].last)].next = piece
            containers[container].last = piece
            return
        }
        containers.append((piece, piece))
        let place = UInt64(containers.count - 1)
        slot = isList ? .list(place, node: node) : .record(place, node: node)
    }
}
