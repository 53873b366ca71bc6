/// Turns a message type and paths into the tables of a plan.
struct ProtobufCompiler {
    private typealias Entry = ProtobufPlan.Entry

    /// A place in the message that paths lead to or through.
    private struct Route {
        var slot: UInt32?
        var children: [String: Int] = [:]
        /// How the names of its children are looked for.
        var loose: [String: FieldPath.Names] = [:]
    }

    private let schema: ProtobufSchema
    private var routes = [Route()]
    private var copies: [(from: Int, to: Int)] = []
    private var slotCount: Int
    /// By message: the table that checks it, and the one that has all of it.
    private var checking: [Int: Int] = [:]
    private var whole: [Int: Int] = [:]
    private var queue: [(table: Int, message: Int, isWhole: Bool)] = []
    private var nodes: [Int: UInt32] = [:]
    private var symbols: [Int: UInt32] = [:]
    private var rootMeanings: [UInt32] = []
    /// A message that is handed out may have one of any type in it.
    private var hasAny = false

    init(_ schema: ProtobufSchema, _ paths: [FieldPath]) {
        self.schema = schema
        slotCount = paths.count
        for (slot, path) in paths.enumerated() { add(path, slot) }
    }

    private mutating func add(_ path: FieldPath, _ slot: Int) {
        var route = 0
        for (step, component) in path.components.enumerated() {
            let names = step == path.components.count - 1 ? path.names : .exact
            // One name that is looked for in two ways is two.
            let key = names == .exact ? component : "\(names):\(component)"
            if let known = routes[route].children[key] {
                route = known
            } else {
                routes.append(Route())
                routes[route].children[key] = routes.count - 1
                routes[route].loose[key] = names
                route = routes.count - 1
            }
        }
        if let first = routes[route].slot {
            copies.append((Int(first), slot))
        } else {
            routes[route].slot = UInt32(slot)
        }
    }

    // MARK: The whole

    mutating func compile(_ message: Int, into plan: inout ProtobufPlan) {
        plan.root = table(message, route: 0, into: &plan)
        if let slot = routes[0].slot { plan.whole = (slot, node(message, into: &plan)) }
        fillTables(of: &plan)
        if hasAny {
            for (place, message) in schema.messages.enumerated() where !message.isMapEntry {
                plan.packable[message.name] = node(place, into: &plan)
                // Most that one message of a type that is known only then may need.
                guard plan.packable.count < Self.mostPackable else { break }
            }
            fillTables(of: &plan)
        }
        plan.slotCount = slotCount
        plan.copies += copies
        plan.rootMeanings = rootMeanings
    }

    private mutating func fillTables(of plan: inout ProtobufPlan) {
        while let next = queue.popLast() {
            next.isWhole
                ? fill(next.table, wholeOf: next.message, into: &plan)
                : fill(next.table, checking: next.message, into: &plan)
        }
    }

    private static let mostPackable = 4096

    /// Steps into JSON's values lead through messages that say nothing: `attrs.colour` is `attrs.fields.colour.…`.
    ///
    /// - Returns: the same route, with such steps; several places may lead on by what it was.
    private mutating func passing(through message: Int, on route: Int) -> Int {
        let children = routes[route].children
        guard !children.isEmpty else { return route }
        let steps: [String]
        switch ProtobufMeaning(schema[message]) {
        case .structure: steps = ["fields"]
        case .listValue: steps = ["values"]
        // Whichever of them it holds: a name of an object, or an index of an array.
        case .value: steps = ["struct_value", "list_value"]
        default: return route
        }
        var names: [String: Int] = [:]
        for (key, child) in children {
            // A root that is such a value is asked for names as columns have them.
            let isExact = (routes[route].loose[key] ?? .exact) == .exact
            names[isExact ? key : String(key.drop { $0 != ":" }.dropFirst())] = child
        }
        var passed = Route(slot: routes[route].slot)
        for step in steps {
            routes.append(Route(children: names))
            passed.children[step] = routes.count - 1
        }
        routes.append(passed)
        return routes.count - 1
    }

    // MARK: Tables

    /// For a message on a path: its slots are those of all paths.
    private mutating func table(_ message: Int, route: Int, into plan: inout ProtobufPlan) -> Int {
        var entries: [Entry] = []
        var defaults: [(slot: UInt32, value: ProtobufPlan.Default)] = []
        var slots: [[UInt32]] = []
        let route = passing(through: message, on: route)
        let taken = fields(of: message, on: route, into: &plan)
        for (place, field) in schema[message].fields.enumerated() {
            let first = slotCount
            let (entry, value) = entry(field, route: taken[place], into: &plan)
            entries.append(entry)
            if let value, entry.slot != ProtobufPlan.none { defaults.append((entry.slot, value)) }
            slots.append(taken[place].map { self.slots(below: $0) } ?? [])
            slots[place] += (first..<slotCount).map { UInt32($0) }
        }
        clear(&entries, schema[message], slots, into: &plan)
        return append(entries, defaults, into: &plan)
    }

    /// Which route leads through which field. Of the same field by several names one is the route's, and the others copies.
    private mutating func fields(
        of message: Int, on route: Int, into plan: inout ProtobufPlan
    ) -> [Int?] {
        let fields = schema[message].fields
        var taken = [Int?](repeating: nil, count: fields.count)
        for (key, child) in routes[route].children.sorted(by: { $0.value < $1.value }) {
            let names = routes[route].loose[key] ?? .exact
            let name = names == .exact ? key : String(key.drop { $0 != ":" }.dropFirst())
            let path = FieldPath([name], names: names)
            guard
                let place = fields.firstIndex(where: { $0.name == name })
                    ?? fields.firstIndex(where: { $0.jsonName == name })
                    ?? fields.lastIndex(where: { path.takes($0.name) || path.takes($0.jsonName) })
            else { continue }
            if let first = taken[place] { merge(child, into: first) } else { taken[place] = child }
        }
        return taken
    }

    private mutating func merge(_ route: Int, into first: Int) {
        if let slot = routes[route].slot {
            if let known = routes[first].slot {
                copies.append((Int(known), Int(slot)))
            } else {
                routes[first].slot = slot
            }
        }
        for (key, child) in routes[route].children {
            if let known = routes[first].children[key] {
                merge(child, into: known)
            } else {
                routes[first].children[key] = child
                routes[first].loose[key] = routes[route].loose[key]
            }
        }
    }

    private func slots(below route: Int) -> [UInt32] {
        (routes[route].slot.map { [$0] } ?? []) + routes[route].children.values.sorted().flatMap { slots(below: $0) }
    }

    /// - Returns: and what stands in the slot where the message has nothing of the field.
    private mutating func entry(
        _ field: ProtobufSchema.Field, route: Int?, into plan: inout ProtobufPlan
    ) -> (Entry, ProtobufPlan.Default?) {
        guard let route else { return (checkingEntry(field, into: &plan), nil) }
        let slot = routes[route].slot
        var entry = slot == nil ? checkingEntry(field, into: &plan) : wholeEntry(field, slot: slot ?? 0, into: &plan)
        if field.isRepeated {
            select(field, route, &entry, into: &plan)
        } else if field.kind == .message || field.kind == .group {
            if !routes[route].children.isEmpty {
                entry.table = UInt32(table(field.type, route: route, into: &plan))
                entry.seen = UInt32(slotCount)
                slotCount += 1
            } else if let slot, ProtobufMeaning(schema[field.type]).isDirect {
                direct(field, slot, &entry, into: &plan)
                return (entry, nil)
            }
            if let slot, ProtobufMeaning(schema[field.type]) != .none { rootMeanings.append(slot) }
        }
        return (entry, slot == nil ? nil : defaultValue(field, entry))
    }

    /// A message that stands for a value of its fields: nothing of it need be kept but these.
    private mutating func direct(
        _ field: ProtobufSchema.Field, _ slot: UInt32, _ entry: inout Entry, into plan: inout ProtobufPlan
    ) {
        let fields = schema[field.type].fields
        let first = UInt32(slotCount)
        entry.seen = first + UInt32(fields.count)
        slotCount += fields.count + 1
        (entry.slot, entry.node) = (ProtobufPlan.none, ProtobufPlan.none)
        var entries: [Entry] = []
        var defaults: [(slot: UInt32, value: ProtobufPlan.Default)] = []
        for (place, field) in fields.enumerated() {
            let inner = wholeEntry(field, slot: first + UInt32(place), into: &plan)
            entries.append(inner)
            if let value = defaultValue(field, inner) { defaults.append((inner.slot, value)) }
        }
        entry.table = UInt32(append(entries, defaults, into: &plan))
        plan.direct.append((slot, first, entry.seen, ProtobufMeaning(schema[field.type])))
    }

    /// Elements of a list by their index, values of a map by their key.
    private mutating func select(
        _ field: ProtobufSchema.Field, _ route: Int, _ entry: inout Entry, into plan: inout ProtobufPlan
    ) {
        let isMap = field.kind == .message && schema[field.type].isMapEntry
        var chosen: [ProtobufPlan.Choice] = []
        for (name, child) in routes[route].children.sorted(by: { $0.value < $1.value }) {
            let index = UInt64(name)
            guard isMap || index.map({ String($0) == name }) == true else { continue }
            let value = isMap ? schema[field.type].fields[1] : field
            let first = slotCount
            var table = ProtobufPlan.none
            if value.kind == .message || value.kind == .group, !routes[child].children.isEmpty {
                table = UInt32(self.table(value.type, route: child, into: &plan))
            }
            plan.clears.append(slots(below: child) + (first..<slotCount).map { UInt32($0) })
            chosen.append(
                ProtobufPlan.Choice(
                    index: index ?? 0, key: Array(name.utf8), slot: routes[child].slot ?? ProtobufPlan.none,
                    table: table,
                    clears: UInt32(plan.clears.count - 1)))
        }
        guard !chosen.isEmpty else { return }
        var element = wholeEntry(field, slot: ProtobufPlan.none, into: &plan)
        if !isMap, case .list(let inner) = plan.contents[Int(element.node)] { element = inner }
        entry.choices = UInt32(plan.selections.count)
        plan.selections.append(
            .init(choices: chosen, element: element, mapTable: isMap ? wholeTable(field.type, into: &plan) : nil))
        entry.seen = UInt32(slotCount)
        slotCount += 1
    }

    private mutating func fill(_ table: Int, wholeOf message: Int, into plan: inout ProtobufPlan) {
        let fields = schema[message].fields
        var entries: [Entry] = []
        var defaults: [(slot: UInt32, value: ProtobufPlan.Default)] = []
        let firstMember = plan.members.count
        let firstMeaning = plan.meanings.count
        for (slot, field) in fields.enumerated() {
            let entry = wholeEntry(field, slot: UInt32(slot), into: &plan)
            entries.append(entry)
            if let value = defaultValue(field, entry, isMapEntry: schema[message].isMapEntry) {
                defaults.append((UInt32(slot), value))
            }
            if !field.isRepeated, field.kind == .message || field.kind == .group,
                ProtobufMeaning(schema[field.type]) != .none
            {
                plan.meanings.append(UInt32(slot))
            }
            let start = plan.texts.count
            plan.texts += field.name.utf8
            plan.members.append(.init(name: start..<plan.texts.count, slot: slot))
        }
        clear(&entries, schema[message], fields.indices.map { [UInt32($0)] }, into: &plan)
        set(table, entries, defaults, into: &plan)
        plan.tables[table].slotCount = fields.count
        plan.tables[table].members = firstMember..<plan.members.count
        plan.tables[table].meanings = firstMeaning..<plan.meanings.count
    }

    private mutating func fill(_ table: Int, checking message: Int, into plan: inout ProtobufPlan) {
        var entries: [Entry] = []
        for field in schema[message].fields { entries.append(checkingEntry(field, into: &plan)) }
        set(table, entries, [], into: &plan)
    }

    private mutating func append(
        _ entries: [Entry], _ defaults: [(slot: UInt32, value: ProtobufPlan.Default)], into plan: inout ProtobufPlan
    ) -> Int {
        plan.tables.append(.init(entries: 0..<0, dense: 0..<0, defaults: 0..<0))
        set(plan.tables.count - 1, entries, defaults, into: &plan)
        return plan.tables.count - 1
    }

    /// Numbers up to this are looked up by themselves, as long as that takes no more room than the fields do.
    private static let mostDense: UInt32 = 1023

    private func set(
        _ table: Int, _ entries: [Entry], _ defaults: [(slot: UInt32, value: ProtobufPlan.Default)],
        into plan: inout ProtobufPlan
    ) {
        let (firstEntry, firstDense, firstDefault) = (plan.entries.count, plan.dense.count, plan.defaults.count)
        plan.entries += entries
        plan.defaults += defaults
        let low = entries.lazy.map(\.number).last { $0 <= Self.mostDense && $0 <= 63 + UInt32(entries.count) * 8 } ?? 0
        var dense = [UInt16](repeating: 0, count: Int(low) + 1)
        for (place, entry) in entries.enumerated() where entry.number <= low && place < UInt16.max {
            dense[Int(entry.number)] = UInt16(place + 1)
        }
        plan.dense += dense
        plan.tables[table].entries = firstEntry..<plan.entries.count
        plan.tables[table].dense = firstDense..<plan.dense.count
        plan.tables[table].defaults = firstDefault..<plan.defaults.count
    }

    /// Members of a oneof take each other's place.
    private func clear(
        _ entries: inout [Entry], _ message: ProtobufSchema.Message, _ slots: [[UInt32]],
        into plan: inout ProtobufPlan
    ) {
        for (place, field) in message.fields.enumerated() {
            guard let oneof = field.oneof else { continue }
            let others = message.fields.indices.filter { $0 != place && message.fields[$0].oneof == oneof }
            let cleared = others.flatMap { slots[$0] }
            guard !cleared.isEmpty else { continue }
            entries[place].clears = UInt32(plan.clears.count)
            plan.clears.append(cleared)
        }
    }

    // MARK: Entries

    private mutating func checkingEntry(_ field: ProtobufSchema.Field, into plan: inout ProtobufPlan) -> Entry {
        let code = Self.code(field.kind)
        let skipping = Self.skipping(code)
        var entry = Entry(
            number: field.number, code: field.isRepeated ? .list : skipping, element: skipping, wire: code.wire)
        if field.kind == .message || field.kind == .group {
            entry.table = UInt32(checkingTable(field.type, into: &plan))
        }
        return entry
    }

    private mutating func wholeEntry(
        _ field: ProtobufSchema.Field, slot: UInt32, into plan: inout ProtobufPlan
    ) -> Entry {
        let code = Self.code(field.kind)
        var entry = Entry(number: field.number, code: field.isRepeated ? .list : code, element: code, wire: code.wire)
        entry.slot = slot
        switch field.kind {
        case .symbol: entry.symbols = symbols(field.type, into: &plan)
        case .message, .group: entry.table = UInt32(checkingTable(field.type, into: &plan))
        default: break
        }
        guard field.isRepeated else {
            if field.kind == .message || field.kind == .group { entry.node = node(field.type, into: &plan) }
            return entry
        }
        if field.kind == .message, schema[field.type].isMapEntry {
            entry.node = UInt32(plan.contents.count)
            plan.contents.append(.map(table: 0))
            plan.contents[Int(entry.node)] = .map(table: wholeTable(field.type, into: &plan))
            return entry
        }
        var element = entry
        element.code = code
        if field.kind == .message || field.kind == .group { element.node = node(field.type, into: &plan) }
        entry.node = UInt32(plan.contents.count)
        plan.contents.append(.list(element))
        return entry
    }

    private mutating func checkingTable(_ message: Int, into plan: inout ProtobufPlan) -> Int {
        if let known = checking[message] { return known }
        plan.tables.append(.init(entries: 0..<0, dense: 0..<0, defaults: 0..<0))
        checking[message] = plan.tables.count - 1
        queue.append((plan.tables.count - 1, message, false))
        return plan.tables.count - 1
    }

    private mutating func wholeTable(_ message: Int, into plan: inout ProtobufPlan) -> Int {
        if let known = whole[message] { return known }
        plan.tables.append(.init(entries: 0..<0, dense: 0..<0, defaults: 0..<0))
        whole[message] = plan.tables.count - 1
        queue.append((plan.tables.count - 1, message, true))
        return plan.tables.count - 1
    }

    private mutating func node(_ message: Int, into plan: inout ProtobufPlan) -> UInt32 {
        if let known = nodes[message] { return known }
        let node = UInt32(plan.contents.count)
        nodes[message] = node
        if ProtobufMeaning(schema[message]) == .any { hasAny = true }
        plan.contents.append(.record(table: 0, .none))
        plan.contents[Int(node)] = .record(
            table: wholeTable(message, into: &plan), ProtobufMeaning(schema[message]))
        return node
    }

    private mutating func symbols(_ type: Int, into plan: inout ProtobufPlan) -> UInt32 {
        if let known = symbols[type] { return known }
        let values = schema.enums[type].values.sorted { $0.number < $1.number }
        let first = values.firstIndex { $0.number == schema.enums[type].values.first?.number } ?? 0
        var names: [Range<Int>] = []
        for value in values {
            let start = plan.texts.count
            plan.texts += value.name.utf8
            names.append(start..<plan.texts.count)
        }
        symbols[type] = UInt32(plan.symbols.count)
        plan.symbols.append((values.map(\.number), names, first, schema.enums[type].isClosed))
        return UInt32(plan.symbols.count - 1)
    }

    /// - Parameter isMapEntry: a key or a value of a map that was not written is the default of its type, whatever that is.
    private func defaultValue(
        _ field: ProtobufSchema.Field, _ entry: Entry, isMapEntry: Bool = false
    ) -> ProtobufPlan.Default? {
        if field.isRepeated {
            let isMap = field.kind == .message && schema[field.type].isMapEntry
            return isMap ? .map(entry.node) : .list(entry.node)
        }
        guard !field.hasPresence || isMapEntry else { return nil }
        if field.kind == .message || field.kind == .group { return .map(entry.node) }
        return field.kind == .symbol ? .symbol(Int(entry.symbols)) : .zero(entry.code)
    }

    private static func code(_ kind: ProtobufSchema.Kind) -> ProtobufPlan.Code {
        switch kind {
        case .double: .double
        case .float: .float
        case .int32: .int32
        case .int64: .int64
        case .uint32: .uint32
        case .uint64: .uint64
        case .sint32: .sint32
        case .sint64: .sint64
        case .fixed32: .fixed32
        case .fixed64: .fixed64
        case .sfixed32: .sfixed32
        case .sfixed64: .sfixed64
        case .bool: .bool
        case .string: .string
        case .bytes: .bytes
        case .symbol: .symbol
        case .message: .message
        case .group: .group
        }
    }

    private static func skipping(_ code: ProtobufPlan.Code) -> ProtobufPlan.Code {
        switch code.wire {
        case 0: .skipVarint
        case 1: .skip8
        case 5: .skip4
        default: code == .string ? .skipString : code == .bytes ? .skipBytes : code
        }
    }
}
