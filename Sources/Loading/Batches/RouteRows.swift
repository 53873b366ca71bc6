/// What one route makes of messages: the ways in which a message becomes a row, a deletion, or something else.
final class RouteRows {
    let target: Target
    /// A row of a message that holds its record in the first of the plan's shapes.
    let row: RowPlan
    /// What the route takes, of messages that hold their record there; nil: all.
    let filter: RouteFilter?
    /// Which table a message is for; nil: all are for one.
    private(set) var chooser: TableChooser?
    /// A deletion, by the message's key.
    let tombstone: DeletionPlan
    /// Messages without a value do nothing, whatever else the route says of them.
    let passesTombstones: Bool
    /// What goes through a message's elements; nil: the message is one row.
    let elements: RouteElements?
    /// Where what holds them stands among the message's fields.
    let holder: Int
    /// What becomes of change events; nil where the messages are none.
    let changes: ChangeRows?

    /// - Parameter place: the route's, among the plan's.
    init(_ plan: MessagePlan, _ place: Int, _ targets: [Target]) {
        let target = targets[plan.targets[place]]
        let row = RowPlan(target, inputs: plan.shapes[place][0].inputs)
        (self.target, self.row) = (target, row)
        passesTombstones = target.passesTombstones
        tombstone = DeletionPlan(target, inputs: plan.tombstoneInputs[place])
        filter = RouteFilter(target, plan.shapes[place][0])
        holder = plan.shapes[place][0].holder ?? 0
        let count = plan.valuePaths.count
        elements =
            target.route.envelope?.documents != nil
            ? nil : plan.elements[place].map { RouteElements($0, target, behind: count) }
        changes = plan.changes[place].map {
            ChangeRows($0, plan.shapes[place], plan.elements[place], behind: count, row, target)
        }
        guard target.choosesTable, let template = target.route.template, let list = target.route.tables else { return }
        let tables = plan.targets.indices.filter { targets[plan.targets[$0]].routePlace == target.index }
        chooser = TableChooser(
            template, list, inputs: plan.shapes[place].map(\.tableInputs),
            inputsOfDeletion: plan.tombstoneTableInputs[place], tables: tables.map { RouteRows(plan, $0, targets) })
    }

    /// What the route takes, of messages that hold their record as a shape says.
    func filter(ofShape shape: Int) -> RouteFilter? {
        guard let changes else { return filter }
        return [changes.after, changes.before, changes.flat].first { $0.shape == shape }?.filter
    }
}
