import Postgres
import Records

/// Which table a message goes to, where its route chooses.
extension RowBuilder {
    /// - Parameter shape: which of the route's the message has; nil for a deletion that has no fields but its key's.
    /// - Returns: what makes rows for the table; nil where there is none, and that is settled here.
    @inline(never)
    func chosen(
        _ message: Int, _ route: RouteRows, shape: Int?, isDeletion: Bool = false, fields: UnsafeBufferPointer<Field>?,
        keyFields: UnsafeBufferPointer<Field>?, in batch: Batch
    ) -> RouteRows? {
        guard let chooser = route.chooser else { return route }
        var found = find(
            message, chooser, shape.map { chooser.parts[$0] } ?? chooser.partsOfDeletion, fields, keyFields, in: batch)
        // The row that was deleted may not be told, but its key is.
        if isDeletion, case .failure(let failure) = found, failure != .unknown {
            let byKey = find(message, chooser, chooser.partsOfDeletion, fields, keyFields, in: batch)
            if case .success = byKey { found = byKey }
        }
        switch found {
        case .success(let rows): return rows
        case .failure(let failure):
            refuse(message, route.target, chooser, failure, in: batch)
            return nil
        }
    }

    /// The same where the route may have one table.
    @inline(__always)
    func forTable(
        _ message: Int, _ route: RouteRows, shape: Int, isDeletion: Bool = false, fields: UnsafeBufferPointer<Field>?,
        keyFields: UnsafeBufferPointer<Field>?, in batch: Batch
    ) -> RouteRows? {
        guard route.chooser != nil else { return route }
        return chosen(
            message, route, shape: shape, isDeletion: isDeletion, fields: fields, keyFields: keyFields, in: batch)
    }

    private func find(
        _ message: Int, _ chooser: TableChooser, _ parts: [TableChooser.Part], _ fields: UnsafeBufferPointer<Field>?,
        _ keyFields: UnsafeBufferPointer<Field>?, in batch: Batch
    ) -> Result<RouteRows, TableChooser.Failure> {
        chooser.begin()
        for place in parts.indices {
            let isThere: Bool
            switch parts[place] {
            case .text(let text): isThere = text.withUnsafeBytes { chooser.append($0) }
            case .topicPart(let number):
                guard let part = chooser.topicName.part(number, of: batch.coordinates(of: message).partition.topic)
                else {
                    return .failure(.missing(place))
                }
                isThere = chooser.append(part)
            case .input(let input):
                let field = value(
                    of: input, header: chooser.headers[place], chooser.topicName, message, fields, keyFields, in: batch)
                guard let added = append(field, to: chooser) else {
                    return .failure(.missing(place))
                }
                isThere = added
            }
            if !isThere { return .failure(.unknown) }
        }
        return chooser.table().map { .success($0) } ?? .failure(.unknown)
    }

    /// - Returns: nil for what is no part of a name; false for what makes it too long.
    private func append(_ field: Field, to chooser: TableChooser) -> Bool? {
        switch field.kind {
        case .string, .number: return field.bytes.isEmpty ? nil : chooser.append(field.bytes)
        case .symbol: return field.symbolName.isEmpty ? nil : chooser.append(field.symbolName)
        case .integer, .unsigned:
            var digits = field.kind == .integer ? String(Int64(bitPattern: field.first)) : String(field.first)
            return digits.withUTF8 { chooser.append(UnsafeRawBufferPointer($0)) }
        default: return nil
        }
    }

    /// The table that a message would be for; nil for none.
    func table(
        of message: Int, _ route: RouteRows, shape: Int, fields: UnsafeBufferPointer<Field>?,
        keyFields: UnsafeBufferPointer<Field>?, in batch: Batch
    ) -> RouteRows? {
        guard let chooser = route.chooser else { return route }
        return try? find(message, chooser, chooser.parts[shape], fields, keyFields, in: batch).get()
    }

    private func refuse(
        _ message: Int, _ target: Target, _ chooser: TableChooser, _ failure: TableChooser.Failure, in batch: Batch
    ) {
        let list = chooser.list.names.prefix(5).joined(separator: ", ") + (chooser.list.names.count > 5 ? ", …" : "")
        let explanation: String
        var told: String?
        switch failure {
        case .missing(let place):
            explanation =
                "the message has no \(Self.words(chooser.template.parts[place])), which a table's name is made of"
        case .unknown:
            explanation = "the message names no table that can be loaded among \(list)"
            // Where rights can be set, a name within bounds may stand.
            let name = String(decoding: chooser.name.bytes, as: UTF8.self)
            if !name.isEmpty { told = "\(explanation): \(name)" }
            if chooser.list.hasPatterns, chooser.list.takes(name) { batch.noteMissingTable() }
        }
        batch.deadLetters.append(
            DeadLetter(
                message: message, target: target.index, reason: .noTable, explanation: explanation, serverMessage: told)
        )
    }

    private static func words(_ part: TableTemplate.Part) -> String {
        switch part {
        case .text(let text): text
        case .topicPart(let number): "part \(number) of its topic"
        case .source(.header(let name)): "header \(name)"
        case .source(let source): source.description
        }
    }
}
