import CSimdJSON

/// Paths as a tree, which a decoder walks along with a message whose names it does not know before.
struct ItemPaths {
    struct Node {
        /// The field that all of it is; negative: nobody wants it.
        var slot = -1
        /// Its places in `children`.
        var children = 0..<0
        /// Some of these is an element of a list.
        var hasIndexes = false
        /// All fields further on, in `belows`.
        var belows = 0..<0
        /// Some path takes a child of another name.
        var isLoose = false
    }

    struct Child {
        /// In `texts`.
        var name: Range<Int>
        /// Of a list's element; nil where the name is no index.
        var index: UInt64?
        var node: Int
    }

    /// A path that takes a field of another name, if the message has none of its own.
    struct Loose {
        /// Where that is looked for.
        var node: Int
        var names: CSJNames
        var name: Range<Int>
        /// Where it goes, and where the field of another name waits.
        var slot: Int
        var standIn: Int
    }

    private(set) var nodes: [Node] = []
    private(set) var children: [Child] = []
    private(set) var belows: [Int] = []
    private(set) var texts: [UInt8] = []
    private(set) var loose: [Loose] = []
    private(set) var copies: [(from: Int, to: Int)] = []
    let pathCount: Int
    private(set) var slotCount: Int
    /// Some path leads to a field, and not to all of the message.
    let wantsFields: Bool

    init(_ paths: [FieldPath]) {
        pathCount = paths.count
        slotCount = paths.count
        wantsFields = paths.contains { !$0.components.isEmpty }
        var tree = Tree()
        for (slot, path) in paths.enumerated() {
            if let first = tree.add(path, slot) { copies.append((first, slot)) }
        }
        var taken: [(path: FieldPath, standIn: Int)] = []
        for path in paths where path.names != .exact && !path.components.isEmpty {
            guard !taken.contains(where: { $0.path == path }) else { continue }
            taken.append((path, slotCount))
            tree.addStandIn(path.components.dropLast(), slotCount)
            slotCount += 1
        }
        flatten(tree)
        for (slot, path) in paths.enumerated() {
            guard let name = path.components.last, let known = taken.first(where: { $0.path == path }),
                let node = node(path.components.dropLast())
            else { continue }
            nodes[node].isLoose = true
            loose.append(
                Loose(node: node, names: path.names.asC, name: text(name), slot: slot, standIn: known.standIn))
        }
    }

    /// Where a path leads that others lead through.
    private func node(_ components: ArraySlice<String>) -> Int? {
        var node = 0
        for component in components {
            let child = children[nodes[node].children].first { child in
                texts[child.name].elementsEqual(component.utf8)
            }
            guard let child else { return nil }
            node = child.node
        }
        return node
    }

    private struct Tree {
        var slot: Int?
        var standIns: [Int] = []
        var children: [(name: String, tree: Tree)] = []

        /// - Returns: where the same goes already.
        mutating func add(_ path: FieldPath, _ slot: Int) -> Int? {
            add(path.components[...], slot)
        }

        private mutating func add(_ components: ArraySlice<String>, _ slot: Int) -> Int? {
            guard let name = components.first else {
                if let first = self.slot { return first }
                self.slot = slot
                return nil
            }
            let place = children.firstIndex { $0.name == name } ?? children.endIndex
            if place == children.endIndex { children.append((name, Tree())) }
            return children[place].tree.add(components.dropFirst(), slot)
        }

        /// - Parameter components: of what the stand-in's field is in.
        mutating func addStandIn(_ components: ArraySlice<String>, _ slot: Int) {
            guard let name = components.first else { return standIns.append(slot) }
            guard let place = children.firstIndex(where: { $0.name == name }) else { return }
            children[place].tree.addStandIn(components.dropFirst(), slot)
        }

        var slots: [Int] { (slot.map { [$0] } ?? []) + below }
        var below: [Int] { standIns + children.flatMap(\.tree.slots) }
    }

    private mutating func text(_ text: String) -> Range<Int> {
        let start = texts.count
        texts += text.utf8
        return start..<texts.count
    }

    @discardableResult
    private mutating func flatten(_ tree: Tree) -> Int {
        let place = nodes.count
        nodes.append(Node(slot: tree.slot ?? -1))
        let made = tree.children.map { child in
            Child(name: text(child.name), index: UInt64(child.name), node: flatten(child.tree))
        }
        let start = children.count
        children += made
        nodes[place].children = start..<children.count
        nodes[place].hasIndexes = made.contains { $0.index != nil }
        let below = tree.below
        nodes[place].belows = belows.count..<belows.count + below.count
        belows += below
        return place
    }
}
