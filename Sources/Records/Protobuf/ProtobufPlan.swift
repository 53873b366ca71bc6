/// A message type and the paths that a route takes, compiled to tables: for each message on a path what becomes of each of its
/// fields, and for all others how they are checked.
public struct ProtobufPlan: Sendable {
    /// Messages and groups in each other, as other readers of Protobuf take them.
    static let deepest = 100
    static let none = UInt32.max

    /// What is done with a value. Those that begin with `skip` check what they pass over, and write nothing.
    enum Code: UInt8 {
        case double, float, int32, int64, uint32, uint64, sint32, sint64, fixed32, fixed64, sfixed32, sfixed64
        case bool, string, bytes, symbol
        case skipVarint, skip4, skip8, skipBytes, skipString
        case message, group
        /// Values of one field, packed or not.
        case list

        /// How a value of it lies on the wire.
        var wire: UInt8 {
            switch self {
            case .double, .fixed64, .sfixed64, .skip8: 1
            case .float, .fixed32, .sfixed32, .skip4: 5
            case .string, .bytes, .skipBytes, .skipString, .message, .list: 2
            case .group: 3
            default: 0
            }
        }

        var isPackable: Bool { wire != 2 && wire != 3 }
    }

    struct Entry {
        var number: UInt32
        var code: Code
        /// Of a list's elements.
        var element: Code
        /// How one value lies on the wire.
        var wire: UInt8
        /// Where the value goes, among the fields of the table's message.
        var slot = none
        /// The table for what is in a message, or in a list's messages.
        var table = none
        /// What it is handed out as.
        var node = none
        /// The place of an enum.
        var symbols = none
        /// By number: slots that another member of the same oneof may have filled.
        var clears = none
        /// Tells whether the message has been there, so that the defaults of what is in it stand.
        var seen = none
        /// By number: elements that paths lead through; `seen` counts those of a list then.
        var choices = none
    }

    struct Table {
        /// In the order of their numbers.
        var entries: Range<Int>
        /// By the field's number the place of its entry in `entries`, plus one; for numbers that are small.
        var dense: Range<Int>
        /// What stands in slots once the message is there.
        var defaults: Range<Int>
        /// Slots with messages that mean a value.
        var meanings: Range<Int> = 0..<0
        /// So many slots has a value of it by itself.
        var slotCount = 0
        /// For who looks into it, in the order of the schema.
        var members: Range<Int> = 0..<0
    }

    enum Default: Sendable {
        case zero(Code)
        case symbol(Int)
        case list(UInt32)
        case map(UInt32)
    }

    struct Member {
        var name: Range<Int>
        var slot: Int
    }

    /// An element of a list, or a value of a map, that a path leads to or through.
    struct Choice {
        var index: UInt64
        var key: [UInt8]
        /// Where the whole of it goes.
        var slot: UInt32
        /// What is in it, of a message.
        var table: UInt32
        /// All that an earlier one of the same key may have filled.
        var clears: UInt32
    }

    /// What of a list or map is on paths.
    struct Selection {
        var choices: [Choice]
        var element: Entry
        /// Of a map: the table of its entries.
        var mapTable: Int?
    }

    /// What is in something that is handed out.
    enum Content {
        /// Of a message, by its table; what it means, if it means a value.
        case record(table: Int, ProtobufMeaning)
        case list(Entry)
        /// Entries, by their table.
        case map(table: Int)
    }

    var entries: [Entry] = []
    var dense: [UInt16] = []
    var tables: [Table] = []
    var defaults: [(slot: UInt32, value: Default)] = []
    var meanings: [UInt32] = []
    var members: [Member] = []
    var clears: [[UInt32]] = []
    var selections: [Selection] = []
    var contents: [Content] = []
    var texts: [UInt8] = []
    /// By enum: its numbers in order, and the places of their names in `texts`.
    var symbols: [(numbers: [Int32], names: [Range<Int>], first: Int, isClosed: Bool)] = []

    /// By their full names: what an Any may hold, as places in `contents`.
    var packable: [String: UInt32] = [:]

    let pathCount: Int
    var slotCount = 0
    var root = 0
    /// Where the whole message goes, and as what.
    var whole: (slot: UInt32, node: UInt32)?
    /// Messages whose fields go straight into slots of their own, one behind the other from `first`, because all that they
    /// stand for is a value that is made of these.
    var direct: [(slot: UInt32, first: UInt32, seen: UInt32, meaning: ProtobufMeaning)] = []
    /// Of the message's own fields and what is in them.
    var rootMeanings: [UInt32] = []
    var copies: [(from: Int, to: Int)] = []

    /// - Parameters:
    ///   - message: the place of the message's type.
    ///   - paths: the fields to pick, which may repeat. The empty path is the whole message.
    public init(_ schema: ProtobufSchema, message: Int, paths: [FieldPath]) {
        pathCount = paths.count
        var compiler = ProtobufCompiler(schema, paths)
        compiler.compile(message, into: &self)
    }
}
