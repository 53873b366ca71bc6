import SwiftProtobuf

/// Finds what the type names of `.proto` files mean, by protoc's rules: a name is looked for from the innermost message out,
/// in the file itself, in what it imports, and in what that imports publicly.
struct ProtoLinker {
    private struct Symbol {
        enum Kind {
            case message, enumeration
            /// It holds names, and is no type.
            case service
        }
        var kind: Kind
        var file: Int
    }

    private var files: [Google_Protobuf_FileDescriptorProto]
    /// By the number of the file; nil where its types have been found already.
    private let sources: [ProtoParser.Source?]
    private var symbols: [String: Symbol] = [:]
    /// Which files have something in a package, or in one below it.
    private var packages: [String: Set<Int>] = [:]
    private var numbers: [String: Int] = [:]

    /// - Parameter files: what has been read of texts, and descriptors as others made them.
    static func link(
        _ files: [(descriptor: Google_Protobuf_FileDescriptorProto, source: ProtoParser.Source?)]
    ) throws(ProtobufSchemaFailure) -> [Google_Protobuf_FileDescriptorProto] {
        var linker = ProtoLinker(files.map(\.descriptor), files.map(\.source))
        for file in linker.files.indices { try linker.link(file) }
        return linker.files
    }

    private init(_ files: [Google_Protobuf_FileDescriptorProto], _ sources: [ProtoParser.Source?]) {
        self.files = files
        self.sources = sources
        for (number, file) in files.enumerated() {
            numbers[file.name] = numbers[file.name] ?? number
            let scope = file.package.isEmpty ? "" : file.package + "."
            var package = ""
            for part in file.package.split(separator: ".") {
                package += (package.isEmpty ? "" : ".") + part
                packages[package, default: []].insert(number)
            }
            for type in file.enumType { note(scope + type.name, .enumeration, number) }
            for service in file.service { note(scope + service.name, .service, number) }
            var open = file.messageType.map { (scope, $0) }
            while let (scope, message) = open.popLast() {
                let name = scope + message.name
                note(name, .message, number)
                for type in message.enumType { note("\(name).\(type.name)", .enumeration, number) }
                open += message.nestedType.map { (name + ".", $0) }
            }
        }
    }

    private mutating func note(_ name: String, _ kind: Symbol.Kind, _ file: Int) {
        if symbols[name] == nil { symbols[name] = Symbol(kind: kind, file: file) }
    }

    // MARK: One file

    private mutating func link(_ number: Int) throws(ProtobufSchemaFailure) {
        guard let source = sources[number] else { return }
        let scope = Scope(file: number, package: files[number].package, visible: visible(number), source: source)
        var file = files[number]
        for place in file.messageType.indices { try link(&file.messageType[place], scope, in: "") }
        for place in file.extension.indices { try link(&file.extension[place], scope, in: "") }
        files[number] = file
    }

    private struct Scope {
        var file: Int
        var package: String
        var visible: Set<Int>
        var source: ProtoParser.Source
    }

    /// It, what it imports, and what that hands on.
    private func visible(_ number: Int) -> Set<Int> {
        var visible: Set<Int> = [number]
        var open = files[number].dependency.compactMap { numbers[$0] }
        while let next = open.popLast() {
            guard visible.insert(next).inserted else { continue }
            let file = files[next]
            open += file.publicDependency.compactMap {
                file.dependency.indices.contains(Int($0)) ? numbers[file.dependency[Int($0)]] : nil
            }
        }
        return visible
    }

    /// - Parameter outer: the names of the messages around it, each with a point behind it.
    private func link(
        _ message: inout Google_Protobuf_DescriptorProto, _ scope: Scope, in outer: String
    ) throws(ProtobufSchemaFailure) {
        let inner = outer + message.name + "."
        for place in message.field.indices { try link(&message.field[place], scope, in: inner) }
        for place in message.extension.indices { try link(&message.extension[place], scope, in: inner) }
        for place in message.nestedType.indices { try link(&message.nestedType[place], scope, in: inner) }
    }

    private func link(
        _ field: inout Google_Protobuf_FieldDescriptorProto, _ scope: Scope, in outer: String
    ) throws(ProtobufSchemaFailure) {
        let name = outer + field.name
        if field.hasExtendee {
            // Whatever it extends: fields of extensions are not read, and their types may be nowhere.
            let extended = find(field.extendee, scope, in: outer)
            if extended.kind != nil { field.extendee = "." + extended.name }
            let type = find(field.typeName, scope, in: outer)
            if let kind = type.kind { take(type.name, kind, &field) }
            return
        }
        guard !field.typeName.isEmpty else { return }
        let found = find(field.typeName, scope, in: outer)
        guard let kind = found.kind else { throw unknown(field.typeName, found.name, scope, name) }
        take(found.name, kind, &field)
        if field.hasDefaultValue, kind == .message {
            throw scope.source.failure("has a default for a message", at: scope.source.typePlaces[name])
        }
    }

    private func take(_ name: String, _ kind: Symbol.Kind, _ field: inout Google_Protobuf_FieldDescriptorProto) {
        field.typeName = "." + name
        if !field.hasType { field.type = kind == .message ? .message : .enum }
    }

    // MARK: Names

    /// - Returns: the full name, or where it was looked for last, and then no kind.
    private func find(_ name: String, _ scope: Scope, in outer: String) -> (name: String, kind: Symbol.Kind?) {
        if name.hasPrefix(".") {
            let full = String(name.dropFirst())
            return (full, type(full, scope))
        }
        var around = scope.package.split(separator: ".") + outer.split(separator: ".")
        let first = name.prefix { $0 != "." }
        let rest = name.dropFirst(first.count)
        while true {
            let prefix = around.joined(separator: ".") + (around.isEmpty ? "" : ".")
            let found = prefix + first
            if rest.isEmpty {
                if let kind = type(found, scope) { return (found, kind) }
            } else if holdsNames(found, scope) {
                // The first part decides; what is further out is not looked at.
                return (found + rest, type(found + rest, scope))
            }
            guard around.popLast() != nil else { return (name, nil) }
        }
    }

    private func type(_ name: String, _ scope: Scope) -> Symbol.Kind? {
        guard let symbol = symbols[name], symbol.kind != .service, scope.visible.contains(symbol.file) else {
            return nil
        }
        return symbol.kind
    }

    private func holdsNames(_ name: String, _ scope: Scope) -> Bool {
        if let symbol = symbols[name], scope.visible.contains(symbol.file) { return true }
        return packages[name].map { !$0.isDisjoint(with: scope.visible) } ?? false
    }

    /// - Parameter full: where it was looked for last.
    private func unknown(_ name: String, _ full: String, _ scope: Scope, _ field: String) -> ProtobufSchemaFailure {
        let candidates = ([full, name] + [scope.package + "." + name]).compactMap { symbols[$0] }
        var words = "names a type \(name) that nothing defines"
        if let other = candidates.first(where: { !scope.visible.contains($0.file) }) {
            words = "names a type \(name) of \(files[other.file].name), which it does not import"
        } else {
            let missing = files[scope.file].dependency.filter { numbers[$0] == nil }
            if !missing.isEmpty {
                words += "; of what it imports, \(missing.prefix(5).joined(separator: ", ")) was not found"
            } else if full != name, !name.hasPrefix(".") {
                words += " (it would be \(full))"
            }
        }
        var failure = scope.source.failure(words, at: scope.source.typePlaces[field])
        failure.code = .unknownType
        return failure
    }
}
