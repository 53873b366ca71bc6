import SwiftProtobuf

extension ProtoParser {
    typealias Message = Google_Protobuf_DescriptorProto
    typealias Field = Google_Protobuf_FieldDescriptorProto

    // MARK: Messages

    /// - Parameters:
    ///   - scope: the names around it, with a point behind them.
    ///   - depth: of how many messages it is one, itself counted.
    mutating func message(
        in scope: String, depth: Int, _ visibility: Google_Protobuf_SymbolVisibility?
    ) throws(ProtoMistake) -> Message {
        advance()
        var message = Message()
        let place = token.start
        message.name = try identifier("the name of a message")
        if let visibility { message.visibility = visibility }
        try declare(scope + message.name, at: place)
        try body(of: &message, in: scope + message.name + ".", depth: depth)
        return message
    }

    private mutating func body(of message: inout Message, in scope: String, depth: Int) throws(ProtoMistake) {
        guard depth <= Limit.depth else {
            throw mistake("has messages in each other that are more than \(Limit.depth) deep")
        }
        try expect("{")
        while !accept("}") {
            guard token.kind != .end else { throw unexpected("}") }
            if accept(";") { continue }
            try element(of: &message, in: scope, depth)
        }
        hideOptionals(of: &message)
    }

    private mutating func element(of message: inout Message, in scope: String, _ depth: Int) throws(ProtoMistake) {
        let visibility = takeVisibility()
        switch word {
        case "message": message.nestedType.append(try self.message(in: scope, depth: depth + 1, visibility))
        case "enum": message.enumType.append(try enumeration(in: scope, visibility))
        case "extend":
            let made = try extensions(in: scope, depth: depth + 1)
            message.extension += made.fields
            message.nestedType += made.groups
        case "option":
            let option = try optionStatement()
            if let features = try features(option, over: message.options.features) {
                message.options.features = features
            }
            // protoc refuses it, but so does Confluent's registry write the maps of descriptors.
            if option.path == ["map_entry"] { message.options.mapEntry = option.value.word == "true" }
        case "oneof": try oneof(of: &message, in: scope, depth)
        case "extensions":
            for range in try ranges(upTo: Int64(1 << 29 - 1)) {
                message.extensionRange.append(
                    .with { ($0.start, $0.end) = (Int32(range.first), Int32(range.last + 1)) })
            }
            if isAt("[") { _ = try options() }
            try expect(";")
        case "reserved":
            try reserved { (parser) throws(ProtoMistake) in
                for range in try parser.ranges(upTo: Int64(1 << 29 - 1)) {
                    message.reservedRange.append(
                        .with { ($0.start, $0.end) = (Int32(range.first), Int32(range.last + 1)) })
                }
            } names: {
                message.reservedName.append($0)
            }
        default:
            let made = try field(in: scope, depth: depth, .message)
            message.field.append(made.field)
            message.nestedType += made.types
        }
    }

    private mutating func oneof(of message: inout Message, in scope: String, _ depth: Int) throws(ProtoMistake) {
        advance()
        var oneof = Google_Protobuf_OneofDescriptorProto()
        let place = token.start
        oneof.name = try identifier("the name of a oneof")
        try declare(scope + oneof.name, at: place)
        try expect("{")
        while !accept("}") {
            if accept(";") { continue }
            if isAt("option") {
                let option = try optionStatement()
                if let features = try features(option, over: oneof.options.features) {
                    oneof.options.features = features
                }
                continue
            }
            var made = try field(in: scope, depth: depth, .oneof)
            made.field.oneofIndex = Int32(message.oneofDecl.count)
            message.field.append(made.field)
            message.nestedType += made.types
        }
        message.oneofDecl.append(oneof)
    }

    /// An optional field of proto3 lies in a oneof of its own, so that readers which do not know `optional` see that it has
    /// presence.
    private func hideOptionals(of message: inout Message) {
        guard message.field.contains(where: \.proto3Optional) else { return }
        var names = Set(message.field.map(\.name) + message.oneofDecl.map(\.name))
        for place in message.field.indices where message.field[place].proto3Optional {
            let field = message.field[place].name
            var name = field.hasPrefix("_") ? field : "_" + field
            while !names.insert(name).inserted { name = "X" + name }
            message.field[place].oneofIndex = Int32(message.oneofDecl.count)
            message.oneofDecl.append(.with { $0.name = name })
        }
    }

    /// `extend`, which adds fields to a message that stands elsewhere; their groups are types where it stands.
    mutating func extensions(
        in scope: String, depth: Int
    ) throws(ProtoMistake) -> (fields: [Field], groups: [Message]) {
        advance()
        let extended = try fullName("the name of a message")
        try expect("{")
        var fields: [Field] = []
        var groups: [Message] = []
        while !accept("}") {
            if accept(";") { continue }
            var made = try field(in: scope, depth: depth - 1, .extension)
            made.field.extendee = extended
            fields.append(made.field)
            groups += made.types
        }
        return (fields, groups)
    }

    // MARK: Fields

    enum Home {
        case message, oneof, `extension`
    }

    /// - Parameter depth: of the message that it stands in.
    /// - Returns: and the type that it brings along: of a group, or of a map's entries.
    private mutating func field(
        in scope: String, depth: Int, _ home: Home
    ) throws(ProtoMistake) -> (field: Field, types: [Message]) {
        var field = Field()
        field.label = .optional
        var hasLabel = false
        if home != .oneof { hasLabel = try label(of: &field, home) }
        if isAt("map"), word(at: 1) == "<", home == .message, !hasLabel { return try map(in: scope) }
        let typePlace = token.start
        if let scalar = Self.scalars[word] {
            field.type = scalar
            advance()
        } else if accept("group") {
            field.type = .group
        } else {
            field.typeName = try fullName("the type of a field")
        }
        if dialect == .proto2, !hasLabel, home != .oneof {
            throw mistake("has a field without required, optional or repeated", at: typePlace)
        }
        let place = token.start
        let name = try identifier("the name of a field")
        field.name = field.type == .group ? Self.lowercased(name) : name
        field.number = try number()
        field.jsonName = Self.jsonName(field.name)
        if isAt("[") { try take(try options(), into: &field) }
        try declare(scope + field.name, at: place)
        guard field.hasType, field.type == .group else {
            if !field.hasType { note(type: typePlace, of: scope + field.name) }
            try expect(";")
            return (field, [])
        }
        guard dialect != .editions else { throw mistake("has a group, which editions have no more", at: typePlace) }
        field.typeName = name
        note(type: typePlace, of: scope + field.name)
        var group = Message()
        group.name = name
        try declare(scope + name, at: place)
        try body(of: &group, in: scope + name + ".", depth: depth + 1)
        return (field, [group])
    }

    /// - Returns: whether there is one.
    private mutating func label(of field: inout Field, _ home: Home) throws(ProtoMistake) -> Bool {
        let place = token.start
        if accept("repeated") {
            field.label = .repeated
        } else if accept("optional") {
            if dialect == .editions { throw mistake("has optional, which editions have no more", at: place) }
            if dialect == .proto3 { field.proto3Optional = true }
        } else if accept("required") {
            if dialect != .proto2 { throw mistake("has required, which only proto2 knows", at: place) }
            field.label = .required
        } else {
            return false
        }
        return true
    }

    private mutating func number() throws(ProtoMistake) -> Int32 {
        try expect("=")
        let place = token.start
        let number = try integer("the number of a field")
        guard number > 0, number < 1 << 29 else {
            throw mistake("has a field with the number \(number), and they go from 1 to 536870911", at: place)
        }
        guard !(19000...19999).contains(number) else {
            throw mistake("has a field with the number \(number): 19000 to 19999 are Protobuf's own", at: place)
        }
        return Int32(number)
    }

    private mutating func map(in scope: String) throws(ProtoMistake) -> (field: Field, types: [Message]) {
        advance()
        try expect("<")
        var (key, value) = (Field(), Field())
        let keyPlace = token.start
        guard let type = Self.scalars[word], type != .double, type != .float, type != .bytes else {
            throw mistake("has a map whose keys are no integers, booleans or strings", at: keyPlace)
        }
        advance()
        (key.name, key.number, key.label, key.type, key.jsonName) = ("key", 1, .optional, type, "key")
        try expect(",")
        let typePlace = token.start
        (value.name, value.number, value.label, value.jsonName) = ("value", 2, .optional, "value")
        if let scalar = Self.scalars[word] {
            value.type = scalar
            advance()
        } else {
            value.typeName = try fullName("the type of a map's values")
        }
        try expect(">")
        var field = Field()
        let place = token.start
        field.name = try identifier("the name of a field")
        field.label = .repeated
        field.number = try number()
        field.jsonName = Self.jsonName(field.name)
        try declare(scope + field.name, at: place)
        if isAt("[") {
            try take(try options(), into: &field)
            // What it says of itself holds for what is in it.
            if field.options.hasFeatures {
                key.options.features = field.options.features
                value.options.features = field.options.features
            }
        }
        try expect(";")
        let name = Self.capitalized(field.name) + "Entry"
        field.typeName = name
        note(type: place, of: scope + field.name)
        note(type: typePlace, of: scope + name + ".value")
        try declare(scope + name, at: place)
        let entry = Message.with {
            $0.name = name
            $0.field = [key, value]
            $0.options.mapEntry = true
        }
        return (field, [entry])
    }

    private static let scalars: [String: Field.TypeEnum] = [
        "double": .double, "float": .float, "int64": .int64, "uint64": .uint64, "int32": .int32, "fixed64": .fixed64,
        "fixed32": .fixed32, "bool": .bool, "string": .string, "bytes": .bytes, "uint32": .uint32,
        "sfixed32": .sfixed32, "sfixed64": .sfixed64, "sint32": .sint32, "sint64": .sint64,
    ]

    private static func lowercased(_ name: String) -> String {
        String(decoding: name.utf8.map { 0x41...0x5A ~= $0 ? $0 | 0x20 : $0 }, as: UTF8.self)
    }

    /// As protoc makes it: without underscores, the letter behind one in upper case.
    static func jsonName(_ name: String) -> String { camel(name, isUpper: false) }

    private static func capitalized(_ name: String) -> String { camel(name, isUpper: true) }

    private static func camel(_ name: String, isUpper: Bool) -> String {
        var made: [UInt8] = []
        var isUpper = isUpper
        for byte in name.utf8 {
            if byte == UInt8(ascii: "_") {
                isUpper = true
            } else {
                made.append(isUpper && 0x61...0x7A ~= byte ? byte & ~0x20 : byte)
                isUpper = false
            }
        }
        return String(decoding: made, as: UTF8.self)
    }

    // MARK: Enums

    mutating func enumeration(
        in scope: String, _ visibility: Google_Protobuf_SymbolVisibility?
    ) throws(ProtoMistake) -> Google_Protobuf_EnumDescriptorProto {
        advance()
        var made = Google_Protobuf_EnumDescriptorProto()
        let place = token.start
        made.name = try identifier("the name of an enum")
        if let visibility { made.visibility = visibility }
        try declare(scope + made.name, at: place)
        try expect("{")
        while !accept("}") {
            if accept(";") { continue }
            switch word {
            case "option" where self.word(at: 1) != "=":
                let option = try optionStatement()
                if option.path == ["allow_alias"] { made.options.allowAlias = option.value.word == "true" }
                if let features = try features(option, over: made.options.features) {
                    made.options.features = features
                }
            case "reserved" where self.word(at: 1) != "=":
                try reserved { (parser) throws(ProtoMistake) in
                    for range in try parser.ranges(from: Int64(Int32.min), upTo: Int64(Int32.max)) {
                        made.reservedRange.append(
                            .with { ($0.start, $0.end) = (Int32(range.first), Int32(range.last)) })
                    }
                } names: {
                    made.reservedName.append($0)
                }
            default: made.value.append(try enumValue(in: scope))
            }
        }
        return made
    }

    private mutating func enumValue(in scope: String) throws(ProtoMistake) -> Google_Protobuf_EnumValueDescriptorProto {
        var value = Google_Protobuf_EnumValueDescriptorProto()
        let place = token.start
        value.name = try identifier("the name of a value, option, reserved or }")
        // They are called beside their enum, and not in it.
        try declare(scope + value.name, at: place)
        try expect("=")
        value.number = Int32(try signed("the number of a value", from: Int64(Int32.min), upTo: Int64(Int32.max)))
        if isAt("[") { _ = try options() }
        try expect(";")
        return value
    }

    // MARK: Ranges

    private mutating func signed(_ what: String, from low: Int64, upTo high: Int64) throws(ProtoMistake) -> Int64 {
        let place = token.start
        let isNegative = accept("-")
        let magnitude = try integer(what)
        guard let number = Int64(exactly: magnitude).map({ isNegative ? -$0 : $0 }), (low...high).contains(number)
        else {
            throw mistake("has a number that is too large there", at: place)
        }
        return number
    }

    /// `2, 9 to 11, 40 to max`, behind the word that says what for.
    private mutating func ranges(
        from low: Int64 = 1, upTo high: Int64
    ) throws(ProtoMistake) -> [(first: Int64, last: Int64)] {
        if isAt("extensions") { advance() }
        var ranges: [(first: Int64, last: Int64)] = []
        repeat {
            let place = token.start
            let first = try signed("a number", from: low, upTo: high)
            var last = first
            if accept("to") { last = accept("max") ? high : try signed("a number or max", from: low, upTo: high) }
            guard first <= last else { throw mistake("has a range that ends before it begins", at: place) }
            ranges.append((first, last))
        } while accept(",")
        return ranges
    }

    private mutating func reserved(
        ranges: (inout ProtoParser) throws(ProtoMistake) -> Void, names: (String) -> Void
    ) throws(ProtoMistake) {
        advance()
        if token.kind == .string || token.kind == .identifier {
            repeat {
                names(token.kind == .string ? try textOfString("a name") : try identifier("a name"))
            } while accept(",")
        } else {
            try ranges(&self)
        }
        try expect(";")
    }
}
