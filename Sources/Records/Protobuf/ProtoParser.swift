import SwiftProtobuf

/// Reads the text of a `.proto` file into what protoc makes of it, but for the types that fields name: those stay as they
/// are written until all files are there (`ProtoLinker`).
///
/// - proto2, proto3 and the editions 2023 and 2024. Of options those are kept that say how messages lie and what fields are
///   called; all others are passed over, whatever their values.
/// - It is other people's text: it is limited in size and depth, and each mistake has its line and column. Mistakes that
///   change no reading of a message (two values of an enum with the same number, say) are not looked for.
///
/// Sources: the language's specifications for proto2, proto3 and editions.
struct ProtoParser {
    enum Limit {
        static let bytes = 1 << 20
        /// Messages in messages, as protoc has it.
        static let depth = 32
    }

    enum Dialect: Equatable {
        case proto2, proto3, editions
    }

    /// What a file says, and where.
    struct Source {
        var descriptor = Google_Protobuf_FileDescriptorProto()
        /// The bytes at which things are declared, by their names with those of the messages around them: the package may
        /// stand behind them.
        var places: [String: Int] = [:]
        /// The bytes at which fields name their types, by the fields' names of the same kind.
        var typePlaces: [String: Int] = [:]
        fileprivate var text: [UInt8] = []

        /// - Parameter place: a byte of the text.
        func failure(_ words: String, at place: Int?) -> ProtobufSchemaFailure {
            guard let place else { return ProtobufSchemaFailure(code: .text, place: descriptor.name, words: words) }
            let before = text[..<min(place, text.count)]
            let line = before.reduce(1) { $0 + ($1 == 0x0A ? 1 : 0) }
            let start = before.lastIndex(of: 0x0A).map { $0 + 1 } ?? 0
            // A column is a character, of which each has one byte that is no continuation.
            let column = before[start...].reduce(1) { $0 + ($1 & 0xC0 == 0x80 ? 0 : 1) }
            return ProtobufSchemaFailure(code: .text, place: "\(descriptor.name):\(line):\(column)", words: words)
        }
    }

    private(set) var file = Source()
    var dialect = Dialect.proto2
    private let text: [UInt8]
    private let tokens: [ProtoToken]
    private var index = 0

    /// - Parameter name: as others import it.
    static func parse(_ text: [UInt8], name: String) throws(ProtobufSchemaFailure) -> Source {
        var file = Source(text: text)
        file.descriptor.name = name
        guard text.count <= Limit.bytes else {
            throw ProtobufSchemaFailure(code: .tooLarge, place: name, words: "has more than 1 MiB")
        }
        do throws(ProtoMistake) {
            var parser = ProtoParser(file, try ProtoLexer.tokens(of: text))
            try parser.parse()
            return parser.file
        } catch {
            throw file.failure(error.words, at: error.place)
        }
    }

    private init(_ file: Source, _ tokens: [ProtoToken]) {
        self.file = file
        text = file.text
        self.tokens = tokens
    }

    // MARK: Tokens

    var token: ProtoToken { tokens[index] }
    var word: String { word(at: 0) }

    /// - Parameter ahead: how many tokens from the one that comes next.
    func word(at ahead: Int) -> String {
        guard index + ahead < tokens.count else { return "" }
        let token = tokens[index + ahead]
        return String(decoding: text[token.start..<token.end], as: UTF8.self)
    }

    mutating func advance() { index = min(index + 1, tokens.count - 1) }

    func mistake(_ words: String, at place: Int? = nil) -> ProtoMistake {
        ProtoMistake(words: words, place: place ?? token.start)
    }

    func unexpected(_ wanted: String) -> ProtoMistake {
        let found = token.kind == .end ? "the end of the file" : "\(word.prefix(40))"
        return mistake("has \(found) where \(wanted) is expected")
    }

    func isAt(_ wanted: String) -> Bool {
        token.kind != .string && text[token.start..<token.end].elementsEqual(wanted.utf8)
    }

    mutating func accept(_ text: String) -> Bool {
        guard isAt(text) else { return false }
        advance()
        return true
    }

    mutating func expect(_ text: String) throws(ProtoMistake) {
        guard accept(text) else { throw unexpected(text) }
    }

    mutating func identifier(_ what: String) throws(ProtoMistake) -> String {
        guard token.kind == .identifier else { throw unexpected(what) }
        defer { advance() }
        return word
    }

    /// Names with points between them.
    mutating func fullName(_ what: String) throws(ProtoMistake) -> String {
        var name = accept(".") ? "." : ""
        name += try identifier(what)
        while accept(".") { name += "." + (try identifier(what)) }
        return name
    }

    /// Decimal, hexadecimal or octal.
    mutating func integer(_ what: String) throws(ProtoMistake) -> UInt64 {
        guard token.kind == .integer else { throw unexpected(what) }
        guard let value = Self.integer(word) else {
            throw mistake("has a number that is too large, or no octal one: \(word.prefix(40))")
        }
        advance()
        return value
    }

    static func integer(_ word: String) -> UInt64? {
        if word.hasPrefix("0x") || word.hasPrefix("0X") { return UInt64(word.dropFirst(2), radix: 16) }
        return word.hasPrefix("0") ? UInt64(word, radix: 8) : UInt64(word)
    }

    /// Texts that follow each other are one.
    mutating func string(_ what: String) throws(ProtoMistake) -> [UInt8] {
        guard token.kind == .string else { throw unexpected(what) }
        var made: [UInt8] = []
        while token.kind == .string {
            made += try ProtoLexer.string(text[token.start..<token.end], start: token.start)
            advance()
        }
        return made
    }

    mutating func textOfString(_ what: String) throws(ProtoMistake) -> String {
        let place = token.start
        let bytes = try string(what)
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw mistake("has a text that is not valid UTF-8", at: place)
        }
        return text
    }

    mutating func declare(_ name: String, at place: Int) throws(ProtoMistake) {
        guard file.places.updateValue(place, forKey: name) == nil else {
            throw mistake("defines \(name) a second time", at: place)
        }
    }

    mutating func note(type place: Int, of field: String) { file.typePlaces[field] = place }

    // MARK: Files

    private mutating func parse() throws(ProtoMistake) {
        try syntax()
        while token.kind != .end {
            if accept(";") { continue }
            try statement()
        }
    }

    private mutating func syntax() throws(ProtoMistake) {
        file.descriptor.syntax = "proto2"
        guard isAt("syntax") || isAt("edition"), word(at: 1) == "=" else { return }
        let isEdition = isAt("edition")
        advance()
        advance()
        let place = token.start
        let name = try textOfString("a text")
        switch (isEdition, name) {
        case (false, "proto2"): dialect = .proto2
        case (false, "proto3"): dialect = .proto3
        case (true, "2023"), (true, "2024"):
            dialect = .editions
            file.descriptor.edition = name == "2023" ? .edition2023 : .edition2024
        default:
            throw mistake(
                "is of \(isEdition ? "an edition" : "a syntax") that is not known: \(name.prefix(40))", at: place)
        }
        file.descriptor.syntax = isEdition ? "editions" : name
        try expect(";")
    }

    private mutating func statement() throws(ProtoMistake) {
        let visibility = takeVisibility()
        switch word {
        case "message":
            file.descriptor.messageType.append(try message(in: "", depth: 1, visibility))
        case "enum": file.descriptor.enumType.append(try enumeration(in: "", visibility))
        case "extend":
            let made = try extensions(in: "", depth: 1)
            file.descriptor.extension += made.fields
            file.descriptor.messageType += made.groups
        case "service": try service()
        case "import": try importStatement()
        case "package": try package()
        case "option":
            let option = try optionStatement()
            if let features = try features(option, over: file.descriptor.options.features) {
                file.descriptor.options.features = features
            }
        default: throw unexpected("message, enum, extend, service, import, package or option")
        }
    }

    /// `export` and `local` before a type, which say who may name it.
    mutating func takeVisibility() -> Google_Protobuf_SymbolVisibility? {
        guard isAt("export") || isAt("local"), ["message", "enum"].contains(word(at: 1)) else { return nil }
        defer { advance() }
        return isAt("export") ? .visibilityExport : .visibilityLocal
    }

    private mutating func package() throws(ProtoMistake) {
        guard file.descriptor.package.isEmpty else { throw mistake("names its package a second time") }
        advance()
        let place = token.start
        let name = try fullName("the name of a package")
        guard !name.hasPrefix("."), name.utf8.count < 512 else {
            throw mistake("has a package whose name is none", at: place)
        }
        file.descriptor.package = name
        try expect(";")
    }

    private mutating func importStatement() throws(ProtoMistake) {
        advance()
        let isPublic = isAt("public")
        let isWeak = isAt("weak")
        let isOption = isAt("option")
        if isPublic || isWeak || isOption { advance() }
        let name = try textOfString("the name of a file")
        try expect(";")
        if isOption {
            file.descriptor.optionDependency.append(name)
            return
        }
        if isPublic { file.descriptor.publicDependency.append(Int32(file.descriptor.dependency.count)) }
        if isWeak { file.descriptor.weakDependency.append(Int32(file.descriptor.dependency.count)) }
        file.descriptor.dependency.append(name)
    }

    // MARK: Services

    /// Services say nothing of messages; they are passed over, piece by piece.
    private mutating func service() throws(ProtoMistake) {
        advance()
        let place = token.start
        try declare(try identifier("the name of a service"), at: place)
        try expect("{")
        while !accept("}") {
            switch word {
            case ";": advance()
            case "option": _ = try optionStatement()
            case "rpc": try method()
            default: throw unexpected("rpc, option or }")
            }
        }
    }

    private mutating func method() throws(ProtoMistake) {
        advance()
        _ = try identifier("the name of a method")
        try methodType()
        try expect("returns")
        try methodType()
        guard accept("{") else { return try expect(";") }
        while !accept("}") {
            if accept(";") { continue }
            guard isAt("option") else { throw unexpected("option or }") }
            _ = try optionStatement()
        }
    }

    private mutating func methodType() throws(ProtoMistake) {
        try expect("(")
        if isAt("stream"), word(at: 1) != ")" { advance() }
        _ = try fullName("the name of a message")
        try expect(")")
    }
}
