/// Whose a recorded version is.
struct MigrationNote: Equatable, Sendable {
    var file: String
    /// Nil where it is not known what the file held.
    var fingerprint: String?

    init(file: String, fingerprint: String?) {
        self.file = file
        self.fingerprint = fingerprint
    }

    init(_ file: MigrationFile) { self.init(file: file.name, fingerprint: file.fingerprint) }
}

/// What a database says of migrations, as far as they concern which of them are applied.
struct MigrationFacts: Equatable, Sendable {
    /// In `schema_migrations`.
    var recorded: Set<String> = []
    /// By version.
    var notes: [String: MigrationNote] = [:]
    var mayNote = false
    /// Whether there is a table `loader.ledger`.
    var hasLedger = false
    /// Whether all is there that the loader's own files make.
    var isLedgerComplete = false
    /// Of `notes`, what is concluded and not noted yet.
    var concluded: Set<String> = []

    /// Finds the version under which the loader's own schema was recorded before it had versions that nobody else has: 0001, or
    /// a number that somebody gave the file.
    ///
    /// It is the version that was recorded in the transaction that made the ledger. Where that is not known, as behind a dump
    /// and restore, 0001 is taken for it, without certainty.
    ///
    /// - Parameters:
    ///   - transaction: the one that made the ledger's row.
    ///   - recorded: the versions, and the transaction of each.
    mutating func findFormerVersion(made transaction: String?, _ recorded: [String: String]) {
        guard hasLedger, !notes.values.contains(where: \.isLoadersFormer) else { return }
        let together = transaction.map { made in recorded.filter { $0.value == made }.map(\.key) } ?? []
        // More than one: a restore in a single transaction.
        if together.count == 1, let version = together.first {
            guard !MigrationFile.isLoadersOwn(version), notes[version] == nil else { return }
            notes[version] = .former
            concluded.insert(version)
            return
        }
        let version = MigrationFile.formerVersion
        let isOursToName = !recorded.keys.contains(where: MigrationFile.isLoadersOwn)
        if isOursToName, recorded[version] != nil, notes[version] == nil {
            notes[version] = MigrationNote(file: MigrationFile.formerName, fingerprint: nil)
            concluded.insert(version)
        }
    }
}

extension MigrationFacts {
    /// These, with what was concluded before the loader's own files were recorded.
    func keeping(_ before: MigrationFacts) -> MigrationFacts {
        var facts = self
        for version in before.concluded where facts.notes[version] == nil {
            facts.notes[version] = before.notes[version]
            facts.concluded.insert(version)
        }
        return facts
    }
}

extension MigrationNote {
    /// The loader's own schema, as version 0.1.0 recorded it: certainly so.
    static let former = MigrationNote(
        file: MigrationFile.formerName, fingerprint: MigrationFile.formerFingerprint)

    var isLoadersFormer: Bool { file == MigrationFile.formerName }
}

/// What is to be done with each file. Pure.
package struct MigrationPlan: Equatable, Sendable {
    /// A file whose version is recorded for another.
    package struct Taken: Equatable, Sendable {
        package var file: String
        var version: String
        /// Whose it is.
        var other: String
        /// False where the version may as well have been recorded for this file.
        var isCertain: Bool
    }

    var pending: [MigrationFile] = []
    var applied: [MigrationFile] = []
    /// Copies of the loader's own schema, which is there: only to be recorded.
    var copies: [MigrationFile] = []
    var taken: [Taken] = []
    /// Versions that are recorded, without a file here, in order.
    package var unknown: [String] = []
    /// Versions of the loader's own that this program does not know.
    package var ahead: [String] = []

    init(_ migrations: MigrationSet, _ facts: MigrationFacts) {
        let bringsLedger = migrations.files.contains(where: \.isLoadersOwn)
        for file in migrations.files {
            let isRecorded = facts.recorded.contains(file.version)
            if file.isLoadersOwn {
                if isRecorded, facts.isLedgerComplete { applied.append(file) } else { pending.append(file) }
            } else if file.isLedgerOf010, !isRecorded, facts.hasLedger || bringsLedger {
                copies.append(file)
            } else if !isRecorded {
                pending.append(file)
            } else if let note = facts.notes[file.version], note.file != file.name,
                note.fingerprint != file.fingerprint
            {
                if note == .former {
                    // Recorded for the loader's own schema, so this one never ran.
                    pending.append(file)
                } else {
                    taken.append(
                        Taken(
                            file: file.name, version: file.version, other: note.file,
                            isCertain: note.fingerprint != nil))
                }
            } else {
                applied.append(file)
            }
        }
        let known = Set(migrations.files.map(\.version))
        let missing = facts.recorded.subtracting(known)
        ahead = missing.filter(MigrationFile.isLoadersOwn).filter { $0 > MigrationFile.latestOwn }.sorted()
        // The loader's own files alone know nothing of the others.
        guard migrations.origin != MigrationSet.builtInOrigin else { return }
        unknown = missing.filter { version in
            !MigrationFile.isLoadersOwn(version) && facts.notes[version]?.isLoadersFormer != true
        }.sorted()
    }

    /// The migration to roll back: the last one applied that is not the loader's own.
    func latest(_ origin: String) throws(MigrationError) -> MigrationFile {
        guard let latest = applied.last(where: { !$0.isLoadersOwn }) else {
            if let missing = unknown.last { throw MigrationError(missingFile: missing, in: origin) }
            throw MigrationError(
                .nothingToRollBack, message: "no migration of yours is applied",
                mend:
                    "There is nothing to do: the loader's own schema is not rolled back. To lose it with all positions and "
                    + "dead letters, run `loader migrate drop-ledger`.")
        }
        // Its file is elsewhere, and what it did may stand on what would be rolled back here.
        if let later = unknown.last(where: { $0 > latest.version }) {
            throw MigrationError(missingFile: later, in: origin)
        }
        guard !latest.dropsLedger else {
            throw MigrationError(
                .ledgerStays, file: latest.name,
                message: "its migrate:down drops the loader's positions and dead letters",
                mend: "To lose them, run `loader migrate drop-ledger`, which shows what they are.")
        }
        return latest
    }
}

extension MigrationError {
    init(missingFile version: String, in origin: String) {
        self.init(
            .missingFile, message: "version \(version) is applied, and its file is not in \(origin)",
            mend: "Name the directory that has it with --dir.")
    }

    /// A file that would be skipped in silence.
    package init(_ taken: MigrationPlan.Taken) {
        let isFormer = taken.other == MigrationFile.formerName
        let whose = isFormer ? "the loader's own schema, as version 0.1.0 did" : taken.other
        self.init(
            .duplicateVersion, file: taken.file,
            message: taken.isCertain
                ? "its version \(taken.version) is recorded for \(whose), so it was never applied"
                : "its version \(taken.version) is recorded, perhaps only for \(whose)",
            mend: "Nothing of it was run. If it was not applied, give it a number of its own; if it was, run "
                + "`loader migrate up --applied \(taken.file)`.")
    }
}
