/// Turns a schema and paths into the instructions of a plan.
struct AvroCompiler {
    private typealias Place = AvroSchema.Place

    /// A place in the message that paths lead to or through.
    private struct Route {
        var slot: UInt32?
        var children: [String: Int] = [:]
        /// All slots further on.
        var below: [UInt32] = []
    }

    private struct Part: Hashable {
        var node: Place
        var route: Int?
    }

    private let schema: AvroSchema
    private var routes = [Route()]
    /// Paths whose last name takes other names as well: where that is looked for, and who stands in for them.
    private var loose: [(parent: Int, path: FieldPath, route: Int)] = []
    private var copies: [(from: Int, to: Int)] = []
    private var standIns: [(slot: Int, other: Int)] = []
    private(set) var slotCount: Int

    private var parts: [Part: UInt32] = [:]
    private var queue: [Part] = []
    private var calls: [(instruction: Int, part: Part)] = []
    private var inlined: Set<Part> = []
    private var texts: [String: AvroPlan.Text] = [:]
    private var resets: Set<UInt32> = []
    private var handsOut = false
    /// Where a jump leads last: what stands before it is not merged with what follows.
    private var label = 0
    /// Types in types that are being compiled in one piece.
    private var depth = 0
    private static let deepest = 64

    init(_ schema: AvroSchema, _ paths: [FieldPath]) {
        self.schema = schema
        slotCount = paths.count
        for (slot, path) in paths.enumerated() { add(path, slot) }
        addStandIns(paths)
        // For who looks into something.
        slotCount += 1
    }

    private mutating func add(_ path: FieldPath, _ slot: Int) {
        var route = 0
        for component in path.components {
            routes[route].below.append(UInt32(slot))
            if let known = routes[route].children[component] {
                route = known
            } else {
                routes.append(Route())
                routes[route].children[component] = routes.count - 1
                route = routes.count - 1
            }
        }
        if let first = routes[route].slot {
            copies.append((Int(first), slot))
        } else {
            routes[route].slot = UInt32(slot)
        }
    }

    /// A field of another name is one slot, however many paths take it.
    private mutating func addStandIns(_ paths: [FieldPath]) {
        for (slot, path) in paths.enumerated() where path.names != .exact && !path.components.isEmpty {
            resets.insert(UInt32(slot))
            if let known = loose.first(where: { $0.path == path }) {
                standIns.append((slot, Int(routes[known.route].slot ?? 0)))
                continue
            }
            var route = Route()
            route.slot = UInt32(slotCount)
            routes.append(route)
            var parent = 0
            for component in path.components.dropLast() {
                routes[parent].below.append(UInt32(slotCount))
                parent = routes[parent].children[component] ?? 0
            }
            routes[parent].below.append(UInt32(slotCount))
            loose.append((parent, path, routes.count - 1))
            // One that is left as it was stands in for nothing.
            resets.insert(UInt32(slotCount))
            standIns.append((slot, slotCount))
            slotCount += 1
        }
    }

    // MARK: The whole

    mutating func compile(into plan: inout AvroPlan) {
        emit(schema.root, 0, levels: 0, into: &plan)
        plan.instructions.append(AvroInstruction(code: .end))
        if handsOut { compileContents(into: &plan) }
        compileParts(into: &plan)
        plan.copies = copies
        plan.standIns = standIns
        plan.resets = resets.sorted()
    }

    private mutating func compileParts(into plan: inout AvroPlan) {
        while let part = queue.popLast() {
            parts[part] = begin(&plan)
            emitContainer(part.node, part.route, levels: 0, into: &plan)
            plan.instructions.append(AvroInstruction(code: .end))
        }
        for call in calls { plan.instructions[call.instruction].first = parts[call.part] ?? 0 }
        for (node, part) in plan.skips.enumerated() where part == AvroInstruction.none {
            plan.skips[node] = parts[Part(node: node, route: nil)] ?? AvroInstruction.none
        }
    }

    /// How values of each type are read one by one, and what is passed over that nobody looks into.
    private mutating func compileContents(into plan: inout AvroPlan) {
        for (place, node) in schema.nodes.enumerated() {
            var content = AvroPlan.Content.scalar
            switch node.shape {
            case .array(let items): content = .list(items)
            case .map(let values): content = .map(values)
            case .record(let members):
                let start = plan.members.count
                for member in members {
                    plan.members.append(.init(name: text(member.name, &plan), node: member.type))
                }
                content = .record(start..<plan.members.count)
            default: break
            }
            plan.contents.append(content)
            plan.values.append(begin(&plan))
            emitValue(place, into: &plan)
            plan.instructions.append(AvroInstruction(code: .end))
            plan.skips.append(AvroInstruction.none)
            if case .scalar = content { continue }
            want(Part(node: place, route: nil))
        }
    }

    private mutating func want(_ part: Part) {
        guard parts[part] == nil else { return }
        parts[part] = AvroInstruction.none
        queue.append(part)
    }

    /// - Returns: the place of what is added next, where a jump may lead.
    private mutating func begin(_ plan: inout AvroPlan) -> UInt32 {
        label = plan.instructions.count
        return UInt32(label)
    }

    private mutating func text(_ text: String, _ plan: inout AvroPlan) -> AvroPlan.Text {
        if let known = texts[text] { return known }
        let place = AvroPlan.Text(start: plan.texts.count, count: text.utf8.count)
        plan.texts += text.utf8
        texts[text] = place
        return place
    }

    // MARK: Types

    /// Adds what reads a value of a type for a route, or checks it.
    private mutating func emit(_ place: Place, _ route: Int?, levels: Int, into plan: inout AvroPlan) {
        // What takes no byte can hold no mistake.
        if route == nil, schema.emptyValues[place] != nil { return }
        depth += 1
        defer { depth -= 1 }
        switch schema[place].shape {
        case .union(let branches): emitUnion(branches, route, levels: levels, into: &plan)
        case .record:
            let part = Part(node: place, route: route)
            if depth < Self.deepest, inlined.insert(part).inserted {
                emitContainer(place, route, levels: levels, into: &plan)
            } else {
                calls.append((plan.instructions.count, part))
                plan.instructions.append(AvroInstruction(code: .call, levels: UInt16(levels)))
                want(part)
            }
        case .array, .map: emitContainer(place, route, levels: levels, into: &plan)
        default: emitScalar(place, route.flatMap { routes[$0].slot }, into: &plan)
        }
    }

    private mutating func emitScalar(_ place: Place, _ slot: UInt32?, into plan: inout AvroPlan) {
        guard var reading = AvroInstruction.Code.reading(schema[place]) else { return }
        guard let slot else {
            guard let skip = reading.code.skipping(reading) else { return }
            let last = plan.instructions.count - 1
            if skip.code == .skipFixed, last >= label, plan.instructions[last].code == .skipFixed {
                let (sum, overflow) = plan.instructions[last].first.addingReportingOverflow(skip.first)
                if !overflow {
                    plan.instructions[last].first = sum
                    return
                }
            }
            return plan.instructions.append(
                AvroInstruction(code: skip.code, first: skip.first, second: skip.second))
        }
        if case .enum(let symbols) = schema[place].shape {
            reading.first = UInt32(plan.symbols.count)
            for symbol in symbols { plan.symbols.append(text(symbol, &plan)) }
        }
        plan.instructions.append(
            AvroInstruction(code: reading.code, slot: slot, first: reading.first, second: reading.second))
    }

    private mutating func emitUnion(
        _ branches: [Place], _ route: Int?, levels: Int, into plan: inout AvroPlan
    ) {
        // Another branch may have nothing of what lies further on.
        if let route { resets.formUnion(routes[route].below) }
        let slot = route.flatMap { routes[$0].slot }
        let start = plan.instructions.count
        if branches.count == 2, let null = branches.firstIndex(where: { schema[$0].shape == .null }) {
            plan.instructions.append(
                AvroInstruction(code: .optional, slot: slot ?? AvroInstruction.none, second: UInt32(null)))
            emit(branches[1 - null], route, levels: levels, into: &plan)
            plan.instructions[start].first = begin(&plan)
            return
        }
        let table = plan.branches.count
        plan.instructions.append(
            AvroInstruction(code: .union, first: UInt32(table), second: UInt32(branches.count)))
        plan.branches += Array(repeating: 0, count: branches.count)
        var jumps: [Int] = []
        for (index, branch) in branches.enumerated() {
            plan.branches[table + index] = begin(&plan)
            emit(branch, route, levels: levels, into: &plan)
            jumps.append(plan.instructions.count)
            plan.instructions.append(AvroInstruction(code: .jump))
        }
        let end = begin(&plan)
        for jump in jumps { plan.instructions[jump].first = end }
    }

    /// Adds what reads a list, record or map.
    private mutating func emitContainer(_ place: Place, _ route: Int?, levels: Int, into plan: inout AvroPlan) {
        if let slot = route.flatMap({ routes[$0].slot }) { emitMark(place, slot, into: &plan) }
        switch schema[place].shape {
        case .record(let members):
            let taken = route.map { self.taken(of: members, on: $0) } ?? [:]
            for (index, member) in members.enumerated() {
                let inner = route.flatMap { routes[$0].children[member.name] } ?? taken[index]
                emit(member.type, inner, levels: levels + 1, into: &plan)
            }
        case .array(let items): emitList(.array, items, route, levels: levels, into: &plan)
        case .map(let values): emitList(.map, values, route, levels: levels, into: &plan)
        default: break
        }
    }

    /// Adds what writes where a list or record begins, or the number that a record of Debezium's is.
    private mutating func emitMark(_ place: Place, _ slot: UInt32, into plan: inout AvroPlan) {
        if let bytesFirst = isVariableDecimal(place) {
            plan.instructions.append(
                AvroInstruction(code: .variableDecimal, slot: slot, first: bytesFirst ? 1 : 0))
            return
        }
        handsOut = true
        var isRecord = true
        if case .array = schema[place].shape { isRecord = false }
        plan.instructions.append(
            AvroInstruction(code: .mark, slot: slot, first: UInt32(place), second: isRecord ? 1 : 0))
    }

    /// Whether it is the record that Debezium makes of a number whose scale is not known before; and then, whether the
    /// number comes before its scale.
    private func isVariableDecimal(_ place: Place) -> Bool? {
        let name = "io.debezium.data.VariableScaleDecimal"
        guard schema[place].connectName == name || schema[place].name == name,
            case .record(let members) = schema[place].shape, members.count == 2
        else { return nil }
        let shapes = members.map { schema[$0.type].shape }
        if members[0].name == "scale", shapes == [.int, .bytes] { return false }
        if members[0].name == "value", shapes == [.bytes, .int] { return true }
        return nil
    }

    /// Where a record's fields go that no path names, by those that take other names. Of several such fields the
    /// last counts, and of several paths the first, as with `JSONRecordDecoder`.
    private func taken(of members: [AvroSchema.Member], on route: Int) -> [Int: Int] {
        let loose = loose.filter { $0.parent == route }
        guard !loose.isEmpty else { return [:] }
        var last: [Int: Int] = [:]
        for (index, member) in members.enumerated() where routes[route].children[member.name] == nil {
            if let taker = loose.first(where: { $0.path.ends(with: member.name) }) { last[taker.route] = index }
        }
        return Dictionary(uniqueKeysWithValues: last.map { ($1, $0) })
    }

    private mutating func emitList(
        _ code: AvroInstruction.Code, _ items: Place, _ route: Int?, levels: Int, into plan: inout AvroPlan
    ) {
        let children = route.map { routes[$0].children.sorted { $0.key < $1.key } } ?? []
        let loose = code == .map ? loose.filter { $0.parent == route } : []
        if let route { resets.formUnion(routes[route].below) }
        let place = plan.instructions.count
        if code == .array, children.isEmpty, let values = schema.emptyValues[items] {
            plan.instructions.append(
                AvroInstruction(code: .emptyArray, first: UInt32(clamping: values)))
            return
        }
        let values = code == .array ? schema.emptyValues[items] ?? 0 : 0
        plan.instructions.append(
            AvroInstruction(
                code: code, levels: UInt16(levels), slot: UInt32(clamping: values), second: AvroInstruction.none))
        plan.instructions.append(AvroInstruction(code: .jump))
        plan.instructions[place].first = begin(&plan)
        emit(items, nil, levels: levels + 1, into: &plan)
        plan.instructions.append(AvroInstruction(code: .end))
        if code == .array, children.isEmpty, plan.instructions.count == place + 4,
            plan.instructions[place + 2].code == .skipFixed
        {
            let size = plan.instructions[place + 2].first
            plan.instructions.removeLast(4)
            plan.instructions.append(AvroInstruction(code: .skipFixedArray, first: size))
            _ = begin(&plan)
            return
        }
        var choices: [AvroPlan.Choice] = []
        for child in children {
            choices += choice(code, child.key, .exact, child.value, items, levels, into: &plan)
        }
        for taker in loose {
            choices += choice(
                code, taker.path.components.last ?? "", taker.path.names, taker.route, items, levels, into: &plan)
        }
        if !choices.isEmpty {
            plan.instructions[place].second = UInt32(plan.selections.count)
            plan.selections.append(plan.choices.count..<plan.choices.count + choices.count)
            plan.choices += choices
        }
        plan.instructions[place + 1].first = begin(&plan)
    }

    /// Adds what reads one element or value, by its index or name.
    private mutating func choice(
        _ code: AvroInstruction.Code, _ name: String, _ names: FieldPath.Names, _ route: Int, _ items: Place,
        _ levels: Int, into plan: inout AvroPlan
    ) -> [AvroPlan.Choice] {
        let index = code == .array ? Self.index(name) : 0
        guard let index else { return [] }
        let start = begin(&plan)
        // A name that comes again replaces all that it brought before.
        let slots = routes[route].below + (routes[route].slot.map { [$0] } ?? [])
        resets.formUnion(slots)
        plan.instructions.append(
            AvroInstruction(code: .forget, first: UInt32(plan.forgotten.count), second: UInt32(slots.count)))
        plan.forgotten += slots
        emit(items, route, levels: levels + 1, into: &plan)
        plan.instructions.append(AvroInstruction(code: .end))
        return [.init(index: index, name: text(name, &plan), names: names, instruction: start)]
    }

    /// As a path writes an element's place: without a sign or zeros before it.
    private static func index(_ name: String) -> UInt64? {
        guard let index = UInt64(name), String(index) == name else { return nil }
        return index
    }

    /// Adds what reads one value for who looks into something: what is nested is not passed over yet, because who looks
    /// may look into that as well.
    private mutating func emitValue(_ place: Place, into plan: inout AvroPlan) {
        let scratch = UInt32(slotCount - 1)
        switch schema[place].shape {
        case .union(let branches):
            let table = plan.branches.count
            plan.instructions.append(
                AvroInstruction(code: .union, first: UInt32(table), second: UInt32(branches.count)))
            plan.branches += Array(repeating: 0, count: branches.count)
            for (index, branch) in branches.enumerated() {
                plan.branches[table + index] = begin(&plan)
                emitValue(branch, into: &plan)
                plan.instructions.append(AvroInstruction(code: .end))
            }
        case .array, .map, .record:
            emitMark(place, scratch, into: &plan)
            if isVariableDecimal(place) != nil { emit(place, nil, levels: 0, into: &plan) }
        default: emitScalar(place, scratch, into: &plan)
        }
    }
}
