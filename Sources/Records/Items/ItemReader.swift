import CSimdJSON

/// Picks the routed fields out of messages of items, for the decoders of MessagePack and CBOR.
final class ItemReader<Cursor: ItemCursor> {
    private let nodes: UnsafeBufferPointer<ItemPaths.Node>
    private let children: UnsafeBufferPointer<ItemPaths.Child>
    private let belows: UnsafeBufferPointer<Int>
    private let loose: UnsafeBufferPointer<ItemPaths.Loose>
    private let texts: UnsafeBufferPointer<UInt8>
    private let paths: ItemPaths
    private let fields: UnsafeMutableBufferPointer<Field>
    private let memory = SideMemory()
    private var start: UnsafePointer<UInt8>
    private var end: UnsafePointer<UInt8>
    /// What an empty message points to.
    private let nothing: UnsafeMutablePointer<UInt8>
    /// What was looked into last to its end, and where that is.
    private var visited: (place: UInt64, end: UnsafePointer<UInt8>)?

    /// Fields are wanted, and not also all of it, whatever it is.
    private let wantsMap: Bool

    private static var deepest: Int { 1024 }

    init(_ paths: [FieldPath]) {
        self.paths = ItemPaths(paths)
        wantsMap = self.paths.wantsFields && self.paths.nodes[0].slot < 0
        nodes = Self.table(self.paths.nodes)
        children = Self.table(self.paths.children)
        belows = Self.table(self.paths.belows)
        loose = Self.table(self.paths.loose)
        texts = Self.table(self.paths.texts)
        fields = .allocate(capacity: self.paths.slotCount)
        fields.initialize(repeating: Field(.absent))
        nothing = .allocate(capacity: 32)
        nothing.initialize(repeating: 0, count: 32)
        start = UnsafePointer(nothing)
        end = start
    }

    /// What a message looks at lies in memory of its own: an array of Swift's is counted at each look.
    private static func table<Element>(_ array: [Element]) -> UnsafeBufferPointer<Element> {
        let table = UnsafeMutableBufferPointer<Element>.allocate(capacity: array.count)
        _ = table.initialize(from: array)
        return UnsafeBufferPointer(table)
    }

    deinit {
        nodes.deallocate()
        children.deallocate()
        belows.deallocate()
        loose.deallocate()
        texts.deallocate()
        fields.deallocate()
        nothing.deallocate()
    }

    func decode(_ message: UnsafeRawBufferPointer) throws(DecodingFailure) -> UnsafeBufferPointer<Field> {
        for slot in fields.indices { fields[slot] = Field(.absent) }
        memory.reset()
        visited = nil
        start = message.baseAddress?.assumingMemoryBound(to: UInt8.self) ?? UnsafePointer(nothing)
        end = start + message.count
        var cursor = Cursor(start, end: end)
        do throws(ItemFault) {
            guard cursor.left > 0 else { throw .empty }
            try read(&cursor, 0, depth: 0)
            guard cursor.left == 0 else { throw .trailing }
        } catch {
            throw DecodingFailure(error, of: Cursor.format, offset: cursor.place - start)
        }
        for copy in paths.copies { fields[copy.to] = fields[copy.from] }
        for standIn in loose where fields[standIn.slot].kind == .absent {
            fields[standIn.slot] = fields[standIn.standIn]
        }
        return UnsafeBufferPointer(rebasing: fields[..<paths.pathCount])
    }

    // MARK: Along the paths

    /// - Parameters:
    ///   - node: where the paths are.
    ///   - depth: lists and maps around it.
    private func read(_ cursor: inout Cursor, _ node: Int, depth: Int) throws(ItemFault) {
        let place = cursor.place
        let slot = nodes[node].slot
        switch try cursor.item(slot < 0 ? nil : memory) {
        case .scalar(let value):
            if slot >= 0 { fields[slot] = value }
            if node == 0, wantsMap { throw .noMap }
        case .list(let count):
            guard node > 0 || !wantsMap || nodes[node].hasIndexes else { throw .noMap }
            if slot >= 0 { fields[slot] = .list(UInt64(UInt(bitPattern: place)), node: 0) }
            try list(&cursor, count, node, depth)
        case .map(let count):
            if slot >= 0 { fields[slot] = .record(UInt64(UInt(bitPattern: place)), node: 0) }
            try map(&cursor, count, node, depth)
        case .stop: throw .stop
        }
    }

    private func list(_ cursor: inout Cursor, _ count: UInt64?, _ node: Int, _ depth: Int) throws(ItemFault) {
        guard depth < Self.deepest else { throw .tooDeep }
        let hasIndexes = nodes[node].hasIndexes
        var index: UInt64 = 0
        while try goesOn(&cursor, index, of: count) {
            if hasIndexes, let child = children[nodes[node].children].first(where: { $0.index == index }) {
                try read(&cursor, child.node, depth: depth + 1)
            } else {
                try skip(&cursor, depth: depth + 1)
            }
            index += 1
        }
    }

    private func map(_ cursor: inout Cursor, _ count: UInt64?, _ node: Int, _ depth: Int) throws(ItemFault) {
        guard depth < Self.deepest else { throw .tooDeep }
        let range = nodes[node].children
        let takesOthers = nodes[node].isLoose
        var index: UInt64 = 0
        // Most messages of a topic have their fields in the same order.
        var next = range.lowerBound
        while try goesOn(&cursor, index, of: count) {
            index += 1
            guard !range.isEmpty || takesOthers else {
                try skipName(&cursor)
                try skip(&cursor, depth: depth + 1)
                continue
            }
            let name = try name(&cursor)
            if let found = child(range, name, from: next) {
                next = found + 1
                let inner = children[found].node
                // Of a name that comes twice the last one counts, with all that is in it.
                for slot in belows[nodes[inner].belows] { fields[slot] = Field(.absent) }
                try read(&cursor, inner, depth: depth + 1)
            } else if takesOthers, let slot = standIn(name, of: node) {
                try read(&cursor, into: slot, depth: depth + 1)
            } else {
                try skip(&cursor, depth: depth + 1)
            }
        }
    }

    @inline(__always)
    private func child(_ range: Range<Int>, _ name: UnsafeRawBufferPointer, from first: Int) -> Int? {
        for place in first..<range.upperBound where isNamed(place, name) { return place }
        for place in range.lowerBound..<min(first, range.upperBound) where isNamed(place, name) { return place }
        return nil
    }

    @inline(__always)
    private func isNamed(_ child: Int, _ name: UnsafeRawBufferPointer) -> Bool {
        let own = children[child].name
        guard own.count == name.count else { return false }
        for place in 0..<name.count where texts[own.lowerBound + place] != name[place] { return false }
        return true
    }

    private func standIn(_ name: UnsafeRawBufferPointer, of node: Int) -> Int? {
        loose.first { path in
            guard path.node == node else { return false }
            let own = UnsafeBufferPointer(rebasing: texts[path.name])
            return csj_takes(
                path.names, own.baseAddress, own.count, name.baseAddress?.assumingMemoryBound(to: UInt8.self),
                name.count) != 0
        }?.standIn
    }

    private func read(_ cursor: inout Cursor, into slot: Int, depth: Int) throws(ItemFault) {
        fields[slot] = try value(&cursor)
        if fields[slot].kind == .list || fields[slot].kind == .record { try skip(&cursor, depth: depth) }
    }

    /// Whether another element follows.
    @inline(__always)
    private func goesOn(_ cursor: inout Cursor, _ index: UInt64, of count: UInt64?) throws(ItemFault) -> Bool {
        if let count { return index < count }
        guard cursor.left > 0 else { throw .truncated }
        let place = cursor.place
        var ahead = cursor
        guard place.pointee == 0xFF else { return true }
        guard case .stop = try ahead.item(nil) else { return true }
        cursor = ahead
        return false
    }

    /// A name in a map, valid until the next one is read.
    @inline(__always)
    private func name(_ cursor: inout Cursor) throws(ItemFault) -> UnsafeRawBufferPointer {
        let place = cursor.place
        switch try cursor.item(memory) {
        case .scalar(let value) where value.kind == .string: return value.bytes
        case .scalar(let value):
            if let text = memory.name(value) { return text }
        case .list, .map: break
        case .stop:
            cursor.place = place
            throw .stop
        }
        cursor.place = place
        throw .key
    }

    /// Checks a name that nobody looks at.
    @inline(__always)
    private func skipName(_ cursor: inout Cursor) throws(ItemFault) {
        let place = cursor.place
        let item = try cursor.item(nil)
        if case .scalar(let value) = item, value.kind.isName { return }
        cursor.place = place
        if case .stop = item { throw .stop }
        throw .key
    }

    /// Checks what nobody wants.
    private func skip(_ cursor: inout Cursor, depth: Int) throws(ItemFault) {
        switch try cursor.item(nil) {
        case .scalar: return
        case .list(let count):
            guard depth < Self.deepest else { throw .tooDeep }
            var index: UInt64 = 0
            while try goesOn(&cursor, index, of: count) {
                try skip(&cursor, depth: depth + 1)
                index += 1
            }
        case .map(let count):
            guard depth < Self.deepest else { throw .tooDeep }
            var index: UInt64 = 0
            while try goesOn(&cursor, index, of: count) {
                try skipName(&cursor)
                try skip(&cursor, depth: depth + 1)
                index += 1
            }
        case .stop: throw .stop
        }
    }

    // MARK: What is nested

    /// A value, or the place of one that has others in it and is to be read again for them.
    private func value(_ cursor: inout Cursor) throws(ItemFault) -> Field {
        let place = cursor.place
        switch try cursor.item(memory) {
        case .scalar(let value): return value
        case .list:
            cursor.place = place
            return .list(UInt64(UInt(bitPattern: place)), node: 0)
        case .map:
            cursor.place = place
            return .record(UInt64(UInt(bitPattern: place)), node: 0)
        case .stop: throw .stop
        }
    }

    func visit(
        _ container: Field, _ body: (_ name: UnsafeRawBufferPointer, _ value: Field) -> Bool
    ) throws(DecodingFailure) {
        guard let place = UnsafePointer<UInt8>(bitPattern: UInt(container.place)) else { return }
        var cursor = Cursor(place, end: end)
        do throws(ItemFault) {
            let count: UInt64?
            switch try cursor.item(nil) {
            case .list(let elements): count = elements
            case .map(let pairs): count = pairs
            default: return
            }
            var index: UInt64 = 0
            while try goesOn(&cursor, index, of: count) {
                index += 1
                var name = UnsafeRawBufferPointer(start: nil, count: 0)
                if container.kind == .record { name = try self.name(&cursor) }
                guard try hand(&cursor, name, body) else { return }
            }
            visited = (container.place, cursor.place)
        } catch {
            throw DecodingFailure(error, of: Cursor.format, offset: cursor.place - start)
        }
    }

    private func hand(
        _ cursor: inout Cursor, _ name: UnsafeRawBufferPointer,
        _ body: (_ name: UnsafeRawBufferPointer, _ value: Field) -> Bool
    ) throws(ItemFault) -> Bool {
        let value = try value(&cursor)
        guard body(name, value) else { return false }
        guard value.kind == .list || value.kind == .record else { return true }
        // Who has looked into it knows where it ends; so nothing is read as often as it is deep.
        if let visited, visited.place == value.place {
            cursor.place = visited.end
        } else {
            try skip(&cursor, depth: 0)
        }
        return true
    }
}
