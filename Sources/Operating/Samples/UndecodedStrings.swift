import Loading
import Postgres

extension RouteTrial {
    /// Columns that take a string as it is, and probably should not.
    func undecoded(_ target: Target, _ sample: RouteSample) -> [SetupProblem] {
        zip(target.columns, sample.columns).compactMap { column, measured in
            let isRouted = target.route.columns?.first { $0.name == column.name }
            guard measured.filled > 0, column.source.isField, (isRouted?.decoding ?? Decoding.none) == Decoding.none
            else { return nil }
            func finding(_ what: String, _ decoding: Decoding) -> SetupProblem {
                SetupProblem(
                    .sample, at: target.route.label,
                    "\(target.name).\(column.name) takes strings as they are that \(what)",
                    mend:
                        "to load what they stand for, under `columns`: `\(column.name): { from: \(column.source.expression), "
                        + "decode: \(decoding.rawValue) }`", isWarning: true)
            }
            if column.type.isJSON, measured.documents * 10 >= measured.filled * 9 {
                return finding("hold JSON documents", .json)
            }
            if column.type.name == "bytea", measured.base64 == measured.filled, measured.isSurelyBase64 {
                return finding("look like base64", .base64)
            }
            return nil
        }
    }
}

extension RouteSample.Column {
    /// Looks at a string, whether it stands for something else.
    mutating func note(_ value: InputValue) {
        guard value.kind == .string else { return }
        let text = value.bytes
        switch (text.first, text.last) {
        case (UInt8(ascii: "{"), UInt8(ascii: "}")), (UInt8(ascii: "["), UInt8(ascii: "]")): documents += 1
        default: break
        }
        var decoded = CopyBuffer()
        guard text.count >= 4, text.count & 3 == 0, decoded.append(text, decodedBy: .base64) else { return }
        base64 += 1
        let marks = text.contains { $0 == UInt8(ascii: "=") || $0 == UInt8(ascii: "+") || $0 == UInt8(ascii: "/") }
        isSurelyBase64 = isSurelyBase64 || (text.count >= 8 && marks)
    }
}
