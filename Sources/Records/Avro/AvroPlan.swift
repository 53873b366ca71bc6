/// A schema and the paths that a route takes, compiled to instructions that a decoder follows without looking at
/// either: what no path names is checked and passed over, what one names is written where it belongs.
///
/// Of the instructions there are at most twice as many as types and paths together allow: a record that comes again, in
/// itself too, is called where it was compiled first.
public struct AvroPlan: Sendable {
    /// A way out of a list or map.
    struct Choice {
        /// Of a list's element.
        var index: UInt64
        /// Of a map's value, in `texts`.
        var name: Text
        /// Which names a map's value may have beside its own.
        var names: FieldPath.Names
        var instruction: UInt32
    }

    /// Bytes in `texts`.
    struct Text {
        var start: Int
        var count: Int
    }

    /// A record's field, for who looks into the record.
    struct Member {
        var name: Text
        var node: Int
    }

    /// What is in a list, record or map that is handed out.
    enum Content {
        case scalar
        case list(Int)
        case map(Int)
        case record(Range<Int>)
    }

    var instructions: [AvroInstruction] = []
    var branches: [UInt32] = []
    /// By number: from where to where in `choices`.
    var selections: [Range<Int>] = []
    var choices: [Choice] = []
    var texts: [UInt8] = []
    var symbols: [Text] = []
    var forgotten: [UInt32] = []

    let pathCount: Int
    /// Fields of the paths, those that stand in for them, and the last for who looks into something.
    private(set) var slotCount: Int
    /// What a message may leave as it was.
    var resets: [UInt32] = []
    /// Paths that are named twice: where the first is, and where the same goes.
    var copies: [(from: Int, to: Int)] = []
    /// Fields that take what has come under another name, if the message has none of theirs.
    var standIns: [(slot: Int, other: Int)] = []

    // By node, where something is handed out: what is in it, where one value of it is read, and where it is passed over.
    var contents: [Content] = []
    var members: [Member] = []
    var values: [UInt32] = []
    var skips: [UInt32] = []
    /// Whether a message may have no byte.
    let isEmptyMessage: Bool

    /// Where one value is written for who looks into something.
    var scratch: Int { slotCount - 1 }

    /// - Parameter paths: the fields to pick, which may repeat. The empty path is the whole message.
    public init(_ schema: AvroSchema, paths: [FieldPath]) {
        pathCount = paths.count
        isEmptyMessage = schema.emptyValues[schema.root] != nil
        var compiler = AvroCompiler(schema, paths)
        slotCount = compiler.slotCount
        compiler.compile(into: &self)
    }
}
