import Postgres
import Records

/// Messages that cannot be rows, and why.
extension RowBuilder {
    func refuse(
        _ message: Int, _ plan: RowPlan, _ index: Int, _ failure: EncodingFailure,
        _ fields: UnsafeBufferPointer<Field>?, _ keyFields: UnsafeBufferPointer<Field>?, in batch: Batch
    ) {
        let column = plan.target.columns[index]
        let isMissing = failure.reason == .null && column.isRequired
        let explanation =
            failure.reason == .null
            ? lack(plan.target, column)
                + words(forNull: failure.found, message, plan, index, fields, keyFields, in: batch)
            : explanation(of: failure, plan.target, column)
        batch.deadLetters.append(
            DeadLetter(
                message: message, target: plan.target.index,
                reason: isMissing ? .missingField : DeadLetter.Reason(failure.reason), column: column.name,
                explanation: explanation))
    }

    /// Why a column takes no null.
    private func lack(_ target: Target, _ column: Target.Column) -> String {
        let place = "\(target.name).\(column.name)"
        if target.keyColumns.contains(where: { $0.name == column.name }) { return "\(place) is part of the key, and " }
        return "\(place) is \(column.isRequired ? "required" : "NOT NULL"), and "
    }

    /// What the message has in place of a value: nothing is another mistake than null.
    ///
    /// - Parameter found: what was there before the route took it for null.
    private func words(
        forNull found: InputValue.Kind, _ message: Int, _ plan: RowPlan, _ index: Int,
        _ fields: UnsafeBufferPointer<Field>?, _ keyFields: UnsafeBufferPointer<Field>?, in batch: Batch
    ) -> String {
        let source = plan.target.columns[index].source
        if found != .null { return "what \(source) has counts as null" }
        switch plan.inputs[index] {
        case .field: return plan.field(index, fields, keyFields).words(source, isOfElement: plan.isOfElements)
        case .keyField(let field), .keyFieldOrKey(let field), .keyOr(_, let field, _):
            guard let key = batch.key(of: message) else { return "the message has no key" }
            guard let keyFields else {
                if key.isEmpty { return "the message's key is empty" }
                return self.plan.keyFormat.isJSON
                    ? "the message's key is no JSON object" : "the message's key has no fields"
            }
            guard case .key(let path?) = source else {
                let byRow = fields == nil ? "" : ", and neither has the row"
                return keyFields[field].words(source.expression, of: "message's key") + byRow
            }
            return keyFields[field].words(ColumnSource.field(path).expression, of: "message's key")
        case .source(.header(let name)):
            let isThere = batch.headers(of: message).contains { $0.name.elementsEqual(name.utf8) }
            return isThere ? "the header \(name) has no value" : "the message has no header \(name)"
        case .source(.timestamp): return "the message has no timestamp"
        case .source(.key): return "the message has no key"
        case .source(.schemaID): return "the message names no schema by a number or a GUID"
        case .source, .element, .former: return "the message has no value"
        }
    }

    private func explanation(of failure: EncodingFailure, _ target: Target, _ column: Target.Column) -> String {
        let place = "\(target.name).\(column.name)"
        let type = column.type.formatted
        switch failure.reason {
        case .null: return "\(place) takes no null"
        case .wrongType: return "\(place) expects \(type), found \(failure.found.name)"
        case .missingScale:
            return
                "\(place): the bytes of a number say nothing of its scale, and \(type) has none, as numeric(p, s) has"
        case .ambiguous:
            return
                "\(place): the string is a number as it is, and another as the bytes of one, and nothing says which is meant"
        case .missingUnit:
            return "\(place): a number is no \(type) where nothing says what it counts: s, ms, us, ns or d"
        case .outOfRange: return "\(place): the \(failure.found.name) is beyond \(type)"
        case .tooLong: return "\(place): the text is longer than \(type)"
        case .badSyntax: return "\(place): the \(failure.found.name) is no \(type)"
        case .undecodable: return "\(place): the string cannot be decoded as its column asks"
        case .noDocument: return "\(place): the bytes are no JSON"
        case .nul: return "\(place): U+0000 cannot be stored"
        case .invalidUTF8: return "\(place): the bytes are not UTF-8"
        case .missingZone: return "\(place): the timestamp has no offset and the route names no zone"
        case .movingZone:
            return
                "\(place): a time of day with an offset cannot be turned into a zone whose offset depends on the date, "
                + "only into one such as +02:00"
        }
    }

    func refuseWithoutFields(_ message: Int, _ plan: RowPlan, in batch: Batch) {
        let count = plan.target.columns.count { $0.source.isField }
        batch.deadLetters.append(
            DeadLetter(
                message: message, target: plan.target.index, reason: .noFields,
                explanation: "the message has none of the \(count) fields that \(plan.target.name) takes"))
    }

    func refuse(_ message: Int, _ target: Int, decompressing failure: DecodingFailure, in batch: Batch) {
        batch.settle()
        batch.deadLetters.append(
            DeadLetter(
                message: message, target: target, reason: .badSyntax,
                explanation: "the message \(failure.words)" + (failure.offset.map { ", at byte \($0)" } ?? "")))
    }

    func refuse(_ message: Int, _ target: Int, decodingKey failure: DecodingFailure, in batch: Batch) {
        batch.settle()
        letter(message, target, decodingKey: failure, in: batch)
    }

    func letter(_ message: Int, _ target: Int, decodingKey failure: DecodingFailure, in batch: Batch) {
        batch.deadLetters.append(
            DeadLetter(
                message: message, target: target,
                reason: DeadLetter.Reason(
                    failure.reason, otherwise: isKeyFramed && !framedKey.wasJSON ? .badSyntax : plan.keyFormat.refusal),
                explanation: "the key \(failure.words)" + (failure.offset.map { ", at byte \($0)" } ?? "")))
    }

    func refuse(
        _ message: Int, _ target: Int, decoding failure: DecodingFailure, of value: UnsafeRawBufferPointer,
        in batch: Batch
    ) {
        batch.settle()
        batch.deadLetters.append(
            DeadLetter(
                message: message, target: target,
                reason: DeadLetter.Reason(
                    failure.reason, otherwise: isFramed && !framed.wasJSON ? .badSyntax : plan.format.refusal),
                explanation: (isFramed && framed.framing.form != .none ? nil : plan.format.describe(value, failure))
                    ?? "the message \(failure.words)" + (failure.offset.map { ", at byte \($0)" } ?? "")))
    }
}

extension Field {
    var hasValue: Bool { kind != .absent && kind != .null }

    /// The same of what a column takes of a message, or of an element of one.
    fileprivate func words(_ source: ColumnSource, isOfElement: Bool) -> String {
        switch source {
        case .parent(let levels, let path):
            let holder = (["element's"] + (1..<levels).map { _ in "parent's" } + ["parent"]).joined(separator: " ")
            return words(ColumnSource.field(path).expression, of: holder)
        case .name, .parentName: return "the elements have no names"
        case .element: return "the element is null"
        default: return words(source.expression, of: isOfElement ? "element" : "message")
        }
    }

    /// Why it has no value: it is absent, or null.
    fileprivate func words(_ path: String, of whole: String) -> String {
        kind == .absent ? "the \(whole) has no field \(path)" : "the \(whole)'s field \(path) is null"
    }
}
