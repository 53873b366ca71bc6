import Foundation

/// What a committed batch adds to the figures of each route, and of each kind of dead letter.
struct BatchTally {
    struct Share: Equatable {
        var messages = 0
        /// Rows, deletions and marks.
        var rows: Int { [.row, .deletion, .mark].reduce(0) { $0 + operations[$1, default: 0] } }
        var deadLetters = 0
        /// What there is none of is not in it.
        var operations: [RowOperation: Int] = [:]
    }

    /// In the order of the routes.
    private(set) var routes: [Share]
    private(set) var letters: [LetterKind: LetterFigure] = [:]

    private struct Kind: Hashable {
        var target: Int
        var reason: DeadLetter.Reason
        var column: String?
        var sqlState: String?
    }

    /// - Parameters:
    ///   - tables: of the targets.
    ///   - places: the targets' routes; nil: each has its own.
    ///   - routesOfTopic: which routes take a topic.
    init(
        _ batch: Batch, _ loaded: BatchTransaction.Loaded, tables: [String], places: [Int]? = nil, time: Date,
        routesOfTopic: (String) -> [Int]
    ) {
        let places = places ?? Array(tables.indices)
        routes = Array(repeating: Share(), count: places.reduce(0) { max($0, $1 + 1) })
        var messages = Array(repeating: 0, count: batch.partitions.count)
        for message in batch.messages { messages[Int(message.partition)] += 1 }
        for (range, count) in zip(batch.partitions, messages) {
            for route in routesOfTopic(range.partition.topic) { routes[route].messages += count }
        }
        for counts in [loaded.operations, batch.operations] {
            for (target, route) in places.enumerated().prefix(counts.targetCount) {
                for operation in RowOperation.allCases where counts[operation, target: target] != 0 {
                    routes[route].operations[operation, default: 0] += counts[operation, target: target]
                }
            }
        }
        // What waits is none yet.
        let deadLetters = loaded.deadLetters.filter { !$0.isWaiting }
        guard !deadLetters.isEmpty else { return }
        // Of many letters only the newest of a kind is put in words.
        var kinds: [Kind: (count: Int, newest: Int)] = [:]
        for (index, letter) in deadLetters.enumerated() {
            if places.indices.contains(letter.target) { routes[places[letter.target]].deadLetters += 1 }
            let kind = Kind(
                target: letter.target, reason: letter.reason, column: letter.column,
                sqlState: letter.sqlState?.rawValue)
            kinds[kind, default: (0, index)].count += 1
            kinds[kind]?.newest = index
        }
        for (kind, found) in kinds.sorted(by: { $0.value.newest < $1.value.newest }) {
            let letter = deadLetters[found.newest]
            let (partition, offset) = batch.coordinates(of: letter.message)
            let figure = LetterFigure(
                count: found.count, last: time, place: "\(partition)@\(offset)", explanation: letter.explanation)
            let table = tables.indices.contains(kind.target) ? tables[kind.target] : nil
            // Several routes may load one table.
            letters[
                LetterKind(
                    table: table, column: kind.column, reason: kind.reason.rawValue, sqlState: kind.sqlState),
                default: figure.without
            ].add(figure)
        }
    }
}
