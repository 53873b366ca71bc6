import SwiftProtobuf

extension ProtoParser {
    struct Option {
        enum Value {
            /// A word or a number, with its sign.
            case word(String)
            case string([UInt8])
            /// What stands in braces: of its own members those that are words.
            case aggregate([(name: String, word: String)])

            var word: String? { if case .word(let word) = self { word } else { nil } }
        }

        /// `features.enum_type` is `["features", "enum_type"]`; names of extensions are in parentheses.
        var path: [String]
        var value: Value
        var place: Int
    }

    /// `option java_package = "…";`
    mutating func optionStatement() throws(ProtoMistake) -> Option {
        advance()
        let made = try option()
        try expect(";")
        return made
    }

    /// `[deprecated = true, (mine).name = "…"]`
    mutating func options() throws(ProtoMistake) -> [Option] {
        advance()
        var made: [Option] = []
        repeat { made.append(try option()) } while accept(",")
        try expect("]")
        return made
    }

    private mutating func option() throws(ProtoMistake) -> Option {
        let place = token.start
        var path: [String] = []
        repeat {
            if accept("(") {
                path.append("(" + (try fullName("the name of an extension")) + ")")
                try expect(")")
            } else {
                path.append(try identifier("the name of an option"))
            }
        } while accept(".")
        try expect("=")
        return Option(path: path, value: try optionValue(), place: place)
    }

    private mutating func optionValue() throws(ProtoMistake) -> Option.Value {
        switch token.kind {
        case .string: return .string(try string("a text"))
        case .symbol where isAt("{"): return try aggregate()
        case .symbol where isAt("-"):
            advance()
            guard token.kind != .string, token.kind != .symbol, token.kind != .end else { throw unexpected("a number") }
            defer { advance() }
            return .word("-" + word)
        case .identifier, .integer, .float:
            defer { advance() }
            return .word(word)
        default: throw unexpected("the value of an option")
        }
    }

    /// Of a message in Protobuf's text format; how deep it goes costs no stack.
    private mutating func aggregate() throws(ProtoMistake) -> Option.Value {
        let place = token.start
        var open: [String] = []
        var members: [(name: String, word: String)] = []
        repeat {
            guard token.kind != .end else { throw mistake("has a value of an option that does not end", at: place) }
            if token.kind == .symbol {
                switch word {
                case "{", "[", "<": open.append(word)
                case "}", "]", ">":
                    let last = open.popLast()
                    guard last == (word == "}" ? "{" : word == "]" ? "[" : "<") else {
                        throw mistake("has \(word) in a value of an option where nothing is open for it")
                    }
                default: break
                }
            } else if open.count == 1, token.kind == .identifier, word(at: 1) == ":" {
                members.append((word, word(at: 2)))
                advance()
            }
            advance()
        } while !open.isEmpty
        return .aggregate(members)
    }

    // MARK: What they mean

    /// Of a field.
    func take(_ options: [Option], into field: inout Field) throws(ProtoMistake) {
        for option in options {
            switch option.path {
            case ["json_name"]:
                guard case .string(let bytes) = option.value, let name = String(validating: bytes, as: UTF8.self) else {
                    throw mistake("has a json_name that is no text", at: option.place)
                }
                field.jsonName = name
            case ["packed"]: field.options.packed = option.value.word == "true"
            case ["default"]: field.defaultValue = try defaultValue(option, of: field)
            default:
                if let features = try features(option, over: field.options.features) {
                    field.options.features = features
                }
            }
        }
    }

    private func defaultValue(_ option: Option, of field: Field) throws(ProtoMistake) -> String {
        switch (field.hasType ? field.type : .enum, option.value) {
        case (.string, .string(let bytes)): return String(decoding: bytes, as: UTF8.self)
        case (.bytes, .string(let bytes)): return Self.escaped(bytes)
        case (.string, _), (.bytes, _), (_, .string), (_, .aggregate), (.group, _), (.message, _):
            throw mistake("has a default that is no value of its field", at: option.place)
        case (.float, .word(let word)), (.double, .word(let word)):
            let (isNegative, digits) = word.hasPrefix("-") ? (true, String(word.dropFirst())) : (false, word)
            guard let value = Self.integer(digits).map({ Double($0) }) ?? Double(digits) else {
                throw mistake("has a default that is no number", at: option.place)
            }
            return Self.text(isNegative ? -value : value, isFloat: field.type == .float)
        case (.bool, .word(let word)), (.enum, .word(let word)): return word
        case (_, .word(let word)):
            let (sign, digits) = word.hasPrefix("-") ? ("-", String(word.dropFirst())) : ("", word)
            guard let value = Self.integer(digits) else {
                throw mistake("has a default that is no integer", at: option.place)
            }
            return value == 0 ? "0" : sign + "\(value)"
        }
    }

    private static func text(_ value: Double, isFloat: Bool) -> String {
        if value.isNaN { return "nan" }
        if value.isInfinite { return value < 0 ? "-inf" : "inf" }
        return isFloat ? "\(Float(value))" : "\(value)"
    }

    /// Bytes as a text of C, which is how descriptors have them.
    private static func escaped(_ bytes: [UInt8]) -> String {
        var made = ""
        for byte in bytes {
            switch byte {
            case 0x0A: made += "\\n"
            case 0x0D: made += "\\r"
            case 0x09: made += "\\t"
            case UInt8(ascii: "\""), UInt8(ascii: "'"), UInt8(ascii: "\\"):
                made += "\\" + String(UnicodeScalar(byte))
            case 0x20...0x7E: made += String(UnicodeScalar(byte))
            default:
                let digits = String(byte, radix: 8)
                made += "\\" + String(repeating: "0", count: 3 - digits.count) + digits
            }
        }
        return made
    }

    // MARK: Features

    /// - Returns: what is known of features, with what the option says; nil where it says nothing of them.
    func features(
        _ option: Option, over known: Google_Protobuf_FeatureSet
    ) throws(ProtoMistake) -> Google_Protobuf_FeatureSet? {
        guard option.path.first == "features" else { return nil }
        var made = known
        switch (option.path.count, option.value) {
        // Those of languages are in extensions.
        case (2, .word(let word)) where !option.path[1].hasPrefix("("):
            try set(option.path[1], word, in: &made, option.place)
        case (1, .aggregate(let members)):
            for member in members { try set(member.name, member.word, in: &made, option.place) }
        default: return nil
        }
        return made
    }

    private func set(
        _ name: String, _ word: String, in features: inout Google_Protobuf_FeatureSet, _ place: Int
    ) throws(ProtoMistake) {
        func value<Value>(_ values: [String: Value]) throws(ProtoMistake) -> Value {
            guard let value = values[word] else {
                throw mistake("says features.\(name) = \(word.prefix(40)), which is not known", at: place)
            }
            return value
        }
        switch name {
        case "field_presence":
            features.fieldPresence = try value([
                "EXPLICIT": .explicit, "IMPLICIT": .implicit, "LEGACY_REQUIRED": .legacyRequired,
            ])
        case "enum_type": features.enumType = try value(["OPEN": .open, "CLOSED": .closed])
        case "repeated_field_encoding":
            features.repeatedFieldEncoding = try value(["PACKED": .packed, "EXPANDED": .expanded])
        case "utf8_validation": features.utf8Validation = try value(["VERIFY": .verify, "NONE": .none])
        case "message_encoding":
            features.messageEncoding = try value(["LENGTH_PREFIXED": .lengthPrefixed, "DELIMITED": .delimited])
        case "json_format":
            features.jsonFormat = try value(["ALLOW": .allow, "LEGACY_BEST_EFFORT": .legacyBestEffort])
        case "enforce_naming_style":
            features.enforceNamingStyle = try value(["STYLE2024": .style2024, "STYLE_LEGACY": .styleLegacy])
        case "default_symbol_visibility":
            features.defaultSymbolVisibility = try value([
                "EXPORT_ALL": .exportAll, "EXPORT_TOP_LEVEL": .exportTopLevel, "LOCAL_ALL": .localAll,
                "STRICT": .strict,
            ])
        default: throw mistake("says features.\(name), which is not known", at: place)
        }
    }
}
