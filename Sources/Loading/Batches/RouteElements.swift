import Records

/// How a route's rows come of messages' elements.
final class RouteElements {
    let path: ElementPath
    let reader: ElementReader
    /// Elements that cannot be rows are left out.
    let skips: Bool
    let most: Int
    /// Elements of the message at hand that were left out.
    var skipped = 0
    /// Where the fields stand of which an element must have one; none where it need not, or may be no record.
    let wanted: [Int]
    /// Where the index of each step stands.
    let indexes: [Int]

    /// - Parameter count: of the message's fields.
    init(_ plan: ElementPlan, _ target: Target, behind count: Int) {
        path = plan.path
        most = target.route.maxElements
        reader = ElementReader(plan, behind: count, most: most)
        skips = target.route.onBadElement == .skip
        var plan = plan
        var wanted: [Int] = []
        let takesAny = target.columns.contains { $0.source == .element }
        for column in target.columns where target.wantsField && !takesAny {
            guard case .field(let path) = column.source else { continue }
            let place = plan.place(of: path, step: plan.innermost)
            wanted.append(count + plan.position(of: place))
        }
        self.wanted = wanted
        indexes = plan.path.steps.indices.map { count + plan.position(of: ElementPlan.index(step: $0)) }
    }

    /// Where the element at hand stands in its message, without a name of it: `items[2].options[0]`.
    var place: String { place(of: path.steps.count - 1, isElement: true) }

    /// Where a step's elements are held.
    func place(of step: Int, isElement: Bool = false) -> String {
        var text = ""
        for (index, one) in path.steps[...step].enumerated() {
            let name = ElementPath([ElementPath.Step(one.name, .list)]).description
            if one.name != nil || index == 0 { text += (text.isEmpty ? "" : ".") + name }
            if index < step || isElement { text += "[\(Int64(bitPattern: reader.fields[indexes[index]].first))]" }
        }
        return text
    }

    /// Whether the element at hand has none of the fields that are wanted.
    var hasNoField: Bool { !wanted.isEmpty && wanted.allSatisfy { reader.fields[$0].kind == .absent } }
}
