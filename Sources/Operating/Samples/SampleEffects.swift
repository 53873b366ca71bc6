import Kafka
import Loading

/// What messages of a sample would do to a table, the same things put together. Holds no value of theirs.
public struct SampleEffect: Sendable, Equatable {
    /// `change of a row that keeps note`.
    public var words: String
    public var count: Int
    /// The first of them: `orders[0]@17`.
    public var places: [String]

    static let mostPlaces = 3
}

/// Notes what a route makes of each message of a sample, while the rows are built.
struct SampleEffects {
    /// What becomes of one message, by target.
    private struct Trace: Hashable {
        var message: Int
        var target: Int
    }

    private var known = OperationCounts()
    /// Operations that leave neither row nor deletion.
    private var others: [Trace: [RowOperation]] = [:]

    /// Takes note of what was counted for the message that was built last.
    mutating func note(_ message: Int, _ targets: [Int], in batch: Batch) {
        for target in targets {
            for operation in RowOperation.allCases {
                let count = batch.operations[operation, target: target] - known[operation, target: target]
                guard count > 0 else { continue }
                known.add(operation, target: target, count)
                others[Trace(message: message, target: target), default: []].append(operation)
            }
        }
    }

    /// All messages' effects by one route, the most frequent first.
    ///
    /// - Parameter targets: in the order of their indices: a route that chooses among tables has one for each.
    func all(of target: Target, _ targets: [Target], in batch: Batch) -> [SampleEffect] {
        var words: [[String]] = Array(repeating: [], count: batch.messages.count)
        for section in batch.sections where targets[section.target].place == target.index {
            let own = targets[section.target]
            let place = own.routePlace == nil ? "" : " in \(own.name)"
            var rows: [Int: (count: Int, words: String)] = [:]
            for row in section.rows {
                let count = (rows[Int(row.message)]?.count ?? 0) + 1
                rows[Int(row.message)] = (count, section.words(row, of: own))
            }
            for (message, row) in rows {
                words[message].append((row.count == 1 ? row.words : section.words(row.count)) + place)
            }
        }
        for letter in batch.deadLetters where targets[letter.target].place == target.index {
            let column = letter.column.map { " in \($0)" } ?? ""
            words[letter.message].append("dead letter: \(letter.reason.rawValue)\(column)")
        }
        var effects: [String: SampleEffect] = [:]
        for message in batch.messages.indices {
            let noted = others[Trace(message: message, target: target.index)] ?? []
            let all = words[message] + noted.map { "\($0.name.replacing("_", with: " "))" }
            let text = all.isEmpty ? "nothing" : all.joined(separator: ", ")
            let (partition, offset) = batch.coordinates(of: message)
            effects[text, default: SampleEffect(words: text, count: 0, places: [])].count += 1
            if let count = effects[text]?.places.count, count < SampleEffect.mostPlaces {
                effects[text]?.places.append("\(partition)@\(offset)")
            }
        }
        return effects.values.sorted { ($1.count, $0.words) < ($0.count, $1.words) }
    }

    /// Puts those of another topic beside them.
    static func merge(_ effects: [SampleEffect], into known: inout [SampleEffect]) {
        for effect in effects {
            guard let place = known.firstIndex(where: { $0.words == effect.words }) else {
                known.append(effect)
                continue
            }
            known[place].count += effect.count
            known[place].places += effect.places.prefix(SampleEffect.mostPlaces - known[place].places.count)
        }
        known.sort { ($1.count, $0.words) < ($0.count, $1.words) }
    }
}

extension Batch.Section {
    /// What one row does.
    fileprivate func words(_ row: Batch.Row, of target: Target) -> String {
        guard kind == .rows else { return words(1) }
        let left = target.columns.filter { column in
            column.omissionBit.map { omissions.contains(row.omission, $0) } ?? false
        }.map(\.name)
        let count = target.columns.count
        guard !left.isEmpty else { return "row of \(count) \(count == 1 ? "column" : "columns")" }
        let names = left.prefix(Self.mostNames).joined(separator: ", ")
        let more = left.count > Self.mostNames ? " and \(left.count - Self.mostNames) more" : ""
        if target.mode != .upsert { return "row that leaves \(names)\(more) to the table" }
        let needsRow = target.needsRowBit.map { omissions.contains(row.omission, $0) } ?? false
        return needsRow ? "change of a row that keeps \(names)\(more)" : "row that keeps \(names)\(more)"
    }

    private static let mostNames = 8

    fileprivate func words(_ count: Int) -> String {
        switch kind {
        case .rows: "\(count) rows"
        case .tombstones: count == 1 ? "deletion" : "\(count) deletions"
        case .sets: "nothing else of their parent"
        }
    }
}
