import Loading
import Operating
import TestSupport

extension Scenario {
    func verify(
        _ routes: [Route], _ configure: (inout VerificationScope) -> Void = { _ in }
    ) async throws -> VerificationReport {
        try await verified(options(routes), configure)
    }
}

/// What is found of tables, on a thread of its own.
func verified(
    _ options: LoadingOptions, _ configure: (inout VerificationScope) -> Void = { _ in }
) async throws -> VerificationReport {
    var scope = VerificationScope()
    configure(&scope)
    let asked = scope
    return try await onThread { try Verification(options, asked) { _ in }.run() }
}

extension VerificationReport {
    /// Each difference in a line, in their order.
    var words: [String] {
        tables.flatMap(\.differences).map { difference in
            let key = difference.key.map { $0.value ?? "∅" }.joined(separator: ",")
            let columns = difference.columns.map { column in
                column.name + (column.expected.map { "(\($0 ?? "∅"),\((column.found ?? nil) ?? "∅"))" } ?? "")
            }
            let message = difference.message.map { String($0.drop { $0 != "[" }) } ?? "-"
            return ([difference.kind.rawValue, key, message] + columns).joined(separator: " ")
                + (difference.isDeleted ? " deleted" : "")
        }.sorted()
    }

    /// Each note's code and count.
    var noteWords: [String] {
        tables.flatMap(\.notes).map { "\($0.code.rawValue) \($0.count.map(String.init) ?? "-")" }.sorted()
    }
}
