import Postgres
import Records

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// What becomes of the row under the key that it had before a change, where one event says both.
final class FormerRow {
    let deletion: DeletionPlan
    /// The key that it has after the change.
    let current: RowPlan
    /// Where the columns of the key are told, before and after.
    private let places: [(before: Int, after: Int)]

    init(_ target: Target, _ former: MessagePlan.Changes.Former) {
        deletion = DeletionPlan(target, inputs: former.inputs)
        current = RowPlan(
            (target.asParent ?? target).requiringKey, inputs: former.key.map(\.after), isOfTombstones: true)
        places = former.places
    }

    /// Whether the key was another, as far as a look tells it.
    @inline(__always)
    func mayBeOther(_ fields: UnsafeBufferPointer<Field>) -> Bool {
        for place in places {
            let (before, after) = (fields[place.before], fields[place.after])
            // What was null is the key of no row.
            if before.kind == .absent || before.kind == .null { continue }
            if !before.isSame(as: after) { return true }
        }
        return false
    }
}

extension RowBuilder {
    /// Appends what deletes the row under its former key, or marks it, if that is another than the one that it has now.
    func deleteFormer(
        _ message: Int, _ former: FormerRow, fields: UnsafeBufferPointer<Field>?,
        keyFields: UnsafeBufferPointer<Field>?, in batch: Batch
    ) {
        let target = former.deletion.target
        let section = batch.section(target.index, .tombstones)
        let (end, count) = (Batch.Section.End(section), section.rows.count)
        let (letters, nulled) = (batch.deadLetters.count, batch.nulledValues.count)
        for plan in [former.deletion.plain, former.current] {
            append(message, plan, to: section, omitting: 0, fields: fields, keyFields: keyFields, in: batch)
        }
        // A key that no row can have is that of none.
        let isOther =
            section.rows.count == count + 2
            && !section.key(of: count, target.format).elementsEqual(section.key(of: count + 1, target.format))
        end.takeBack()
        batch.deadLetters.removeSubrange(letters...)
        batch.nulledValues.removeSubrange(nulled...)
        guard isOther else { return }
        guard !target.takesDeletions else {
            return appendDeletion(message, former.deletion, fields: fields, keyFields: keyFields, in: batch)
        }
        guard target.onTombstone == .deadLetter else { return }
        batch.deadLetters.append(
            DeadLetter(
                message: message, target: target.index, reason: .tombstone,
                explanation: "the change of a key, which deletes a row, and the route takes no deletion"))
    }

    /// Whether a row whose change a condition does not let through may have been the route's before it.
    func takesFormer(_ filter: RouteFilter) -> Bool {
        filter.knowsNothing(isEvent: true) || (try? filter.mayTake(isEvent: true)) ?? false
    }

    /// A change that may have taken a row from one key to another: in goes what it was and what it is, or none of both.
    func buildMove(
        _ message: Int, _ route: RouteRows, _ plans: ChangeRows.Plans, _ former: FormerRow,
        fields: UnsafeBufferPointer<Field>, keyFields: UnsafeBufferPointer<Field>?, in batch: Batch
    ) {
        let letters = batch.deadLetters.count
        var isTaken = true
        if let filter = plans.filter {
            isTaken = takes(
                message, filter, route, shape: plans.shape, fields: fields, keyFields: keyFields, in: batch)
            guard batch.deadLetters.count == letters, isTaken || takesFormer(filter) else { return }
        }
        let chosen =
            isTaken
            ? forTable(message, route, shape: plans.shape, fields: fields, keyFields: keyFields, in: batch)
            : table(of: message, route, shape: plans.shape, fields: fields, keyFields: keyFields, in: batch)
        guard let route = chosen else { return }
        let own = route.changes?.former ?? former
        let mark = BatchMark(route.target, batch, isOfChanges: true)
        rowPlace = 0
        deleteFormer(message, own, fields: fields, keyFields: keyFields, in: batch)
        rowPlace = 1
        defer { rowPlace = 0 }
        if isTaken, !mark.hasLetter(batch) {
            let row = (route.changes?.plans(.after) ?? plans).row
            if let elements = route.elements {
                build(
                    elements, of: fields[plans.holder], message, row, fields: fields, keyFields: keyFields, in: batch)
            } else {
                appendRow(message, row, fields: fields, keyFields: keyFields, to: batch)
            }
        }
        if let letter = mark.takeBackForLetter(in: batch) { batch.deadLetters.append(letter) }
    }
}

extension Field {
    /// Whether they are written alike.
    @inline(__always)
    fileprivate func isSame(as other: Field) -> Bool {
        guard kind == other.kind else { return false }
        switch kind {
        case .integer, .unsigned, .uuid, .double, .float, .day, .instant, .localTime, .timeOfDay:
            return first == other.first && second == other.second
        case .string, .number, .bytes:
            guard bytes.count == other.bytes.count else { return false }
            guard let one = bytes.baseAddress, let two = other.bytes.baseAddress else { return true }
            return memcmp(one, two, bytes.count) == 0
        case .true, .false: return true
        default: return false
        }
    }
}
