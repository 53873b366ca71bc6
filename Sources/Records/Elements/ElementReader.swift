/// Goes through the elements of messages, one by one, and has of each the fields that are wanted, behind those of the message
/// and of what holds the element: all of them in one piece of memory that does not move.
///
/// JSON costs no allocation an element. Belongs to one thread, and reads one message at a time.
public final class ElementReader {
    /// The message's fields, and behind them those of the plan.
    public let fields: UnsafeBufferPointer<Field>

    /// What there is next.
    public enum Event {
        /// A record whose elements come now, an element itself of this step.
        case holder(step: Int)
        /// An element that makes a row: its fields and those of all that holds it are there.
        case element
    }

    private final class Level {
        let holder: ElementPath.Holder
        let picker: ElementPicker
        /// Where its fields stand.
        let start: Int
        /// Where the next level's holder stands; negative: this is the last.
        let next: Int
        let container = JSONContainer()

        init(_ plan: ElementPlan, _ step: Int, behind count: Int) {
            holder = plan.path.steps[step].holder
            picker = ElementPicker(plan.paths[step])
            start = count + plan.start(of: step)
            next = step < plan.holders.count ? start + ElementPlan.ownCount + plan.holders[step] : -1
        }
    }

    /// What another list has of each element, in the same place.
    private final class Beside {
        let picker: ElementPicker
        let start: Int
        private let container = JSONContainer()
        /// Of JSON, and of what a decoder opens.
        private var items = UnsafeBufferPointer<Field>(start: nil, count: 0)
        private var values: [Field] = []

        init(_ plan: ElementPlan, _ step: Int, behind count: Int) {
            picker = ElementPicker(plan.paths[step])
            start = count + plan.start(of: step) + ElementPlan.ownCount
        }

        /// Begins with another list; what is none has nothing.
        func begin(_ list: Field, _ decoder: any RecordDecoder) throws(DecodingFailure) {
            items = UnsafeBufferPointer(start: nil, count: 0)
            values.removeAll(keepingCapacity: true)
            if list.kind == .array {
                container.reset()
                items = try container.items(of: list)
            } else if list.kind == .list {
                try decoder.visit(list) { _, value in
                    values.append(value)
                    return true
                }
            }
        }

        subscript(index: Int) -> Field {
            if index < items.count { return items[index] }
            return index < values.count ? values[index] : Field(.absent)
        }
    }

    private let memory: UnsafeMutableBufferPointer<Field>
    private let base: UnsafeMutablePointer<Field>
    private let levels: [Level]
    private let beside: Beside?
    private let most: Int
    private let isMessage: Bool
    private var seen = 0

    /// - Parameters:
    ///   - count: how many fields a message has.
    ///   - most: elements that one message may have.
    public init(_ plan: ElementPlan, behind count: Int, most: Int) {
        self.most = most
        isMessage = plan.path.isMessage
        memory = .allocate(capacity: count + plan.count)
        memory.initialize(repeating: Field(.absent))
        base = memory.baseAddress.unsafelyUnwrapped
        fields = UnsafeBufferPointer(memory)
        levels = plan.path.steps.indices.map { Level(plan, $0, behind: count) }
        beside = plan.beside.map { Beside(plan, $0, behind: count) }
    }

    deinit { memory.deallocate() }

    /// - Parameters:
    ///   - holder: the outermost one, a field of the message.
    ///   - list: what has of each element, in the same place, what belongs to it.
    ///   - message: its fields, as many as was said.
    ///   - decoder: of the message.
    ///   - body: false ends it.
    public func read(
        _ holder: Field, beside list: Field = Field(.absent), of message: UnsafeBufferPointer<Field>?,
        by decoder: any RecordDecoder, _ body: (Event) -> Bool
    ) throws(ElementFault) {
        begin(message)
        do throws(DecodingFailure) { try beside?.begin(list, decoder) } catch { throw .unreadable(error) }
        _ = try open(holder, 0, decoder, body)
    }

    /// Has the fields of a message that has no elements: one that stands for all of them has the first place.
    public func readNone(of message: UnsafeBufferPointer<Field>) -> UnsafeBufferPointer<Field> {
        for place in message.count..<fields.count { base[place] = Field(.absent) }
        begin(message)
        for level in levels { base[level.start] = .integer(0) }
        return fields
    }

    /// The same of a message in JSON that is many records.
    public func read(
        documents text: UnsafeRawBufferPointer, by decoder: any RecordDecoder, _ body: (Event) -> Bool
    ) throws(ElementFault) {
        begin(nil)
        let items: UnsafeBufferPointer<Field>
        levels[0].container.reset()
        do throws(DecodingFailure) { items = try levels[0].container.documents(of: text) } catch {
            throw .unreadable(error)
        }
        for index in items.indices {
            guard try element(items[index], index, Field(.absent), 0, decoder, body) else { return }
        }
    }

    private func begin(_ message: UnsafeBufferPointer<Field>?) {
        seen = 0
        guard let message else { return }
        for place in message.indices { base[place] = message[place] }
    }

    /// - Returns: whether to go on.
    private func open(
        _ holder: Field, _ step: Int, _ decoder: any RecordDecoder, _ body: (Event) -> Bool
    ) throws(ElementFault) -> Bool {
        let level = levels[step]
        switch (holder.kind, level.holder) {
        case (.absent, _), (.null, _): return true
        case (.array, .list):
            let items = try items(of: holder, level)
            for index in items.indices {
                guard try element(items[index], index, Field(.absent), step, decoder, body) else { return false }
            }
            return true
        case (.list, .list): return try visit(holder, step, decoder, body)
        case (.object, .object): return try members(of: holder, step, decoder, body)
        case (.record, .object): return try visitMembers(of: holder, step, decoder, body)
        // A record on the way to the elements, or the one record that a message is.
        case (.object, .list) where level.next >= 0 || step == 0 && isMessage,
            (.record, .list) where level.next >= 0 || step == 0 && isMessage:
            return try element(holder, 0, Field(.absent), step, decoder, body)
        default: throw .notElements(step: step, holder.kind)
        }
    }

    private func items(of holder: Field, _ level: Level) throws(ElementFault) -> UnsafeBufferPointer<Field> {
        level.container.reset()
        do throws(DecodingFailure) { return try level.container.items(of: holder) } catch {
            throw .unreadable(error)
        }
    }

    /// Of a name that comes twice the last one counts.
    private func members(
        of holder: Field, _ step: Int, _ decoder: any RecordDecoder, _ body: (Event) -> Bool
    ) throws(ElementFault) -> Bool {
        let items = try items(of: holder, levels[step])
        let last = LastOfNames(items)
        var index = 0
        for place in stride(from: 0, to: items.count, by: 2) where last.isLast(place) {
            guard try element(items[place + 1], index, items[place], step, decoder, body) else { return false }
            index += 1
        }
        return true
    }

    private func visit(
        _ holder: Field, _ step: Int, _ decoder: any RecordDecoder, _ body: (Event) -> Bool
    ) throws(ElementFault) -> Bool {
        var index = 0
        var fault: ElementFault?
        var goesOn = true
        do throws(DecodingFailure) {
            try decoder.visit(holder) { _, value in
                do throws(ElementFault) {
                    goesOn = try element(value, index, Field(.absent), step, decoder, body)
                } catch {
                    fault = error
                    goesOn = false
                }
                index += 1
                return goesOn
            }
        } catch { throw .unreadable(error) }
        if let fault { throw fault }
        return goesOn
    }

    private func visitMembers(
        of holder: Field, _ step: Int, _ decoder: any RecordDecoder, _ body: (Event) -> Bool
    ) throws(ElementFault) -> Bool {
        // A name may be gone behind its visit, and a later one may be the same.
        var names: [[UInt8]] = []
        var values: [Field] = []
        do throws(DecodingFailure) {
            try decoder.visit(holder) { name, value in
                names.append(Array(name))
                values.append(value)
                return true
            }
        } catch { throw .unreadable(error) }
        var last: [[UInt8]: Int] = [:]
        for (place, name) in names.enumerated() { last[name] = place }
        var index = 0
        for (place, name) in names.enumerated() where last[name] == place {
            let result = name.withUnsafeBytes { name in
                Result { () throws(ElementFault) in
                    try element(values[place], index, Field(.string, name), step, decoder, body)
                }
            }
            guard try result.get() else { return false }
            index += 1
        }
        return true
    }

    @inline(__always)
    private func element(
        _ value: Field, _ index: Int, _ name: Field, _ step: Int, _ decoder: any RecordDecoder,
        _ body: (Event) -> Bool
    ) throws(ElementFault) -> Bool {
        let level = levels[step]
        base[level.start] = .integer(Int64(index))
        base[level.start + 1] = name
        do throws(DecodingFailure) {
            try level.picker.pick(value, by: decoder, into: base + level.start + ElementPlan.ownCount)
            if let beside, level.next < 0 {
                try beside.picker.pick(beside[index], by: decoder, into: base + beside.start)
            }
        } catch { throw .unreadable(error) }
        guard level.next >= 0 else {
            seen += 1
            guard seen <= most else { throw .tooMany }
            return body(.element)
        }
        let holder = base[level.next]
        if holder.kind != .absent, !body(.holder(step: step)) { return false }
        return try open(holder, step + 1, decoder, body)
    }
}

/// Which members of an object count: of each name the last.
private struct LastOfNames {
    private let items: UnsafeBufferPointer<Field>
    /// For more than a few, where the last of each name stands.
    private var places: [[UInt8]: Int]?

    /// - Parameter items: names and values in turn.
    init(_ items: UnsafeBufferPointer<Field>) {
        self.items = items
        guard items.count > 64 else { return }
        var places: [[UInt8]: Int] = [:]
        for place in stride(from: 0, to: items.count, by: 2) { places[Array(items[place].bytes)] = place }
        self.places = places
    }

    func isLast(_ place: Int) -> Bool {
        if let places { return places[Array(items[place].bytes)] == place }
        for later in stride(from: place + 2, to: items.count, by: 2)
        where items[later].bytes.elementsEqual(items[place].bytes) {
            return false
        }
        return true
    }
}
