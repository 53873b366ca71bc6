@testable import SimulatedPostgres

/// A client of the simulated server.
final class SimulatedSession {
    let session: Session
    private var parts: [Answer.Part] = []
    private(set) var answer: Answer?
    private var copy: [UInt8]?

    init(_ database: SimulatedDatabase) {
        session = database.connect("comparison")
        session.answer = { [unowned self] response in take(response) }
    }

    private func take(_ response: Session.Response) {
        switch response {
        case .result(_, let rows, let isOfRows, let count):
            parts.append(isOfRows ? .rows(rows.map { $0.map(\.text) }) : .done(count))
        case .failure(let failure):
            parts.append(
                .failure(
                    state: failure.state, constraint: failure.constraint, table: failure.table, column: failure.column,
                    context: failure.context.map { String($0.prefix { $0 != ":" && $0 != "\n" }) }))
        case .copyIn: break
        case .ready(let status): answer = Answer(parts: parts, status: status)
        case .ended: break
        }
    }

    /// Nil while it waits for others.
    func ask(_ request: Request) -> Answer? {
        (parts, answer) = ([], nil)
        switch request {
        case .simple(let sql, let copy):
            session.send(.simple(sql))
            if let copy {
                // In two pieces, as the network has it.
                session.send(.copyData(Array(copy.prefix(copy.count / 2))))
                session.send(.copyData(Array(copy.dropFirst(copy.count / 2))))
                session.send(.copyDone)
            }
        case .query(let sql, let parameters):
            session.send(.statement(sql, parameters.map(\.value)))
            session.send(.sync)
        }
        return answer
    }
}
