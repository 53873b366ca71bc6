import Credentials
import Kafka
import Loading
import Operating
import Postgres
import Schemas

/// What must hold between keys, and for librdkafka's properties.
enum ConfigurationRules {
    /// - Parameter bad: paths that were reported already, and hold something else than what was written.
    static func problems(of configuration: Configuration, except bad: Set<ConfigurationPath>) -> [ConfigurationProblem]
    {
        var check = Check(configuration: configuration, bad: bad)
        for index in configuration.loading.routes.indices { check.route(index) }
        check.tokens("kafka.token", configuration.kafkaToken)
        check.kafkaTokens()
        check.tokens("postgres.password", configuration.databasePassword)
        check.databasePassword()
        check.registry()
        check.deadLetters()
        check.timeouts()
        check.properties(libraryVersion: KafkaLibrary.version)
        return check.problems
    }
}

private struct Check {
    let configuration: Configuration
    let bad: Set<ConfigurationPath>
    var problems: [ConfigurationProblem] = []

    private var loading: LoadingOptions { configuration.loading }

    init(configuration: Configuration, bad: Set<ConfigurationPath>) {
        self.configuration = configuration
        self.bad = bad
    }

    private mutating func report(
        _ path: ConfigurationPath, _ message: String, _ mend: String,
        code: ConfigurationProblem.Code = .contradiction, severity: ConfigurationProblem.Severity = .error,
        reading others: [ConfigurationPath] = []
    ) {
        guard !bad.contains(path), bad.isDisjoint(with: others) else { return }
        let settings = configuration.settings
        problems.append(
            ConfigurationProblem(
                code: code, severity: severity, path: path.description, origin: configuration.origin(of: path),
                message: settings.hidingSecrets(in: message), mend: settings.hidingSecrets(in: mend)))
    }

    private func path(_ pattern: String, _ index: Int = 0) -> ConfigurationPath {
        ConfigurationPattern(pattern).path(indexes: [index])
    }

    mutating func route(_ index: Int) {
        let route = loading.routes[index]
        if route.template != nil, route.tables == nil {
            report(
                path("routes[].table", index), "each message would choose its table, and nothing says among which",
                "Name them, as `tables: [name, prefix_*]`, or write a variable in upper case.",
                reading: [path("routes[].tables", index)])
        }
        if route.template == nil, route.tables != nil {
            report(
                path("routes[].tables", index), "`table` is one table, so nothing is chosen",
                "Write what chooses into `table`, as `events.${headers.type}`, or take `tables` out.",
                reading: [path("routes[].table", index)])
        }
        if route.onTombstone == .delete, route.mode != .upsert {
            report(
                path("routes[].on_tombstone", index), "delete needs mode upsert; the mode is \(route.mode.rawValue)",
                "Set mode: upsert, or on_tombstone: skip or dead_letter.", reading: [path("routes[].mode", index)])
        }
        if route.onTombstone == .mark, route.mark == nil {
            report(
                path("routes[].on_tombstone", index), "mark needs a column to do it in",
                "Name it: mark: deleted_at.", reading: [path("routes[].mark", index)])
        }
        if route.rest == .none, route.columns == nil {
            report(
                path("routes[].rest", index), "none leaves nothing to load, because the route names no columns",
                "Add columns, or take rest out.")
        }
        schema(of: route, index)
        csv(of: route, index)
        envelope(of: route, index)
        for column in route.columns ?? [] { self.column(column, of: index) }
        if let key = route.key, let columns = route.columns, route.mode != .insert, route.rest == .none {
            for column in key where !columns.contains(where: { $0.isNamed(column) }) {
                report(
                    path("routes[].key", index), "\(column) is not among the route's columns",
                    "Add \(column) to columns, or take it out of the key.")
            }
        }
    }

    /// What of a column's options contradicts another, or does nothing beside it.
    private mutating func column(_ column: Route.Column, of index: Int) {
        func path(_ option: String) -> ConfigurationPath {
            ConfigurationPattern("routes[].columns.<column>.\(option)").path(indexes: [index], names: [column.name])
        }
        if column.constant != nil {
            let others = [
                ("from", column.source != nil), ("required", column.isRequired), ("default", column.fallback != nil),
                ("trim", column.trims), ("null_if", !column.nullIf.isEmpty), ("on_error", column.onError == .null),
                ("unit", column.epochUnit != nil), ("decode", column.saidDecoding != nil),
                ("zone", column.timeZone != nil), ("on_nul", column.onNul != nil), ("absent", column.absent != nil),
            ]
            for (option, isSet) in others where isSet {
                report(
                    path(option), "has no effect, because the column has a constant",
                    "Take \(option) or constant out.", reading: [path("constant")])
            }
            return
        }
        guard column.isRequired else { return }
        if column.fallback != nil {
            report(
                path("default"), "is never used, because a message without a value is a dead letter: required is true",
                "Take default or required out.", reading: [path("required")])
        }
        if column.onError == .null {
            report(
                path("on_error"), "null would be a dead letter as well, because required is true",
                "Take on_error or required out.", reading: [path("required")])
        }
    }

    /// What a route says of schemas, which must lead to one.
    private mutating func schema(of route: Route, _ index: Int) {
        let format = path("routes[].format", index)
        let ways = [
            ("file", route.schemaFile != nil), ("id", route.schemaID != nil), ("subject", route.schemaSubject != nil),
        ].filter(\.1).map { ($0.0, path("routes[].schema.\($0.0)", index)) }
        let hasSchema = route.format == .avro || route.format == .protobuf
        for (_, way) in ways where !hasSchema {
            report(
                way, "has no effect, because the format is \(route.format.rawValue)",
                "Set format: \(route.schemaFile?.format.rawValue ?? "avro or protobuf"), or take schema out.",
                reading: [format])
        }
        let kind = configuration.registry.kind
        if let id = ways.first(where: { $0.0 == "id" }), kind == .glue || kind == .azure {
            report(
                id.1, "has no meaning, because schemas of the kind \(kind.rawValue) have no numbers",
                "Name the schema by subject.", reading: [path("schema_registry.kind")])
        }
        if kind == .azure, let subject = route.schemaSubject, !subject.contains("/") {
            report(
                path("routes[].schema.subject", index), "names no group, and schemas of Azure's are in groups",
                "Write group/\(subject).", reading: [path("schema_registry.kind")])
        }
        if ways.count > 1 {
            report(
                ways[1].1, "schema.\(ways[0].0) says already which schema it is", "Keep one of them.",
                reading: [ways[0].1])
        }
        if hasSchema, let file = route.schemaFile, file.format != route.format {
            report(
                path("routes[].schema.file", index),
                "is a schema of \(file.format.rawValue), and the format is \(route.format.rawValue)",
                "Set format: \(file.format.rawValue), or name another file.", reading: [format])
        }
        message(of: route, index, ways.map(\.0))
        messageIndexes(of: route, index)
        let registry = path("schema_registry.url")
        let needsRegistry = "needs a registry, and none is configured"
        let mend = "Set schema_registry.url"
        guard !configuration.registry.isThere else { return }
        for (name, way) in ways where name != "file" && hasSchema {
            report(way, needsRegistry, "\(mend), or name a file.", reading: [registry])
        }
        if hasSchema, ways.isEmpty {
            report(
                format, "\(route.format.rawValue) \(needsRegistry)", "\(mend), or schema.file of the route.",
                reading: [registry, path("routes[].schema.file", index)])
        }
        if route.keyFormat == .avro || route.keyFormat == .protobuf {
            report(
                path("routes[].key_format", index), "\(route.keyFormat.rawValue) \(needsRegistry)", "\(mend).",
                reading: [registry])
        }
    }

    /// What a route says of an envelope, which must come to one.
    private mutating func envelope(of route: Route, _ index: Int) {
        let options = route.envelopeOptions
        let form = path("routes[].envelope.form", index)
        let parts = [
            "operation", "after", "before", "source", "deleted", "unavailable", "create", "snapshot", "update",
            "delete", "truncate",
            "skip",
        ].map { path("routes[].envelope.\($0)", index) }.filter { configuration.settings[$0] != nil }
        switch options.form {
        case .none?, .connect:
            let name = options.form?.rawValue ?? ""
            for part in parts {
                report(
                    part, "has no effect, because the envelope is \(name)",
                    "Take it out, or take \(name) out for an envelope of the route's own.", reading: [form])
            }
        case nil:
            guard let first = parts.first else { break }
            guard options.operation != nil else {
                return report(
                    first, "has no effect without the field that says what was done",
                    "Set envelope.operation, or name a form: envelope.form.",
                    reading: [form, path("routes[].envelope.operation", index)])
            }
            if options.words.isEmpty {
                report(
                    path("routes[].envelope.operation", index), "has no words that mean anything",
                    "Say which they are: envelope.create, update, delete and so on.", reading: parts)
            }
        default: break
        }
        if options.deleted != nil, options.form != .debezium, options.envelope != nil {
            report(
                path("routes[].envelope.deleted", index), "has no effect without the form debezium",
                "Name the words of the operation instead: envelope.delete.", reading: [form])
        }
        guard let envelope = options.envelope else {
            for option in ["on_truncate", "temporal", "decimals", "binary"] {
                let option = path("routes[].\(option)", index)
                guard configuration.settings[option] != nil else { continue }
                report(
                    option, "has no effect, because the messages are in no envelope",
                    "Say with envelope whose change events they are, or take it out.", reading: [form])
            }
            return
        }
        if route.each?.isMessage == true {
            report(
                path("routes[].each", index), "makes many records of a message, and a change event is about one row",
                "Name a list within the row, or take envelope out.", reading: [form])
        }
        if envelope.isOfRows || envelope.documents != nil { rows(of: route, index, form) }
        for (place, group) in options.words.enumerated() {
            let others = options.words[..<place].flatMap(\.words)
            for word in group.words where others.contains(word) {
                report(
                    path("routes[].envelope.operation", index), "the word \(word) has two meanings",
                    "Name it once among envelope.create, update, delete and so on.", reading: parts)
            }
        }
        guard route.format.isOneValue || route.format == .csv && !envelope.after.components.isEmpty else { return }
        report(
            form, "finds nothing, because the format is \(route.format.rawValue)",
            "Take envelope out, or set format to what has records.", reading: [path("routes[].format", index)])
    }

    /// What a route says where a change event is about several rows, or about a document in a text.
    private mutating func rows(of route: Route, _ index: Int, _ form: ConfigurationPath) {
        if route.each != nil {
            report(
                path("routes[].each", index), "has no effect, because a change event says itself what its rows are",
                "Take it out.", reading: [form])
        }
        let isOfRow = route.template?.sources.contains { if case .field = $0 { true } else { false } }
        if isOfRow == true {
            report(
                path("routes[].table", index),
                "takes a field of one row, and all rows of a change event go to one table",
                "Take what stands beside the rows, as ${$source.table}.", reading: [form])
        }
    }

    /// What a route says of CSV.
    private mutating func csv(of route: Route, _ index: Int) {
        for option in ["delimiter", "quote", "header", "fields", "null"] {
            let place = path("routes[].csv.\(option)", index)
            guard route.format != .csv, configuration.settings[place] != nil else { continue }
            report(
                place, "has no effect, because the format is \(route.format.rawValue)",
                "Set format: csv, or take csv out.", reading: [path("routes[].format", index)])
        }
        guard route.format == .csv else { return }
        if route.csv.hasHeader, !route.csv.fields.isEmpty {
            report(
                path("routes[].csv.fields", index), "has no effect, because the header names the fields",
                "Keep one of them.", reading: [path("routes[].csv.header", index)])
        }
        if route.csv.quote == route.csv.delimiter {
            report(
                path("routes[].csv.quote", index), "is the delimiter as well", "Choose another.",
                reading: [path("routes[].csv.delimiter", index)])
        }
    }

    /// Which message of a schema of Protobuf it is.
    ///
    /// - Parameter ways: that lead to the schema.
    private mutating func message(of route: Route, _ index: Int, _ ways: [String]) {
        let name = path("routes[].schema.message", index)
        let format = path("routes[].format", index)
        guard route.format == .protobuf, let way = ways.first else {
            if route.schemaMessage != nil {
                let why = route.format == .protobuf ? "no schema is named" : "the format is \(route.format.rawValue)"
                report(
                    name, "has no effect, because \(why)", "Take it out, or name a schema of Protobuf.",
                    reading: [format])
            }
            return
        }
        guard case .protobuf(let schema) = route.schemaFile?.content else {
            if way != "file", route.schemaMessage == nil {
                report(
                    name, "is needed with schema.\(way): a schema of Protobuf may have several messages",
                    "Write the message's name with its package, as shop.Order.",
                    reading: [path("routes[].schema.\(way)", index)])
            }
            return
        }
        guard schema.message(forRoute: route.schemaMessage) == nil else { return }
        let names = schema.own.map { schema[$0].name }
        let few = names.prefix(20).joined(separator: ", ") + (names.count > 20 ? " and \(names.count - 20) more" : "")
        let file = path("routes[].schema.file", index)
        guard let wanted = route.schemaMessage else {
            report(
                name,
                names.isEmpty ? "cannot be told: the file has no message" : "is needed: the file has several messages",
                names.isEmpty ? "Name another file." : "Write one of \(few).", reading: [file])
            return
        }
        let near = nearest(to: wanted, in: names).map { "Did you mean \($0)? " } ?? ""
        report(
            name, "\(wanted) is no message of the file", "\(near)It has \(few.isEmpty ? "none" : few).", reading: [file]
        )
    }

    /// How message indexes are written, of which only Confluent's clients write any.
    private mutating func messageIndexes(of route: Route, _ index: Int) {
        let (place, registry) = (path("routes[].message_indexes", index), configuration.registry)
        guard configuration.settings[place] != nil else { return }
        let (format, key) = (path("routes[].format", index), path("routes[].key_format", index))
        if !registry.isThere || registry.kind != .confluent {
            let kind = path("schema_registry.kind")
            report(
                place, "has no effect without a registry of the kind confluent",
                "Take it out, or set schema_registry.url of such a registry.",
                reading: [kind, path("schema_registry.url")])
        } else if ![.auto, .protobuf].contains(route.format), ![.auto, .protobuf].contains(route.keyFormat) {
            report(
                place,
                "has no effect, because the format is \(route.format.rawValue), and that of keys \(route.keyFormat.rawValue)",
                "Take it out, or set format: protobuf.", reading: [format, key])
        }
    }

    mutating func registry() {
        let registry = configuration.registry
        let ofAWS: [(String, Bool)] = [
            ("region", registry.region != nil), ("access_key_id", registry.accessKeyID != nil),
            ("secret_access_key", registry.secretAccessKey != nil), ("session_token", registry.sessionToken != nil),
        ]
        let ofOthers: [(String, Bool)] = [
            ("user", registry.user != nil), ("password", registry.password != nil), ("token", registry.token != nil),
            ("oauth.source", registry.tokenSource != nil), ("oauth.url", !registry.tokenURL.isEmpty),
            ("oauth.client_id", registry.clientID != nil),
            ("oauth.client_secret", registry.clientSecret != nil), ("oauth.scope", registry.scope != nil),
        ]
        let settings =
            ofOthers + [
                ("ca", registry.authorities != nil), ("certificate", registry.certificate != nil),
                ("key", registry.key != nil), ("numbers", registry.numbers != nil),
                ("kind", registry.kind != .confluent), ("headers", !registry.headers.isEmpty),
            ]
        guard registry.isThere else {
            for (name, isSet) in settings + ofAWS where isSet { report(idle: name, without: "url") }
            return
        }
        if registry.password != nil, registry.user == nil { report(idle: "password", without: "user") }
        if registry.key != nil, registry.certificate == nil { report(idle: "key", without: "certificate") }
        if registry.numbers != nil, registry.kind != .apicurio { report("numbers", isOnlyOf: .apicurio) }
        if registry.kind == .glue {
            for (name, isSet) in ofOthers where isSet {
                report(
                    path("schema_registry.\(name)"), "has no effect, because requests to AWS are signed",
                    "Take it out; AWS's own variables, files and roles say who asks, or access_key_id and secret_access_key.",
                    reading: [path("schema_registry.kind")])
            }
            aws(registry)
        } else {
            for (name, isSet) in ofAWS where isSet { report(name, isOnlyOf: .glue) }
        }
        if registry.kind != .glue { oauth(registry) }
        if registry.kind == .azure, registry.user != nil { report(idle: "user", beside: .azure) }
        if registry.token != nil, registry.user != nil, registry.kind != .glue {
            report(
                path("schema_registry.token"), "a user is set as well, and only one of them can ask",
                "Keep one of them.",
                reading: [path("schema_registry.user")])
        }
    }

    /// What its source takes, all that it needs, and nobody else beside it.
    private mutating func oauth(_ registry: Configuration.Registry) {
        let written = [
            ("oauth.url", !registry.tokenURL.isEmpty), ("oauth.client_id", registry.clientID != nil),
            ("oauth.client_secret", registry.clientSecret != nil), ("oauth.scope", registry.scope != nil),
        ]
        guard let source = registry.tokenSource ?? (registry.tokenURL.isEmpty ? nil : .oidc) else {
            for (name, isSet) in written.dropFirst() where isSet { report(idle: name, without: "oauth.url") }
            return
        }
        let place = registry.tokenSource == nil ? "oauth.url" : "oauth.source"
        let (needed, taken) =
            switch source {
            case .azure:
                (registry.kind == .azure ? [] : ["oauth.scope"], ["oauth.client_id", "oauth.scope"])
            case .gcp: ([], ["oauth.scope"])
            default: (written.dropLast().map(\.0), written.map(\.0))
            }
        for (name, isSet) in written where !isSet && needed.contains(name) {
            report(
                path("schema_registry.\(place)"), "needs \(name), which is not set", "Set \(name).",
                reading: [path("schema_registry.\(name)")])
        }
        for (name, isSet) in written where isSet && !taken.contains(name) {
            report(
                path("schema_registry.\(name)"), "has no effect, because the source is \(source.rawValue)",
                "Take it out. \(source.rawValue) takes \(list(taken, "and")).",
                reading: [path("schema_registry.oauth.source")])
        }
        for (name, isSet) in [("token", registry.token != nil), ("user", registry.user != nil)] where isSet {
            report(
                path("schema_registry.\(place)"), "\(name) is set as well, and only one of them can ask",
                "Keep one of them.", reading: [path("schema_registry.\(name)")])
        }
    }

    /// A key of its own, in full.
    private mutating func aws(_ registry: Configuration.Registry) {
        if registry.accessKeyID != nil, registry.secretAccessKey == nil {
            report(idle: "access_key_id", without: "secret_access_key")
        } else if registry.accessKeyID == nil, registry.secretAccessKey != nil {
            report(idle: "secret_access_key", without: "access_key_id")
        } else if registry.accessKeyID == nil, registry.sessionToken != nil {
            report(idle: "session_token", without: "access_key_id")
        }
    }

    private mutating func report(_ name: String, isOnlyOf kind: RegistryKind) {
        report(
            path("schema_registry.\(name)"),
            "has no effect, because the registry's kind is \(configuration.registry.kind.rawValue)",
            "Set kind: \(kind.rawValue), or take \(name) out.", reading: [path("schema_registry.kind")])
    }

    private mutating func report(idle name: String, beside kind: RegistryKind) {
        report(
            path("schema_registry.\(name)"),
            "has no effect, because a registry of the kind \(kind.rawValue) takes tokens",
            "Set token in place of user and password.", reading: [path("schema_registry.kind")])
    }

    private mutating func report(idle name: String, without other: String) {
        report(
            path("schema_registry.\(name)"), "has no effect without \(other)", "Set \(other), or take it out.",
            reading: [path("schema_registry.\(other)")])
    }

    /// Where the database's password comes from, no other may stand beside it.
    mutating func databasePassword() {
        guard configuration.databasePassword.source != nil,
            ConnectionOptions(url: loading.database.url).namesPassword
        else { return }
        report(
            path("postgres.password.source"), "postgres.url has a password as well, and only one of them can be used",
            "Take it out of postgres.url, or postgres.password.", reading: [path("postgres.url")])
    }

    /// What a section says of tokens, which its source must take.
    mutating func tokens(_ section: String, _ token: Configuration.Token) {
        let source = path("\(section).source")
        let keys = (token.source?.keys ?? []).filter { name in ConfigurationKey.of(path("\(section).\(name)")) != nil }
        var written: Set<String> = []
        for setting in configuration.settings.all where setting.path.description.hasPrefix("\(section).") {
            guard let name = setting.path.names.last, name != "source" else { continue }
            written.insert(name)
            guard !keys.contains(name) else { continue }
            if let kind = token.source?.rawValue {
                report(
                    setting.path, "has no effect, because the source is \(kind)",
                    "Take it out. \(kind) takes \(list(keys, "and")).", reading: [source])
            } else {
                report(
                    setting.path, "has no effect without source", "Set \(section).source, or take it out.",
                    reading: [source])
            }
        }
        guard let kind = token.source else { return }
        func places(_ names: [String]) -> [ConfigurationPath] { names.map { path("\(section).\($0)") } }
        for group in kind.needs {
            let both = group.filter(written.contains)
            guard both.count > 1 else { continue }
            report(
                places(both)[1], "\(both[0]) is set as well, and only one of them is asked with", "Keep one of them.",
                reading: [source] + places(both))
        }
        let missing = kind.needs.filter { written.isDisjoint(with: $0) }
        guard !missing.isEmpty else {
            if kind == .oidc { client(section, written) }
            if kind.keys.contains("role_arn") { role(section, written) }
            return
        }
        let isOne = missing.count == 1 && missing[0].count == 1
        report(
            source,
            "\(kind.rawValue) needs \(list(missing.map { list($0, "or") }, "and")), which \(isOne ? "is" : "are") not set",
            "Set \(list(missing.map { list($0.map { "\(section).\($0)" }, "or") }, "and")).",
            reading: places(missing.flatMap(\.self)))
    }

    /// What of a client of OAuth's is no use with what it shows.
    private mutating func client(_ section: String, _ written: Set<String>) {
        for (name, other) in [("client_auth", "client_secret"), ("key_id", "key")]
        where written.contains(name) && !written.contains(other) {
            report(
                path("\(section).\(name)"), "has no effect without \(other)",
                "Set \(section).\(other), or take it out.",
                reading: [path("\(section).\(other)")])
        }
    }

    /// Tokens and OAUTHBEARER, of which neither is any use without the other.
    mutating func kafkaTokens() {
        let source = path("kafka.token.source")
        func property(_ name: String) -> ConfigurationPath { path("kafka.properties.<property>").renamed(name) }
        let mechanisms = ["sasl.mechanism", "sasl.mechanisms"]
        let isWanted = mechanisms.contains { loading.properties[$0]?.uppercased() == "OAUTHBEARER" }
        guard configuration.kafkaToken.source != nil else {
            let isMadeUp = loading.properties["enable.sasl.oauthbearer.unsecure.jwt"] == "true"
            for name in mechanisms where isWanted && !isMadeUp && loading.properties[name] != nil {
                report(
                    property(name), "OAUTHBEARER needs tokens, and nothing says where they come from",
                    "Set kafka.token.source, which is \(list(Configuration.Token.Source.ofKafka.map(\.rawValue), "or")).",
                    reading: [source])
            }
            return
        }
        if configuration.kafkaToken.source == .azure, configuration.kafkaToken.scope == nil,
            configuration.loading.tokens == nil
        {
            report(
                source, "azure needs scope, because kafka.brokers names no namespace of Event Hubs",
                "Set kafka.token.scope, as https://NAMESPACE.servicebus.windows.net/.default.",
                reading: [path("kafka.token.scope"), path("kafka.brokers")])
        }
        if configuration.kafkaToken.source == .mskIAM { portsOfMSK() }
        for name in loading.properties.keys.sorted() where name.contains("sasl.oauthbearer.") {
            report(
                property(name), "has no effect, because kafka.token says where tokens come from", "Take it out.",
                reading: [source])
        }
        for name in mechanisms {
            guard let mechanism = loading.properties[name], mechanism.uppercased() != "OAUTHBEARER" else { continue }
            report(
                property(name), "\(mechanism) takes no tokens, and kafka.token says where they come from",
                "Take \(name) out, or kafka.token.", reading: [source])
        }
        if let name = loading.properties["security.protocol"], !name.lowercased().hasPrefix("sasl_") {
            report(
                property("security.protocol"), "\(name) takes no tokens, and kafka.token says where they come from",
                "Set sasl_ssl, or take it out.", reading: [source])
        }
    }

    /// What is said of a role of AWS's, which there must be.
    private mutating func role(_ section: String, _ written: Set<String>) {
        guard !written.contains("role_arn") else { return }
        for name in ["external_id", "session_name"] where written.contains(name) {
            report(
                path("\(section).\(name)"), "has no effect without role_arn",
                "Set \(section).role_arn, or take it out.",
                reading: [path("\(section).role_arn")])
        }
    }

    /// Amazon MSK has a port for each way of getting in; on another one nobody answers the tokens.
    private mutating func portsOfMSK() {
        let others = [":9092", ":9094", ":9096", ":9194", ":9196"]
        for broker in loading.brokers.split(separator: ",") {
            let broker = broker.filter { !$0.isWhitespace }
            guard AWSRegion(named: nil, brokers: broker).known != nil, others.contains(where: broker.hasSuffix) else {
                continue
            }
            report(
                path("kafka.brokers"), "\(broker) is not the port on which Amazon MSK takes tokens",
                "Use port 9098, or 9198 from outside of the VPC: `aws kafka get-bootstrap-brokers` lists them as SaslIam.",
                severity: .warning, reading: [path("kafka.token.source")])
        }
    }

    mutating func deadLetters() {
        let deadLetters = loading.deadLetters
        if deadLetters.table == nil, deadLetters.topic == nil {
            report(
                path("dead_letters.table"), "bad messages would have nowhere to go",
                "Name a table or dead_letters.topic; a message is never dropped.",
                reading: [path("dead_letters.topic")])
        }
        if deadLetters.table == nil {
            let global = path("dead_letters.wait_for_parent")
            if configuration.settings[global] != nil, deadLetters.waitForParent > .zero { report(waiting: global) }
            for (index, route) in loading.routes.enumerated() where route.waitForParent ?? .zero > .zero {
                report(waiting: path("routes[].wait_for_parent", index))
            }
        }
        guard let target = deadLetters.topic else { return }
        for route in loading.routes {
            guard route.topics.contains(where: { $0.matches(target) }) else { continue }
            report(
                path("dead_letters.topic"), "\(route.label) loads \(target), so a bad message would go round for ever",
                "Send dead letters to a topic that no route takes.")
        }
    }

    private mutating func report(waiting path: ConfigurationPath) {
        report(
            path, "it does nothing without a table of dead letters, where rows wait",
            "Name dead_letters.table, or take it out.", reading: [self.path("dead_letters.table")])
    }

    mutating func timeouts() {
        let database = loading.database
        if loading.delivery == .atLeastOnce, !database.synchronousCommit {
            report(
                path("postgres.synchronous_commit"),
                "without the ledger, a crash of the database would lose batches that Kafka counts as loaded",
                "Set it to true, or delivery: exactly_once.", reading: [path("delivery")])
        }
        let written = loading.properties["max.poll.interval.ms"].flatMap(Int.init)
        let longest = Duration.milliseconds(written ?? 300_000)
        for (key, timeout) in [
            ("postgres.statement_timeout", database.statementTimeout), ("postgres.lock_timeout", database.lockTimeout),
            ("postgres.connect_timeout", database.connectTimeout),
        ] where timeout >= longest {
            report(
                path(key), "\(formatDuration(timeout)) is not below max.poll.interval.ms, \(formatDuration(longest))",
                "Shorten it, or raise kafka.properties max.poll.interval.ms: past that the group throws the loader out."
            )
        }
    }

    mutating func properties(libraryVersion: Int32) {
        let findings = PropertyRules.findings(
            loading.properties, libraryVersion: libraryVersion, allowsUnverified: configuration.allowsUnverified)
        for finding in findings {
            report(
                path("kafka.properties.<property>").renamed(finding.property), finding.message, finding.mend,
                code: .refusedProperty, severity: finding.severity)
        }
        if let exposed = PropertyRules.exposure(
            loading.properties, hosts: HostLookup.hosts(ofBrokers: loading.brokers))
        {
            report(path("kafka.brokers"), exposed.message, exposed.mend, code: .exposed, severity: .warning)
        }
        let hasTokens = configuration.kafkaToken.source != nil
        let others = loading.properties.filter { property, _ in
            // Beside tokens of ours they are a mistake already.
            !findings.contains { $0.property == property } && !(hasTokens && property.hasPrefix("sasl.oauthbearer."))
        }
        for (property, value) in others.sorted(by: { $0.key < $1.key }) {
            guard let error = KafkaLibrary.problems(in: [property: value]).first else { continue }
            // librdkafka's explanation may repeat the value.
            let reason = Redaction.isSecret(property: property) ? "librdkafka refuses the value" : error.reason
            report(
                path("kafka.properties.<property>").renamed(property), reason,
                "See librdkafka \(KafkaLibrary.versionString)'s CONFIGURATION.md.", code: .invalidValue)
        }
    }
}

/// `a, b or c`
private func list(_ names: [String], _ last: String) -> String {
    guard let end = names.last, names.count > 1 else { return names.first ?? "" }
    return "\(names.dropLast().joined(separator: ", ")) \(last) \(end)"
}

extension ConfigurationPath {
    /// The same path with another last name.
    fileprivate func renamed(_ name: String) -> ConfigurationPath {
        ConfigurationPath(components.dropLast() + [.name(name)])
    }
}
