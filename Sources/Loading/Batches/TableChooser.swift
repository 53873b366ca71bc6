import Postgres
import Records

/// Which of a route's tables a message is for. It allocates nothing for a message that names one.
///
/// Belongs to one thread.
final class TableChooser {
    enum Part {
        case text([UInt8])
        case input(MessagePlan.Input)
        case topicPart(Int)
    }

    /// Why a message is for none.
    enum Failure: Error, Equatable {
        /// A part of the name is absent, null, empty, or no text.
        case missing(Int)
        /// The route does not take the name.
        case unknown
    }

    /// For each shape that the route's messages may have.
    let parts: [[Part]]
    /// For deletions, which have no fields but their key's.
    let partsOfDeletion: [Part]
    /// The names of headers among the parts, as messages have them.
    let headers: [[UInt8]]
    let topicName = TopicName()
    let template: TableTemplate
    let list: TableList
    /// The name of the message at hand.
    private(set) var name = CopyBuffer(capacity: 64)
    private let tables: [RouteRows]
    private let names: [[UInt8]]
    /// By a name's hash; those with the same one behind each other.
    private var first: [UInt64: Int] = [:]
    private var next: [Int] = []
    private var last = 0

    /// PostgreSQL's names have 63 bytes at most.
    static let longest = 63

    init(
        _ template: TableTemplate, _ list: TableList, inputs: [[MessagePlan.Input]],
        inputsOfDeletion: [MessagePlan.Input], tables: [RouteRows]
    ) {
        (self.template, self.list, self.tables) = (template, list, tables)
        headers = template.parts.map { if case .source(.header(let name)) = $0 { Array(name.utf8) } else { [] } }
        func made(_ inputs: [MessagePlan.Input]) -> [Part] {
            var rest = inputs[...]
            return template.parts.map { part in
                switch part {
                case .text(let text): .text(Array(text.utf8))
                case .topicPart(let number): .topicPart(number)
                case .source: rest.popFirst().map { .input($0) } ?? .text([])
                }
            }
        }
        parts = inputs.map(made)
        partsOfDeletion = made(inputsOfDeletion)
        names = tables.map { Array($0.target.table.name.name.utf8) }
        for (place, name) in names.enumerated() {
            let hash = name.withUnsafeBytes { Self.hash($0) }
            next.append(first[hash] ?? -1)
            first[hash] = place
        }
    }

    func begin() { name.removeAll() }

    /// - Returns: false if the name is longer than any table's.
    func append(_ bytes: UnsafeRawBufferPointer) -> Bool {
        guard name.count + bytes.count <= Self.longest else { return false }
        name.append(bytes)
        return true
    }

    /// The table that is called so; nil where the route has none.
    func table() -> RouteRows? {
        let bytes = name.bytes
        // Most messages are for the table of the one before.
        if names.indices.contains(last), bytes.elementsEqual(names[last]) { return tables[last] }
        var place = first[Self.hash(bytes)] ?? -1
        while place >= 0 {
            if bytes.elementsEqual(names[place]) {
                last = place
                return tables[place]
            }
            place = next[place]
        }
        return nil
    }

    private static func hash(_ bytes: UnsafeRawBufferPointer) -> UInt64 {
        bytes.reduce(0xcbf2_9ce4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
    }
}
