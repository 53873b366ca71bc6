/// A condition as it is decided for each message: flat, in memory that does not move. It allocates nothing.
///
/// Belongs to one thread.
public final class ConditionProgram {
    /// What the message at hand has for each of the condition's sources. Whoever asks puts them there before.
    public let values: UnsafeMutableBufferPointer<Field>
    private let nodes: UnsafeMutableBufferPointer<Node>
    private let literals: UnsafeMutableBufferPointer<Operand>
    private let codes: UnsafeBufferPointer<UInt16>
    private let texts: UnsafeRawBufferPointer
    /// For numbers that are no words of the machine.
    private let unscaled = UnscaledDigits()

    private struct Node {
        enum Kind { case compare, among, matches, isNull, exists, not, all, any }

        var kind: Kind
        var isNegated = false
        var comparison = Condition.Comparison.equal
        var source = 0
        /// Of literals, of the pattern's codes, or of nodes: those below stand in a row, in `below`.
        var range = 0..<0
    }

    /// A literal with all that it stands for.
    fileprivate struct Operand {
        var kind: Condition.Kind
        var isTrue = false
        /// Within `texts`: of a text its bytes, of a number its digits.
        var bytes = UnsafeRawBufferPointer(start: nil, count: 0)
        var isNegative = false
        var exponent = 0
        var double = 0.0
        var float: Float = 0
        var integer: Int64?
        var unsigned: UInt64?
        var uuid: (high: UInt64, low: UInt64)?
        var day: Int64?
        var timeOfDay: Int64?
        var localTime: Int64?
        var instant: Int64?

        var digits: DecimalDigits { DecimalDigits(isNegative: isNegative, digits: bytes, exponent: exponent) }
    }

    /// What the nodes are made of, while they grow.
    private struct Building {
        var nodes: [Node] = []
        var below: [Int] = []
        var literals: [Condition.Literal] = []
        var codes: [UInt16] = []

        mutating func add(_ test: Condition.Test) -> Int {
            switch test {
            case .compare(let source, let comparison, let literal):
                return add(Node(kind: .compare, comparison: comparison, source: source, range: place([literal])))
            case .among(let source, let literals, let isNegated):
                return add(Node(kind: .among, isNegated: isNegated, source: source, range: place(literals)))
            case .matches(let source, let pattern, let isNegated):
                let start = codes.count
                codes += pattern.codes
                return add(Node(kind: .matches, isNegated: isNegated, source: source, range: start..<codes.count))
            case .isNull(let source): return add(Node(kind: .isNull, source: source))
            case .exists(let source): return add(Node(kind: .exists, source: source))
            case .not(let test): return add(.not, [test])
            case .all(let tests): return add(.all, tests)
            case .any(let tests): return add(.any, tests)
            }
        }

        private mutating func add(_ kind: Node.Kind, _ tests: [Condition.Test]) -> Int {
            var places: [Int] = []
            for test in tests { places.append(add(test)) }
            let start = below.count
            below += places
            return add(Node(kind: kind, range: start..<below.count))
        }

        private mutating func add(_ node: Node) -> Int {
            nodes.append(node)
            return nodes.count - 1
        }

        private mutating func place(_ added: [Condition.Literal]) -> Range<Int> {
            let start = literals.count
            literals += added
            return start..<literals.count
        }
    }

    private let below: UnsafeBufferPointer<Int>

    public init(_ condition: Condition) {
        var building = Building()
        // The last node is the one that the others are for.
        _ = building.add(condition.test)
        values = .allocate(capacity: condition.sources.count)
        values.initialize(repeating: Field(.absent))
        nodes = .allocate(capacity: building.nodes.count)
        _ = nodes.initialize(from: building.nodes)
        below = Self.held(building.below)
        codes = Self.held(building.codes)
        texts = UnsafeRawBufferPointer(Self.held(building.literals.flatMap(\.bytes)))
        literals = .allocate(capacity: building.literals.count)
        var start = 0
        for (place, literal) in building.literals.enumerated() {
            let end = start + literal.bytes.count
            literals.initializeElement(
                at: place, to: Operand(literal, UnsafeRawBufferPointer(rebasing: texts[start..<end])))
            start = end
        }
    }

    private static func held<Element>(_ array: [Element]) -> UnsafeBufferPointer<Element> {
        let memory = UnsafeMutableBufferPointer<Element>.allocate(capacity: array.count)
        _ = memory.initialize(from: array)
        return UnsafeBufferPointer(memory)
    }

    deinit {
        values.deallocate()
        nodes.deallocate()
        below.deallocate()
        codes.deallocate()
        literals.deallocate()
        texts.deallocate()
    }

    /// Whether the condition is true of `values`.
    public func holds() throws(ConditionFault) -> Bool { try holds(nodes.count - 1) }

    /// Whether the condition may be true where of some of `values` nobody knows what they are.
    ///
    /// - Parameter isUnknown: of each source.
    public func mayHold(_ isUnknown: UnsafeBufferPointer<Bool>) throws(ConditionFault) -> Bool {
        try may(nodes.count - 1, be: true, isUnknown)
    }

    private func may(
        _ place: Int, be truth: Bool, _ isUnknown: UnsafeBufferPointer<Bool>
    ) throws(ConditionFault) -> Bool {
        let node = nodes[place]
        switch node.kind {
        case .not: return try may(below[node.range.lowerBound], be: !truth, isUnknown)
        case .all, .any:
            // What is true of all, or false of any, each of them must be able to be.
            let wantsEach = (node.kind == .all) == truth
            for index in node.range where try may(below[index], be: truth, isUnknown) != wantsEach {
                return !wantsEach
            }
            return wantsEach
        case .compare, .among, .matches, .isNull, .exists:
            return isUnknown[node.source] ? true : try holds(place) == truth
        }
    }

    private func holds(_ place: Int) throws(ConditionFault) -> Bool {
        let node = nodes[place]
        switch node.kind {
        case .all:
            for index in node.range where try !holds(below[index]) { return false }
            return true
        case .any:
            for index in node.range where try holds(below[index]) { return true }
            return false
        case .not: return try !holds(below[node.range.lowerBound])
        case .isNull: return isMissing(node.source)
        case .exists: return values[node.source].kind != .absent
        case .compare:
            guard !isMissing(node.source) else { return false }
            return node.comparison.holds(try order(node.source, literals[node.range.lowerBound]))
        case .among:
            guard !isMissing(node.source) else { return false }
            for index in node.range where try order(node.source, literals[index]) == 0 { return !node.isNegated }
            return node.isNegated
        case .matches:
            guard !isMissing(node.source) else { return false }
            guard let text = values[node.source].text else { throw fault(node.source, .text) }
            return TextPattern.matches(UnsafeBufferPointer(rebasing: codes[node.range]), text) != node.isNegated
        }
    }

    private func isMissing(_ source: Int) -> Bool {
        values[source].kind == .absent || values[source].kind == .null
    }

    private func fault(_ source: Int, _ expected: Condition.Kind) -> ConditionFault {
        ConditionFault(source: source, found: values[source].kind, expected: expected)
    }

    // MARK: Values

    private func order(_ source: Int, _ literal: Operand) throws(ConditionFault) -> Int {
        let value = values[source]
        switch literal.kind {
        case .truth:
            guard value.kind == .true || value.kind == .false else { throw fault(source, .truth) }
            return (value.kind == .true) == literal.isTrue ? 0 : 1
        case .number:
            guard let order = number(value, literal) else {
                var fault = fault(source, .number)
                fault.isTooLong = value.kind == .decimal
                throw fault
            }
            return order
        case .text:
            if let text = value.text { return text.order(literal.bytes) }
            guard let order = Self.canonical(value, literal) else { throw fault(source, .text) }
            return order
        }
    }

    /// - Returns: nil for what is no number, or a decimal that is too long.
    private func number(_ value: Field, _ literal: Operand) -> Int? {
        switch value.kind {
        case .integer:
            let integer = Int64(bitPattern: value.first)
            if let other = literal.integer { return integer.order(other) }
            return unscaled.with(integer.magnitude, isNegative: integer < 0) { $0.compare(literal.digits) }
        case .unsigned:
            if let other = literal.unsigned { return value.first.order(other) }
            return unscaled.with(value.first, isNegative: false) { $0.compare(literal.digits) }
        case .number: return DecimalDigits(text: value.bytes).compare(literal.digits)
        case .decimal:
            return unscaled.with(value.unscaled, scale: Int(value.scale)) { $0.compare(literal.digits) }
        // As PostgreSQL has it, what is no number is greater than all that are.
        case .double:
            let double = Double(bitPattern: value.first)
            return double.isNaN ? 1 : double.order(literal.double)
        case .float:
            let float = Float(bitPattern: UInt32(truncatingIfNeeded: value.first))
            return float.isNaN ? 1 : float.order(literal.float)
        default: return nil
        }
    }

    /// What is no text, by its canonical one; nil where the literal is none of that kind.
    private static func canonical(_ value: Field, _ literal: Operand) -> Int? {
        let moment = Int64(bitPattern: value.first)
        switch value.kind {
        case .uuid:
            return literal.uuid.map { value.first == $0.high ? value.second.order($0.low) : value.first.order($0.high) }
        case .day: return literal.day.map { moment.order($0) }
        case .timeOfDay: return literal.timeOfDay.map { moment.order($0) }
        case .localTime: return literal.localTime.map { moment.order($0) }
        case .instant: return literal.instant.map { moment.order($0) }
        default: return nil
        }
    }
}

extension ConditionProgram.Operand {
    fileprivate init(_ literal: Condition.Literal, _ bytes: UnsafeRawBufferPointer) {
        self.init(kind: literal.kind, bytes: bytes)
        switch literal {
        case .truth(let isTrue): self.isTrue = isTrue
        case .number(let number):
            (isNegative, exponent) = (number.isNegative, number.exponent)
            (double, float) = (number.double, number.float)
            (integer, unsigned) = (number.integer(Int64.self), number.integer(UInt64.self))
        case .text(let text):
            uuid = CanonicalText.uuid(text[...])
            day = CanonicalText.day(text[...])
            timeOfDay = CanonicalText.timeOfDay(text[...])
            localTime = CanonicalText.localTime(text[...])
            instant = CanonicalText.instant(text[...])
        }
    }
}

extension Condition.Literal {
    fileprivate var bytes: [UInt8] {
        switch self {
        case .text(let text): Array(text.utf8)
        case .number(let number): number.digits
        case .truth: []
        }
    }
}

extension Field {
    /// Of what is a text, or has a name.
    fileprivate var text: UnsafeRawBufferPointer? {
        switch kind {
        case .string: bytes
        case .symbol: symbolName
        default: nil
        }
    }
}

extension Comparable {
    fileprivate func order(_ other: Self) -> Int { self < other ? -1 : self == other ? 0 : 1 }
}

extension UnsafeRawBufferPointer {
    /// Byte by byte, which for UTF-8 is by code points.
    fileprivate func order(_ other: UnsafeRawBufferPointer) -> Int {
        for place in 0..<Swift.min(count, other.count) where self[place] != other[place] {
            return Int(self[place]) - Int(other[place])
        }
        return count - other.count
    }
}
