import Foundation
import Loading
import Postgres
import Records

/// A table and a route for a topic, worked out from a sample alone.
package struct TableProposal {
    /// What becomes of objects within a message.
    package enum Nesting: String, CaseIterable {
        /// Each field of an object is a column, one level deep; what is nested deeper is `jsonb`, and so is an object whose
        /// names are values.
        case flatten
        case jsonb
        /// As `flatten`, and an array of objects is a table of its own, with a row for each of them.
        case tables
    }

    package enum KeyChoice: Equatable {
        case automatic
        case none
        /// Fields, as a route names them, or columns.
        case columns([String])
    }

    package struct Column {
        package var name: String
        var path: [String]
        /// Where the value comes from, if it is no field of the row's own record.
        var origin: ColumnSource?
        package var proposal: TypeProposal
        package var isNotNull: Bool
        package var field: FieldProfile
        package var isKey = false
        /// What of the sample it refuses.
        package var misfits = Misfits()
        /// As the route writes where its value comes from.
        package var source: String { (origin ?? .field(FieldPath(path))).expression }
    }

    /// A key that was asked for and is not there.
    package struct UnknownKey: Error {
        package var name: String
        package var near: String?
    }

    package let topic: String
    package let table: TableName
    package let profile: TopicProfile
    /// What the route says of how its messages are read: lines of YAML.
    package let reading: [String]
    /// Those of the key first.
    package private(set) var columns: [Column] = []
    package private(set) var key: [String] = []
    /// Why this key, or why none.
    package private(set) var keyReason = ""
    /// Whether the message's key names the row, so that a tombstone can delete it.
    private(set) var isKeyOfMessage = false
    /// Fields that no route can name.
    package private(set) var unroutable = 0
    /// Messages of the sample with a value that its column refuses.
    package private(set) var refused = 0
    /// Tables of what the messages have several of.
    package private(set) var children: [TableProposal] = []
    /// They, and the tables of what those have several of; each behind what it refers to.
    package var descendants: [TableProposal] { children.flatMap { [$0] + $0.descendants } }
    /// Of such a table: the way to the list whose elements are its rows, and what it refers to.
    package private(set) var elements: (path: [String], of: TableName, key: [String])?
    /// Arrays of objects that have no table of their own.
    package var arrays: [String] {
        profile.envelope?.bearsElements == false ? [] : columns.filter(\.isListOfRecords).map(\.source)
    }

    /// A field that every message has is NOT NULL from so many messages on.
    static let enough = 30
    private static let mostColumns = 1000

    package init(
        topic: String, table: TableName, _ profile: TopicProfile, reading: [String] = [],
        nesting: Nesting = .flatten, key choice: KeyChoice = .automatic, now: Date = Date()
    ) throws(UnknownKey) {
        self.reading = reading
        self.topic = topic
        self.table = table
        self.profile = profile
        addColumns(nesting, now)
        settleTypes()
        relax()
        try chooseKey(choice)
        markKey()
        if nesting == .tables, !key.isEmpty { addChildren(now) }
    }

    /// Gives lists of records tables of their own.
    private mutating func addChildren(_ now: Date) {
        guard profile.envelope?.bearsElements ?? true else { return }
        let lists = columns.filter { $0.isListOfRecords && $0.path.count == 1 && !$0.isKey }
        children = lists.map { TableProposal(elementsOf: $0, of: self, now: now) }
        columns.removeAll { column in lists.contains { $0.name == column.name } }
    }

    /// The table of a column's elements.
    private init(elementsOf list: Column, of parent: TableProposal, now: Date) {
        (topic, reading) = (parent.topic, parent.reading)
        table = TableName(
            schema: parent.table.schema, name: ColumnNaming.cut(parent.table.name + "_" + list.name, to: 63))
        let field = list.path[0]
        profile = TopicProfile(elementsOf: field, list.field.elements[0], in: parent.profile)
        elements = ((parent.elements?.path ?? []) + [field], parent.table, parent.key)
        isKeyOfMessage = parent.isKeyOfMessage
        let position = parent.key.contains(Self.position) ? list.name + "_" + Self.position : Self.position
        addColumns(.flatten, now, taken: parent.key + [position])
        settleTypes()
        relax()
        let own = columns.indices.first { index in
            Self.mayBeKey(columns[index]) && TypeProposal.isIdentifier(columns[index].path.last ?? "")
                && isUniqueInItsList(columns[index])
        }
        key = parent.key + [own.map { columns[$0].name } ?? position]
        let holder = parent.elements.map { "element of \($0.path.joined(separator: "."))" } ?? "message"
        keyReason =
            own.map { "the key of \(parent.table) and \(columns[$0].name), which no \(holder) has twice" }
            ?? "the key of \(parent.table) and the element's place, for no field named like an id tells elements apart"
        columns += parent.columns.filter(\.isKey).map { column in
            var column = column
            column.origin = column.originWithin
            return column
        }
        if own == nil {
            columns.append(
                Column(
                    name: position, path: [], origin: .index, proposal: TypeProposal(.integer), isNotNull: true,
                    field: FieldProfile(path: [])))
        }
        markKey()
        addChildren(now)
    }

    /// What the place of an element is called.
    private static let position = "position"

    private func isUniqueInItsList(_ column: Column) -> Bool {
        var (last, seen): (Int?, Set<String>) = (nil, [])
        var isUnique = column.field.values == profile.records.count
        profile.forEachElement([column.path]) { holder, _, _, _, _, fields in
            if holder != last { (last, seen) = (holder, []) }
            if !seen.insert(FieldProfile.text(of: fields[0])).inserted { isUnique = false }
        }
        return isUnique
    }

    private mutating func addColumns(_ nesting: Nesting, _ now: Date, taken: [String] = []) {
        var naming = ColumnNaming(taken: taken)
        for field in profile.fields {
            let isFlat = nesting != .jsonb && Self.isRecord(field)
            for leaf in isFlat ? field.children : [field] {
                guard !leaf.path.contains(""), columns.count < Self.mostColumns else {
                    unroutable += 1
                    continue
                }
                let isAlways =
                    leaf.values == profile.records.count && profile.records.count >= Self.enough
                    && leaf.declared?.isOptional != true && (!isFlat || field.declared?.isOptional != true)
                var proposal = TypeProposal(leaf, now: now)
                if proposal.type == .bytea { proposal.decoding = profile.envelope?.ofBytes ?? .none }
                if proposal.type == .jsonb, profile.envelope?.isOfMySQL == true { proposal.decoding = .json }
                columns.append(
                    Column(
                        name: naming.name(for: leaf.path), path: leaf.path, proposal: proposal, isNotNull: isAlways,
                        field: leaf))
            }
        }
    }

    /// Who lets the route make NULL of what does not fit needs room for it.
    private mutating func relax() {
        for index in columns.indices where columns[index].misfits.count > 0 { columns[index].isNotNull = false }
    }

    /// Puts the key's columns first.
    private mutating func markKey() {
        for index in columns.indices where key.contains(columns[index].name) {
            columns[index].isKey = true
            columns[index].isNotNull = true
        }
        let order = Dictionary(uniqueKeysWithValues: key.enumerated().map { ($1, $0) })
        columns =
            columns.filter(\.isKey).sorted { order[$0.name, default: 0] < order[$1.name, default: 0] }
            + columns.filter { !$0.isKey }
    }

    package var mode: Route.Mode { key.isEmpty ? .insert : .upsert }

    /// Nil: the mode's own.
    package var onTombstone: Route.OnTombstone? {
        // A tombstone has nothing but its key, and one that names no row deletes nothing or is a dead letter. An envelope has
        // the row's key as well.
        if profile.envelope != nil, !key.isEmpty { return nil }
        if key.isEmpty { return profile.tombstones > 0 ? .skip : nil }
        return isKeyOfMessage ? nil : .skip
    }

    /// Whether each column takes the field of its name, so that the route need not say so.
    package var isMappingPlain: Bool { columns.allSatisfy(\.isPlain) && unroutable == 0 }

    /// An object with the same few names in every message; others are maps, whose names are values.
    private static func isRecord(_ field: FieldProfile) -> Bool {
        // Where a schema names the fields, names are no values.
        if let declared = field.declared { return !declared.members.isEmpty }
        guard field.kinds == [.object], !field.children.isEmpty, field.children.count <= 16 else { return false }
        let filled = field.children.reduce(0) { $0 + $1.present }
        return Double(filled) >= 0.3 * Double(field.objects * field.children.count)
    }

    /// Has the loader's encoders read every value, and gives way where more than a few do not fit.
    private mutating func settleTypes() {
        var isSettled = columns.isEmpty
        while !isSettled {
            isSettled = true
            tryTypes()
            for index in columns.indices where columns[index].misfits.count > 0 {
                let (proposal, misfits) = (columns[index].proposal, columns[index].misfits)
                if !proposal.replacesNul, misfits.counts.keys.contains(where: { $0.reason == .nul }) {
                    columns[index].proposal.replacesNul = true
                    isSettled = false
                } else if misfits.count > columns[index].field.tolerated, proposal.type != .jsonb {
                    let what =
                        "\(proposal.type.rawValue) but for \(misfits.count) of \(columns[index].field.values) values"
                    columns[index].proposal = TypeProposal(proposal.type == .text ? .jsonb : .text, what)
                    columns[index].proposal.isWidened = misfits.count * 10 <= columns[index].field.values
                    isSettled = false
                }
            }
        }
    }

    private mutating func tryTypes() {
        let trials = columns.map { TypeTrial($0.proposal) }
        var misfits = [Misfits](repeating: Misfits(), count: columns.count)
        refused = 0
        profile.forEachRecord(columns.map(\.path)) { message, _, _, values, fields in
            var isRefused = false
            for (index, field) in fields.enumerated() {
                guard let kind = trials[index].refusal(field, values.containers) else { continue }
                misfits[index].add(kind, at: profile.messages.place(of: message))
                isRefused = true
            }
            if isRefused { refused += 1 }
        }
        for index in columns.indices { columns[index].misfits = misfits[index] }
    }

    // MARK: The key

    private mutating func chooseKey(_ choice: KeyChoice) throws(UnknownKey) {
        let ofMessage = keyOfMessages()
        switch choice {
        case .none:
            keyReason = "no key, as asked for"
            return
        case .columns(let names):
            for name in names {
                guard let column = columns.first(where: { $0.name == name || $0.source == name }) else {
                    throw UnknownKey(
                        name: name, near: nearest(to: name, in: columns.map(\.source) + columns.map(\.name)))
                }
                key.append(column.name)
            }
            keyReason = "the key that was asked for"
            isKeyOfMessage = Set(ofMessage) == Set(key)
            return
        case .automatic: break
        }
        if let told = profile.toldKey {
            let found = told.names.compactMap { name in columns.first { $0.path == [name] && Self.mayBeKey($0) } }
            if found.count == told.names.count {
                (key, isKeyOfMessage) = (found.map(\.name), true)
                keyReason = "\(key.joined(separator: ", ")): \(told.reason)"
                return
            }
        }
        let unique = columns.first { column in
            column.field.isUnique(in: profile.records.count) && Self.mayBeKey(column)
                && TypeProposal.isIdentifier(column.path.last ?? "")
        }
        if !ofMessage.isEmpty {
            key = ofMessage
            isKeyOfMessage = true
            keyReason = "the message's key equals \(ofMessage.joined(separator: ", ")) in every sampled message"
            let repeats = columns.contains { key == [$0.name] && !$0.field.isUnique(in: profile.records.count) }
            if repeats, let unique, !key.contains(unique.name) {
                keyReason +=
                    "; it repeats, where \(unique.name) does not: if each message is an event to keep, use "
                    + "--key \(unique.source)"
            }
        } else if let unique {
            key = [unique.name]
            keyReason = "\(unique.name) is in every sampled message and never twice; the message's key is no field"
        } else {
            keyReason =
                "no key: the message's key is no field, and no field named like an id is in every message and never twice"
        }
    }

    private static func mayBeKey(_ column: Column) -> Bool {
        column.proposal.type != .jsonb && !column.proposal.isArray && !column.proposal.replacesNul
            && column.proposal.unit == nil
    }

    /// The columns that the messages' keys hold, in all messages.
    private func keyOfMessages() -> [String] {
        let scalars = columns.filter { Self.mayBeKey($0) && $0.field.values == profile.records.count }
        guard !scalars.isEmpty, !profile.records.isEmpty else { return [] }
        var wholes = Set(scalars.indices)
        // The members of keys that have some; nil before the first.
        var members: [Int]?
        var isRecord = true
        profile.forEachRecord(scalars.map(\.path)) { message, key, keys, _, fields in
            guard let bytes = profile.messages.key(of: message), !wholes.isEmpty || isRecord else {
                wholes = []
                isRecord = false
                return
            }
            let found = key.flatMap { keys.nested.members(of: $0) }
            wholes = wholes.filter { found == nil && Self.equals(fields[$0], key, bytes) }
            guard isRecord else { return }
            let places = found?.map { member in
                scalars.firstIndex { $0.path == [member.name] }.flatMap { index in
                    Self.isSame(fields[index], member.value) ? index : nil
                }
            }
            let whole = places?.compactMap(\.self) ?? []
            isRecord = !whole.isEmpty && whole.count == found?.count && (members ?? whole) == whole
            members = whole
        }
        if isRecord, let members { return members.map { scalars[$0].name } }
        // A field that is named like an id goes before one that happens to have the same value.
        let named = wholes.sorted().first { TypeProposal.isIdentifier(scalars[$0].path.last ?? "") }
        return (named ?? wholes.min()).map { [scalars[$0].name] } ?? []
    }

    /// Whether the message's key is this value: as it was read, or as it lies there.
    private static func equals(_ field: Field, _ key: Field?, _ bytes: UnsafeRawBufferPointer) -> Bool {
        if let key { return isSame(field, key) }
        let text = FieldProfile.text(of: field).utf8
        // A JSON string, as Kafka Connect writes them.
        let isQuoted =
            field.kind == .string && bytes.count == text.count + 2 && bytes.first == UInt8(ascii: "\"")
            && bytes.last == UInt8(ascii: "\"") && bytes.dropFirst().dropLast().elementsEqual(text)
        return bytes.elementsEqual(text) || isQuoted
    }

    private static func isSame(_ field: Field, _ other: Field) -> Bool {
        FieldKinds.Kind(field.kind) == FieldKinds.Kind(other.kind)
            && FieldProfile.text(of: field) == FieldProfile.text(of: other)
    }
}

extension TableProposal.Column {
    /// Its field is an array of objects and nothing else.
    fileprivate var isListOfRecords: Bool {
        field.kinds == [.array] && field.elements.first.map { $0.records > 0 && $0.others == 0 } == true
    }

    /// The same value, seen from an element within what the row is made of.
    fileprivate var originWithin: ColumnSource {
        switch origin {
        case .parent(let levels, let path): .parent(levels: levels + 1, path)
        case .index: .parentIndex(levels: 1)
        case .parentIndex(let levels): .parentIndex(levels: levels + 1)
        case .some, nil: .parent(levels: 1, FieldPath(path))
        }
    }

    /// Whether it takes the field of its name, as it is.
    package var isPlain: Bool {
        origin == nil && path == [name] && proposal.unit == nil && !proposal.replacesNul && proposal.decoding != .json
    }
}
