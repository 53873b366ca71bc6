import Records

/// What is done with each message of the topics that share the same routes: decoded once, then a row for each route.
package struct MessagePlan: Sendable {
    /// Where a column finds its value.
    enum Input: Sendable {
        /// The position among the decoder's paths.
        case field(Int)
        /// What is wanted of an element, until it is known where that stands behind the message's fields.
        case element(ElementPlan.Place)
        case keyField(Int)
        /// The field if the message's key is a JSON object, else the whole key.
        case keyFieldOrKey(Int)
        /// A deletion's: what the message's key has, else the field of the row that was deleted.
        case keyOr(field: Int, keyField: Int, takesWholeKey: Bool)
        /// Of the row before a change, where the message has it, else of the one after it.
        case former(before: Int, after: Int)
        case source(ColumnSource)
    }

    /// A way in which a message can hold the record that a row is made of.
    struct Shape: Sendable {
        /// Where that record stands in the message; empty: it is the message.
        var base: FieldPath
        /// For each of the target's columns.
        var inputs: [Input]
        /// Where what holds the record's elements stands among the decoder's paths; nil: the record is one row.
        var holder: Int?
        /// Where the list stands that has of each element what it was before.
        var besideHolder: Int?
        /// For each source of the route's condition.
        var conditionInputs: [Input]
        /// For each source of a table's name.
        var tableInputs: [Input]
    }

    /// The positions of the routes, in the order of the configuration.
    var targets: [Int]
    /// For each of `targets`, at least one.
    var shapes: [[Shape]]
    /// For each of `targets`, what its rows take of the message's elements; nil where the message is a row.
    let elements: [ElementPlan?]
    /// Each message is many records. Routes of which that is so are in no plan with others.
    var isMany: Bool { elements.contains { $0?.path.isMessage == true } }
    /// For each of `targets`, how its change events are read; nil: its messages are none.
    private(set) var changes: [Changes?] = []
    /// For each of `targets`, where a tombstone's key finds each key column in the message's key, and behind them what says which
    /// message is newer, if a message without a value can say it.
    var tombstoneInputs: [[Input]]
    /// For each of `targets`, where a tombstone's table is found.
    var tombstoneTableInputs: [[Input]] = []
    package private(set) var valuePaths: [FieldPath]
    /// How values are read, and how keys are.
    let format: MessageFormat
    let keyFormat: MessageFormat
    var keyPaths: [FieldPath]
    /// Whether messages with a value need a field of the key, too.
    var rowsNeedKey: Bool
    /// Values may be in an envelope of Connect's, and no path leads to the envelope itself.
    let opensEnvelopes: Bool
    /// Where all of a value is among `valuePaths`, and all of a key among `keyPaths`, for those who want it as the decoder
    /// reads it; nil where nobody does.
    private(set) var wholeValue: Int?
    private(set) var wholeKey: Int?

    /// - Parameters:
    ///   - format: nil for that of the routes, which have one in common.
    ///   - keyFormat: likewise.
    package init(
        targets indices: [Int], of targets: [Target], format: MessageFormat? = nil, keyFormat: MessageFormat? = nil
    ) {
        self.targets = indices
        self.format = format ?? indices.first.map { targets[$0].messageFormat } ?? .json
        self.keyFormat = keyFormat ?? indices.first.map { targets[$0].keyMessageFormat } ?? .json
        shapes = []
        tombstoneInputs = []
        var values = PathList()
        var keys = PathList()
        var elements: [ElementPlan?] = []
        for index in indices {
            let target = targets[index]
            var plan = target.route.elementPlan
            let shapes = Shape.all(of: target, &plan, &values, &keys)
            self.shapes.append(shapes)
            tombstoneInputs.append(Self.tombstoneInputs(of: target, &plan, &keys))
            changes.append(Changes(of: target, tombstoneInputs.last ?? [], shapes, &plan, &values, &keys))
            elements.append(plan)
        }
        tombstoneTableInputs = indices.map { index in
            (targets[index].route.template?.sources ?? []).map { source in
                switch source {
                case .field(let path), .key(let path?): .keyField(keys.position(path))
                default: .source(source)
                }
            }
        }
        let sources = indices.flatMap { targets[$0].sources }
        if self.format.decodesWhole, sources.contains(.value) {
            wholeValue = values.position(FieldPath([]))
        }
        self.elements = elements
        for (place, plan) in elements.enumerated() {
            guard let plan else { continue }
            for shape in shapes[place].indices { shapes[place][shape].resolve(plan, behind: values.paths.count) }
            changes[place]?.resolve(plan, behind: values.paths.count)
            tombstoneInputs[place] = tombstoneInputs[place].map { $0.resolved(plan, behind: values.paths.count) }
        }
        let inputs = shapes.joined().map { $0.inputs + $0.conditionInputs + $0.tableInputs }
        let wantsWhole = (inputs + tombstoneInputs).joined().contains {
            if case .keyFieldOrKey = $0 { true } else { false }
        }
        // Also of JSON: a key in an envelope of Connect's is what is in it.
        if self.keyFormat.decodesWhole || self.keyFormat.isJSON, wantsWhole || sources.contains(.key(nil)) {
            wholeKey = keys.position(FieldPath([]))
        }
        valuePaths = values.paths
        keyPaths = keys.paths
        rowsNeedKey =
            inputs.joined().contains { if case .keyField = $0 { true } else { false } }
            || (wholeKey != nil && sources.contains(.key(nil)))
        opensEnvelopes = self.format.isJSON && ConnectJSONDecoder.opens(valuePaths)
    }
}

extension MessagePlan {
    /// Where a tombstone finds what it deletes by.
    private static func tombstoneInputs(
        of target: Target, _ elements: inout ElementPlan?, _ keys: inout PathList
    ) -> [Input] {
        // Of elements it is what holds them that a tombstone deletes.
        let deleted = target.parent.map { target.columns[..<$0.keyCount] } ?? target.keyColumns
        // What the route itself says of the key is no part of the message's.
        let said = deleted.count { $0.source != .constant }
        let versions = target.columns[target.versions].map { $0.source.ofTombstone(&keys) }
        let isOfDocuments = target.route.envelope?.documents != nil
        return deleted.map { column in
            // The key is a document, too.
            if isOfDocuments, let place = elements?.place(of: column.source) { return .element(place) }
            switch column.source {
            // A tombstone has no value: what would be a field of it is looked for in the key.
            case .field(let path), .parent(_, let path):
                return said == 1 ? .keyFieldOrKey(keys.position(path)) : .keyField(keys.position(path))
            case .key(let path?): return .keyField(keys.position(path))
            default: return .source(column.source)
            }
        } + (versions.contains { $0 == nil } ? [] : versions.compactMap(\.self))
    }
}

extension ColumnSource {
    /// Where a message without a value has it; nil: nowhere.
    fileprivate func ofTombstone(_ keys: inout PathList) -> MessagePlan.Input? {
        guard isOfTombstones else { return nil }
        return if case .key(let path?) = self { .keyField(keys.position(path)) } else { .source(self) }
    }
}

extension MessagePlan.Shape {
    /// - Parameters:
    ///   - elements: what is wanted of the record's elements; nil: the record is one row.
    ///   - aside: where an envelope says what is not of the record; nil for what it does not say.
    init(
        of target: Target, base: FieldPath, _ elements: inout ElementPlan?, _ values: inout PathList,
        _ keys: inout PathList, aside: (ColumnSource) -> FieldPath? = { _ in nil }
    ) {
        self.base = base
        func input(_ source: ColumnSource) -> MessagePlan.Input {
            switch source {
            case .field(let path), .parent(_, let path): .field(values.position(base + path))
            case .key(let path?): .keyField(keys.position(path))
            default: aside(source).map { .field(values.position($0)) } ?? .source(source)
            }
        }
        inputs = target.columns.map { column in
            if let place = elements?.place(of: column.source) { return .element(place) }
            return input(column.source)
        }
        // A condition is about the message, and not about its elements, but where those are all that it is about.
        conditionInputs = (target.route.condition?.sources ?? []).map { named in
            let source = target.spelledAsColumn(named)
            if elements?.beside != nil, let place = elements?.place(of: source) { return .element(place) }
            return input(source)
        }
        tableInputs = (target.route.template?.sources ?? []).map { input(target.spelledAsColumn($0)) }
        holder = elements.map { values.position(base + $0.outermost) }
    }

    /// Says where the fields of elements stand.
    ///
    /// - Parameter count: of the message's fields.
    mutating func resolve(_ elements: ElementPlan, behind count: Int) {
        inputs = inputs.map { $0.resolved(elements, behind: count) }
        conditionInputs = conditionInputs.map { $0.resolved(elements, behind: count) }
    }
}

extension MessagePlan.Input {
    /// The same with the place of an element's field said.
    func resolved(_ elements: ElementPlan, behind count: Int) -> MessagePlan.Input {
        guard case .element(let place) = self else { return self }
        return .field(count + elements.position(of: place))
    }
}

extension Target {
    /// A field that a column takes by another spelling of its name, as that column names it: in a message it is one, and the one who
    /// asks for it must not take it away from the other.
    fileprivate func spelledAsColumn(_ source: ColumnSource) -> ColumnSource {
        guard case .field(let path) = source, !columns.contains(where: { $0.source == source }) else { return source }
        return columns.first { if case .field(let own) = $0.source { own.takes(path.components) } else { false } }?
            .source
            ?? source
    }
}

extension ElementPlan {
    /// Has what a column takes of elements read; nil for what is the message's.
    mutating func place(of source: ColumnSource) -> Place? {
        switch source {
        case .before(let path): beside.map { place(of: path, step: $0) }
        case .field(let path): place(of: path, step: innermost)
        case .element: place(of: FieldPath([]), step: innermost)
        case .index: Self.index(step: innermost)
        case .name: Self.name(step: innermost)
        case .parent(let levels, let path) where levels <= innermost: place(of: path, step: innermost - levels)
        case .parentIndex(let levels): Self.index(step: innermost - levels)
        case .parentName(let levels): Self.name(step: innermost - levels)
        default: nil
        }
    }
}

extension FieldPath {
    /// The way to what this path leads to from where another one ends.
    static func + (base: FieldPath, path: FieldPath) -> FieldPath {
        FieldPath(base.components + path.components, names: path.names)
    }
}

/// Paths that a decoder is to be made with, each once.
struct PathList {
    private(set) var paths: [FieldPath] = []

    /// - Returns: the path's place, which is its field's among those that the decoder hands over.
    mutating func position(_ path: FieldPath) -> Int {
        if let known = paths.firstIndex(of: path) { return known }
        paths.append(path)
        return paths.count - 1
    }
}
