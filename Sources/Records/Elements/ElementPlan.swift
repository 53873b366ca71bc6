/// What is wanted of a message's elements, and of what holds them, and where a reader puts it.
///
/// The fields of all steps stand one behind the other: of each first the element's index and its name, then its fields.
public struct ElementPlan: Sendable {
    /// A field of what one step leads to.
    public struct Place: Sendable, Hashable {
        /// Which of the path's steps.
        public var step: Int
        var slot: Int
    }

    public let path: ElementPath
    /// The fields of each step's elements.
    private(set) var paths: [[FieldPath]]
    /// For each step but the first, where what holds its elements stands among the fields of the step before.
    private(set) var holders: [Int] = []

    /// What stands before an element's fields.
    static let ownCount = 2

    /// - Parameter hasBeside: another list has of each element, in the same place, what belongs to it.
    public init(_ path: ElementPath, hasBeside: Bool = false) {
        self.path = path
        paths = path.steps.map { _ in [] } + (hasBeside ? [[]] : [])
        for (step, inner) in path.steps.dropFirst().enumerated() {
            holders.append(place(of: FieldPath(inner.name.map { [$0] } ?? []), step: step).slot - Self.ownCount)
        }
    }

    /// The outermost holder, from the message.
    public var outermost: FieldPath { FieldPath(path.steps[0].name.map { [$0] } ?? []) }

    public var innermost: Int { path.steps.count - 1 }

    /// The step of what another list has of each element; nil where there is none.
    public var beside: Int? { paths.count > path.steps.count ? path.steps.count : nil }

    /// Has a field of a step's elements read. The empty path is the element itself.
    public mutating func place(of path: FieldPath, step: Int) -> Place {
        if let known = paths[step].firstIndex(of: path) { return Place(step: step, slot: Self.ownCount + known) }
        paths[step].append(path)
        return Place(step: step, slot: Self.ownCount + paths[step].count - 1)
    }

    public static func index(step: Int) -> Place { Place(step: step, slot: 0) }
    public static func name(step: Int) -> Place { Place(step: step, slot: 1) }

    /// Where a field stands, once all are named.
    public func position(of place: Place) -> Int { start(of: place.step) + place.slot }

    func start(of step: Int) -> Int { paths[..<step].reduce(0) { $0 + Self.ownCount + $1.count } }

    /// How many fields there are.
    public var count: Int { start(of: paths.count) }
}
