/// The names of the files that were applied, in the comment of `schema_migrations`: dbmate's table has room for their
/// numbers alone, and two files of one number would be taken for each other.
struct MigrationNames: Equatable {
    private static let head = "Applied by loader migrate: "
    private let names: [String: String]
    /// The comment is somebody else's.
    private let isForeign: Bool

    init(_ comment: String?) {
        isForeign = comment.map { !$0.hasPrefix(Self.head) && !$0.isEmpty } ?? false
        var names: [String: String] = [:]
        if let comment, comment.hasPrefix(Self.head) {
            for name in comment.dropFirst(Self.head.count).split(separator: " ").map(String.init) {
                if let version = MigrationFile.version(of: name) { names[version] = name }
            }
        }
        self.names = names
    }

    /// Files whose version is recorded for one of another name, and that name.
    func differing(from migrations: MigrationSet, applied: Set<String>) -> [String: String] {
        var differing: [String: String] = [:]
        for file in migrations.files where applied.contains(file.version) {
            if let name = names[file.version], name != file.name { differing[file.name] = name }
        }
        return differing
    }

    /// The comment with one more file; nil where none can be written.
    func adding(_ file: MigrationFile) -> String? {
        guard !isForeign, !file.name.contains(" ") else { return nil }
        var names = names
        names[file.version] = file.name
        return Self.head + names.values.sorted().joined(separator: " ")
    }
}
