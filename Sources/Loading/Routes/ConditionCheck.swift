import Records

/// What a route's condition asks for that the route does not have, and what is said of messages that it does not let through
/// where that has no effect.
struct ConditionCheck {
    private(set) var problems: [(text: String, mend: Mend.Routing)] = []

    init(_ route: Route) {
        guard let condition = route.condition else {
            if route.onFiltered != nil {
                problems.append(
                    (
                        "what is said of filtered messages has no effect: the route takes all",
                        .takeOut(.onFiltered, .route)
                    ))
            }
            return
        }
        if route.onFiltered != nil, route.mode != .upsert {
            let text = "what is said of filtered messages has no effect: only mode upsert can delete their rows"
            problems.append((text, .takeOut(.onFiltered, .route)))
        }
        for (place, source) in condition.sources.enumerated() {
            guard let (words, mend) = Self.lack(source, route) else { continue }
            let mistake = ConditionMistake("asks for \(source), \(words)", at: condition.place(of: place))
            problems.append(("the condition \(mistake.words)\n\(mistake.marked(in: condition.text))", mend))
        }
    }

    private static func lack(_ source: ColumnSource, _ route: Route) -> (words: String, Mend.Routing)? {
        switch source {
        case .operation, .before, .origin:
            route.envelope == nil ? ("and the messages are in no envelope", .nameEnvelope) : nil
        case .field where route.each?.isMessage == true: ("and the messages are many records", .askForWhole)
        case .field: route.format.isOneValue ? ("and the messages have no fields", .askForWhole) : nil
        case .key(.some): route.keyFormat.isOneValue ? ("and the keys have no fields", .askForWhole) : nil
        default: nil
        }
    }
}
