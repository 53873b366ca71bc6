import Loading
import Logging
import Postgres
import Records
import Schemas

extension ConfigurationKey {
    /// Every key there is, in the order of the reference.
    static let all =
        kafka
        + tokens("kafka.token", Configuration.Token.Source.ofKafka, "the tokens for the brokers", into: \.kafkaToken)
        + [databaseURL]
        + tokens(
            "postgres.password", Configuration.Token.Source.ofDatabase,
            "the database's passwords, asked for at each connection,",
            into: \.databasePassword)
        + others

    private static let kafka: [ConfigurationKey] = [
        .key(
            "kafka.brokers", .text, isRequired: true, aliases: [Alias(name: "KAFKA_BROKERS")],
            into: \.loading.brokers, "The brokers to begin with, `host:port` separated by commas."),
        .key(
            "kafka.group", .text, isRequired: true, aliases: [Alias(name: "KAFKA_CONSUMER_GROUP")],
            into: \.group.name, "The consumer group. The ledger keeps positions under its full name."),
        .key(
            "kafka.group_prefix", .anyText, default: "", aliases: [Alias(name: "KAFKA_CONSUMER_GROUP_PREFIX")],
            into: \.group.prefix, "Put before the group's name."),
        .key(
            "kafka.group_suffix", .anyText, default: "", aliases: [Alias(name: "KAFKA_CONSUMER_GROUP_SUFFIX")],
            into: \.group.suffix, "Put behind the group's name."),
        .key(
            "kafka.allow_unverified", .boolean, default: "false", into: \.allowsUnverified,
            "Lets `kafka.properties.enable.ssl.certificate.verification: false` be: nobody's certificate is checked then."
        ),
        .key(
            "kafka.auto_offset_reset", .choice, default: "earliest", into: \.loading.autoOffsetReset,
            "Where a group without any position begins."),
        .key(
            "kafka.on_lost_offsets", .choice, default: "stop", into: \.loading.onLostOffsets,
            "What to do when the messages at a position are gone: deleted unread, or the topic was created anew."),
        .key(
            "kafka.reset_on_start", .anyText, default: "false", aliases: [Alias(name: "RESET_OFFSET_ON_START")],
            into: \.resetOnStart,
            "For development: begin at the earliest messages again, once for each deployment. `true` takes a new program "
                + "or a changed configuration for one; any other text is the deployment's name."),
        .property(
            "kafka.properties.<property>",
            "Any of librdkafka's properties, such as `security.protocol`. In a variable's name dots are underscores."),
    ]

    private static let databaseURL: ConfigurationKey = .key(
        "postgres.url", .connection, otherwise: "the `PG*` variables", aliases: [Alias(name: "DATABASE_URL")],
        into: \.loading.database.url,
        "The database, as libpq takes it. Required unless `PGHOST` or the like is set. Files in it, `${file:…}`, are read at each "
            + "connection.")

    private static let others: [ConfigurationKey] = [
        .key(
            "postgres.connect_timeout", .duration(.seconds(1) ... .seconds(600)), default: "10s",
            into: \.loading.database.connectTimeout, "How long to wait for a connection before the next try."),
        .key(
            "postgres.statement_timeout", .duration(.milliseconds(100) ... .seconds(3600)), default: "2m",
            into: \.loading.database.statementTimeout,
            "How long one statement may take. Must stay below `max.poll.interval.ms` (5 minutes)."),
        .key(
            "postgres.lock_timeout", .duration(.milliseconds(10) ... .seconds(3600)), default: "30s",
            into: \.loading.database.lockTimeout, "How long to wait for a lock before the batch is tried again."),
        .key(
            "postgres.synchronous_commit", .boolean, default: "true", into: \.loading.database.synchronousCommit,
            "`false` does not wait for the disk at COMMIT. Safe with `delivery: exactly_once` only."),

        .key(
            "schema_registry.kind", .choice, default: "confluent", into: \.registry.kind,
            "Whose registry it is: how it is asked, and how messages name its schemas."),
        .key(
            "schema_registry.url", ConfigurationKind<[String]>.webAddresses,
            otherwise: "no registry; AWS's own of the region where the kind is `glue`",
            into: \.registry.urls,
            "The registry that messages' schemas are in: one URL or several of the same registry."),
        .key(
            "schema_registry.region", ConfigurationKind<String>.region.wrapped,
            otherwise: "the one in the URL, `AWS_REGION`, the profile's or the instance's",
            into: \.registry.region,
            "The region of AWS that the registry is in; only of the kind `glue`."),
        .key(
            "schema_registry.access_key_id", ConfigurationKind<String>.text.wrapped,
            otherwise: "whoever the loader is to AWS",
            into: \.registry.accessKeyID, "Who asks AWS Glue, with `schema_registry.secret_access_key`."),
        .key(
            "schema_registry.secret_access_key", ConfigurationKind<String>.text.wrapped,
            otherwise: "none", into: \.registry.secretAccessKey,
            "The secret of `schema_registry.access_key_id`."),
        .key(
            "schema_registry.session_token", ConfigurationKind<String>.text.wrapped,
            otherwise: "none", into: \.registry.sessionToken,
            "The token of a session of AWS, for a key that ends by itself."),
        .key(
            "schema_registry.user", ConfigurationKind<String>.text.wrapped,
            otherwise: "nobody, or who stands in the URL",
            into: \.registry.user, "Who asks it, with `schema_registry.password`."),
        .key(
            "schema_registry.password", ConfigurationKind<String>.anyText.wrapped, otherwise: "empty",
            into: \.registry.password, "The password of `schema_registry.user`."),
        .key(
            "schema_registry.token", ConfigurationKind<String>.text.wrapped, otherwise: "none", into: \.registry.token,
            "A token in place of a user: `Authorization: Bearer`."),
        .key(
            "schema_registry.oauth.source",
            ConfigurationKind<Configuration.Token.Source>.source(among: Configuration.Token.Source.ofRegistry).wrapped,
            otherwise: "`oidc` with `schema_registry.oauth.url`, else no tokens", into: \.registry.tokenSource,
            "Where the tokens for the registry come from. "
                + Configuration.Token.Source.ofRegistry.map { "`\($0.rawValue)`: \($0.meaning)." }
                .joined(separator: " ")),
        .key(
            "schema_registry.oauth.url", ConfigurationKind<[String]>.tokenServer, otherwise: "none",
            into: \.registry.tokenURL,
            "The token server of OAuth 2.0 that gives tokens for the registry, to a client with credentials of its own."
        ),
        .key(
            "schema_registry.oauth.client_id", ConfigurationKind<String>.text.wrapped,
            otherwise: "of `azure`, `AZURE_CLIENT_ID` or the only identity", into: \.registry.clientID,
            "That client; of `azure` the identity that asks."),
        .key(
            "schema_registry.oauth.client_secret", ConfigurationKind<String>.text.wrapped, otherwise: "none",
            into: \.registry.clientSecret, "Its secret."),
        .key(
            "schema_registry.oauth.scope", ConfigurationKind<String>.text.wrapped,
            otherwise: "the server's own; of Azure that of Event Hubs; of Google `cloud-platform`",
            into: \.registry.scope, "What the token shall be good for."),
        .key(
            "schema_registry.headers", ConfigurationKind<[String]>.webHeaders, otherwise: "none",
            into: \.registry.headers,
            "Headers of each request to the registry, `name: value`: Confluent Cloud wants `target-sr-cluster` and "
                + "`Confluent-Identity-Pool-Id` beside tokens."),
        .key(
            "schema_registry.ca", ConfigurationKind<String>.text.wrapped, otherwise: "the system's authorities",
            into: \.registry.authorities,
            "A PEM file of the authorities that may have signed the registry's certificate."),
        .key(
            "schema_registry.certificate", ConfigurationKind<String>.text.wrapped, otherwise: "none",
            into: \.registry.certificate, "A PEM file with the loader's own certificate, for a registry that wants one."
        ),
        .key(
            "schema_registry.key", ConfigurationKind<String>.text.wrapped, otherwise: "in the certificate's file",
            into: \.registry.key, "A PEM file with the key of that certificate."),
        .key(
            "schema_registry.numbers", ConfigurationKind<SchemaNaming.Numbers>.choice.wrapped,
            otherwise: "`content` of four bytes, `global` of eight", into: \.registry.numbers,
            "What the number before a message of Apicurio's counts, which its producers call `apicurio.registry.use-id`."
        ),

        .key(
            "batch.max_rows", .integer(1...10_000_000), default: "50000", aliases: [Alias(name: "BATCH_SIZE")],
            into: \.loading.batch.maxRows, "Rows and dead letters that fill a batch."),
        .key(
            "batch.max_bytes", .size(1024...(1 << 30)), default: "32MiB", into: \.loading.batch.maxBytes,
            "Memory that fills a batch. At most two batches exist for each writer."),
        .key(
            "batch.max_delay", .duration(.milliseconds(1) ... .seconds(600)), default: "1s",
            aliases: [Alias(name: "BATCH_TIMEOUT_SECONDS", unit: "s")], into: \.loading.batch.maxDelay,
            "The longest that a message waits for its batch to fill."),

        .key(
            "writers", .integer(1...64), default: "1", into: \.loading.writers,
            "Connections that load at the same time, each with partitions of its own."),
        .key(
            "delivery", .choice, default: "exactly_once", into: \.loading.delivery,
            "`at_least_once` works without the ledger; a crash then loads the last batch again."),
        .key(
            "shutdown_timeout", .duration(.seconds(1) ... .seconds(3600)), default: "25s",
            into: \.loading.shutdownTimeout, "How long a stop may take to load what was already taken."),
        .key(
            "wait_at_start", .boolean, default: "false", into: \.loading.waitsAtStart,
            "At the start, wait for brokers, a database and topics that are not there yet, in place of ending with 69 or 78."
        ),
        .key(
            "outage_timeout",
            ConfigurationKind<Duration>.duration(.seconds(1) ... .seconds(604_800)).orNull("for ever"), default: "null",
            into: \.loading.outageTimeout,
            "How long to wait for a database, broker or schema registry that is away, or a database that is busy, then exit with "
                + "69."),

        .route(
            "routes[].topic", .topics, isRequired: true, aliases: [Alias(name: "KAFKA_TOPIC")], into: \.topics,
            "The topics that this route takes."),
        .route(
            "routes[].table", .routedTable, isRequired: true, aliases: [Alias(name: "LOADER_TABLE")],
            into: \.routedTable,
            "The table they go to. Without quotes a name is folded to lower case. `events.${headers.type}` lets each message choose "
                + "among `tables`, by `${topic}`, `${topic.2}` (a part of its name between dots), `${headers.x}`, `${key.x}` or a field."
        ),
        .route(
            "routes[].tables", ConfigurationKind<TableList>.tableList.wrapped, otherwise: "the one of `table`",
            into: \.tables,
            "The tables that messages may choose, in the schema of `table`: names, in which `*` stands for any characters. A message "
                + "that names another one is a dead letter."),
        .route(
            "routes[].format", .choice, default: "auto", into: \.format,
            "What the messages are written in. `auto`: what each says itself, by a schema's id before it or in a header, and "
                + "else JSON. `avro`, `protobuf`: by the schema that each names, or without an id by `schema`. `csv`: one record a "
                + "message. `text` and `bytes` have no fields, and are for `$value`. So are `short`, `int`, `long`, `float`, `double` and "
                + "`uuid`, which are what the serializers of Kafka's Java client write."),
        .route(
            "routes[].key_format", .choice, default: "auto", into: \.keyFormat,
            "The same for keys. `json` takes a key as it is, whatever its first bytes are: an object, or a plain value."
        ),
        .route(
            "routes[].schema.file", ConfigurationKind<Route.SchemaFile>.schemaFile.wrapped,
            otherwise: "messages name theirs",
            into: \.schemaFile,
            "A schema for messages that have nothing before them: Avro's (`.avsc`), a `.proto` file, or descriptors of Protobuf."
        ),
        .route(
            "routes[].schema.id", ConfigurationKind<Int32>.schemaNumber.wrapped, otherwise: "messages name theirs",
            into: \.schemaID, "The same, by its id in the registry."),
        .route(
            "routes[].schema.subject", ConfigurationKind<String>.text.wrapped, otherwise: "messages name theirs",
            into: \.schemaSubject, "The same, by its subject: the version that is the newest when the loader starts."),
        .route(
            "routes[].schema.message", ConfigurationKind<String>.text.wrapped,
            otherwise: "the only message of the file", into: \.schemaMessage,
            "Which of a Protobuf schema's messages it is, with its package: `shop.Order`."),
        .route(
            "routes[].message_indexes", .choice, default: "zigzag", into: \.messageIndexes,
            "How the numbers are written that say, behind the id of a Protobuf schema, which of its messages it is: `plain` by old "
                + "clients of Confluent's for Python and .NET, and by newer ones with `use.deprecated.format`."),
        .route(
            "routes[].csv.delimiter", ConfigurationKind<UInt8>.delimiter, default: ",", into: \.csv.delimiter,
            "What stands between two fields, with `format: csv`."),
        .route(
            "routes[].csv.quote", ConfigurationKind<UInt8>.quote.orNull("no quotes"), default: "\"", into: \.csv.quote,
            "What stands around a field that holds a delimiter, a line end or a quote, which is doubled then."),
        .route(
            "routes[].csv.header", .boolean, default: "false", into: \.csv.hasHeader,
            "The first line of each message names its fields."),
        .route(
            "routes[].csv.fields", ConfigurationKind<[String]>.fieldNames,
            otherwise: "fields are called by their positions, from `0`", into: \.csv.fields,
            "What the fields are called, in their order."),
        .route(
            "routes[].csv.null", ConfigurationKind<String>.anyText, default: "", into: \.csv.null,
            "What a field without quotes is that is null. In quotes it is a text."),
        .route(
            "routes[].envelope.form", ConfigurationKind<EnvelopeOptions.Form>.choice.wrapped,
            otherwise: "none, or the route's own by `envelope.operation`", isShorthand: true,
            into: \.envelopeOptions.form,
            "Whose change events the messages are: `debezium` takes them whole or as ExtractNewRecordState leaves them. `envelope: form` is "
                + "short for it. `connect` is what JSON is opened by without it."),
        .route(
            "routes[].envelope.operation", ConfigurationKind<FieldPath>.path.wrapped, otherwise: "the form's",
            into: \.envelopeOptions.operation, "The field that says what was done to the row."),
        .route(
            "routes[].envelope.after", ConfigurationKind<FieldPath>.path.wrapped,
            otherwise: "the form's, else the message itself", into: \.envelopeOptions.after,
            "The record that is the row after the change."),
        .route(
            "routes[].envelope.before", ConfigurationKind<FieldPath>.path.wrapped, otherwise: "the form's, else none",
            into: \.envelopeOptions.before,
            "The record that is the row before the change, for `$before.…` and deletions."),
        .route(
            "routes[].envelope.source", ConfigurationKind<FieldPath>.path.wrapped, otherwise: "the form's, else none",
            into: \.envelopeOptions.origin, "The record that says where the change comes from, for `$source.…`."),
        .route(
            "routes[].envelope.deleted", ConfigurationKind<FieldPath>.path.wrapped, otherwise: "`__deleted`",
            into: \.envelopeOptions.deleted,
            "With `debezium`, the field of a message that is the row itself which is true where the row was deleted."),
        .route(
            "routes[].envelope.unavailable", ConfigurationKind<String>.text.wrapped,
            otherwise: "`__debezium_unavailable_value` with `debezium`, else none", into: \.envelopeOptions.unavailable,
            "What stands for a value that was not sent because it has not changed, as Debezium's `unavailable.value.placeholder` is set; the "
                + "row keeps what it has."),
        .route(
            "routes[].envelope.create", ConfigurationKind<[String]>.texts.wrapped, otherwise: "the form's",
            into: \.envelopeOptions.create, "What the operation is where the row is new."),
        .route(
            "routes[].envelope.snapshot", ConfigurationKind<[String]>.texts.wrapped, otherwise: "the form's",
            into: \.envelopeOptions.read, "What it is where the row was read, as for a snapshot."),
        .route(
            "routes[].envelope.update", ConfigurationKind<[String]>.texts.wrapped, otherwise: "the form's",
            into: \.envelopeOptions.update, "What it is where the row was changed."),
        .route(
            "routes[].envelope.delete", ConfigurationKind<[String]>.texts.wrapped, otherwise: "the form's",
            into: \.envelopeOptions.delete, "What it is where the row was deleted."),
        .route(
            "routes[].envelope.truncate", ConfigurationKind<[String]>.texts.wrapped, otherwise: "the form's",
            into: \.envelopeOptions.truncate, "What it is where the table was emptied; `on_truncate` decides then."),
        .route(
            "routes[].envelope.skip", ConfigurationKind<[String]>.texts.wrapped, otherwise: "the form's",
            into: \.envelopeOptions.skip, "What it is where the message says nothing of a row and is passed over."),
        .route(
            "routes[].temporal", ConfigurationKind<SourceWriting.Temporal>.choice.wrapped,
            otherwise: "such a number is a dead letter, but for days and intervals of `debezium`", into: \.temporal,
            "With `envelope`, what bare numbers count in columns of times, as Debezium's `time.precision.mode` names it, where neither a "
                + "schema nor the column's `unit` says it."),
        .route(
            "routes[].decimals", ConfigurationKind<SourceWriting.Decimals>.choice.wrapped,
            otherwise: "a string that is a number in two ways is a dead letter", into: \.decimals,
            "With `envelope`, what strings are in `numeric` columns: the bytes of a number in base64, whose scale the column has, or a "
                + "number in text; Debezium's `decimal.handling.mode`."),
        .route(
            "routes[].binary", ConfigurationKind<Route.BinaryText>.choice.wrapped,
            otherwise: "`base64` with `debezium`, `latin1` with `canal`", into: \.binary,
            "With `envelope`, what strings are in `bytea` columns; Debezium's `binary.handling.mode`."),
        .route(
            "routes[].mode", .choice, default: "insert", aliases: [Alias(name: "LOADER_MODE")], into: \.mode,
            "What a message does to its row: append; append unless the key is there; insert or replace by key; append, and once, by "
                + "columns that take `$topic`, `$partition` and `$offset`."),
        .route(
            "routes[].key", ConfigurationKind<[String]>.columns.wrapped, otherwise: "the primary key", into: \.key,
            "The columns that identify a row. They need a unique index."),
        .route(
            "routes[].history.key", ConfigurationKind<[String]>.columns, otherwise: "versions have no end",
            into: \.validity.key,
            "In mode `history`: the columns that are the same in all versions of a row, so that each gets its end."),
        .route(
            "routes[].history.valid_from", ConfigurationKind<String>.text.wrapped, otherwise: "versions have no end",
            into: \.validity.from, "The column in which messages say when a version begins."),
        .route(
            "routes[].history.valid_to", ConfigurationKind<String>.text.wrapped, otherwise: "versions have no end",
            into: \.validity.to, "The column that gets the beginning of the next version; NULL in the last one."),
        .route(
            "routes[].newer", ConfigurationKind<[String]>.columns, otherwise: "the last message of a key wins",
            into: \.newer,
            "In mode `upsert`: a message changes or deletes a row that is there only if it is newer by this column, or by these "
                + "in their order; equal is not newer."),
        .route(
            "routes[].absent", .choice, default: "default", into: \.absent,
            "What becomes of a column whose field a message does not have. `keep`, in mode `upsert`: a row that is there keeps "
                + "what it has. `null`: NULL, even where the table has a default. `default`: its default in a new row, and a row "
                + "that is there keeps what it has; without a default NULL."),
        .route(
            "routes[].on_tombstone", ConfigurationKind<Route.OnTombstone>.choice.wrapped,
            otherwise: "`delete` in mode `upsert`, `skip` in mode `history`, else `dead_letter`", into: \.onTombstone,
            "What a message without a value does. `mark` keeps the row, and says in the column `mark` that it is deleted."
        ),
        .route(
            "routes[].mark", ConfigurationKind<String>.text.wrapped, otherwise: "deleted rows are not marked",
            into: \.mark,
            "The column that says of a row that it is deleted: a boolean, or a time that is NULL else."),
        .route(
            "routes[].on_truncate", .choice, default: "stop", into: \.onTruncate,
            "With `envelope`, what a change event does that says that the source's table was emptied: the loader stops, passes over "
                + "it, or empties the table as well. In mode `history` `truncate` is a row with the `$op` `t`, and empties nothing."
        ),
        .route(
            "routes[].tombstones", ConfigurationKind<[Route.TombstoneForm]>.choices, otherwise: "none",
            into: \.tombstones,
            "Values that count as no value at all, so that `on_tombstone` decides: `json_null` are the four bytes `null`, "
                + "`empty` is a value of no bytes."),
        .route(
            "routes[].on_no_fields", .choice, default: "dead_letter", into: \.onNoFields,
            "What becomes of a message that has none of the fields that the columns take. `$…` is no field, but for "
                + "`$key.…`."),
        .route(
            "routes[].names", .choice, default: "exact", into: \.names,
            "How a column without an expression finds its field. `snake_case`: `customer_name` also takes `customerName` and "
                + "`Customer-Name`, if the message has no field of the column's own name."),
        .route(
            "routes[].rest", .choice, default: "fields", into: \.rest,
            "What fills the columns of the table that `columns` does not name: `fields` of their own names, or `none`."),
        .route(
            "routes[].each", ConfigurationKind<ElementPath>.elements.wrapped, otherwise: "a message is one row",
            into: \.each,
            "Makes a row of each element of a list: `items`, of lists in it: `items.options`, of an object's members: `rows.*`, "
                + "or of messages that are many records: `$value`. Fields are the element's then, and `$parent.…` what holds it."
        ),
        .route(
            "routes[].on_missing", ConfigurationKind<Route.OnMissing>.choice.wrapped,
            otherwise: "`delete`, where columns of the key are the parent's", into: \.onMissing,
            "What becomes, in mode `upsert`, of the rows of a parent that its last message has no element for."),
        .route(
            "routes[].on_bad_element", .choice, default: "dead_letter", into: \.onBadElement,
            "What becomes of a message with an element that cannot be a row: all of it a dead letter, or all rows but that one."
        ),
        .route(
            "routes[].max_elements", .integer(1...1_000_000), default: "10000", into: \.maxElements,
            "A message with more elements is a dead letter."),
        .route(
            "routes[].throttle", ConfigurationKind<Throttle>.throttle.wrapped, otherwise: "as fast as it can",
            into: \.throttle,
            "How many messages of this route each loader loads at most, `5000/s` or `300/m`, to spare the database."),
        .route(
            "routes[].where", ConfigurationKind<RouteCondition>.condition.wrapped, otherwise: "all of them",
            into: \.condition,
            "Which messages the route takes: `status != 'test' and amount >= 10`. The others are counted, and do nothing but what "
                + "`on_filtered` says."),
        .route(
            "routes[].on_filtered", ConfigurationKind<OnFiltered>.choice.wrapped,
            otherwise: "`delete` in mode `upsert`", into: \.onFiltered,
            "What becomes of the row of a message that `where` does not let through, or with `each` of all of its rows: they may be there from one that it did. Only in "
                + "mode `upsert`."),
        .column(
            "routes[].columns.<column>.from", ConfigurationKind<ColumnSource>.expression.wrapped,
            otherwise: "the field of the column's name", isShorthand: true, into: \.source,
            "Where the value comes from. `column: expression` is short for it."),
        .column(
            "routes[].columns.<column>.required", .boolean, default: "false", into: \.isRequired,
            "A message without this field, or with null in it, is a dead letter."),
        .column(
            "routes[].columns.<column>.unit", ConfigurationKind<EpochUnit>.choice.wrapped,
            otherwise: "a bare number is a dead letter", into: \.epochUnit,
            "What a number, or a string or header that is one, counts in a column of a date, a time or an interval: from 1970, "
                + "from midnight, or as long."),
        .column(
            "routes[].columns.<column>.decode", ConfigurationKind<Decoding>.choice.wrapped,
            otherwise: "`none`, with `envelope` what its producer writes", into: \.saidDecoding,
            "What a string stands for: bytes in base64, hexadecimal or a character each (`latin1`), or a JSON document."
        ),
        .column(
            "routes[].columns.<column>.zone", ConfigurationKind<String>.zone.wrapped, otherwise: "the route's",
            into: \.timeZone,
            "The zone of a timestamp that names none, and the one that moments are turned into for types without a zone."
        ),
        .column(
            "routes[].columns.<column>.on_nul", ConfigurationKind<OnNul>.choice.wrapped, otherwise: "the route's",
            into: \.onNul, "What becomes of U+0000, which PostgreSQL's text cannot hold."),
        .column(
            "routes[].columns.<column>.trim", .boolean, default: "false", into: \.trims,
            "Takes the white space, as Unicode defines it, from both ends of a string."),
        .column(
            "routes[].columns.<column>.null_if", .texts, otherwise: "none", into: \.nullIf,
            "Strings that count as null, and numbers and truth values as they are written: `[\"\", n/a, -1]`."),
        .column(
            "routes[].columns.<column>.default", ConfigurationKind<String>.fixedText.wrapped,
            otherwise: "the table's, where the field is absent, else NULL", into: \.fallback,
            "What the column gets where the field is absent or null, written as a message's string; JSON for `json` and "
                + "`jsonb`."),
        .column(
            "routes[].columns.<column>.absent", ConfigurationKind<Route.Absent>.choice.wrapped,
            otherwise: "the route's", into: \.absent, "The same as the route's `absent`, for this column."),
        .column(
            "routes[].columns.<column>.constant", ConfigurationKind<String>.fixedText.wrapped,
            otherwise: "the column's source", into: \.constant,
            "What the column gets in each row, written like a default."),
        .column(
            "routes[].columns.<column>.on_error", ConfigurationKind<Route.OnError>.nullOrDeadLetter,
            otherwise: "`dead_letter`", into: \.onError,
            "What becomes of a message with a value that the column cannot hold: a dead letter, or a row with NULL there, "
                + "which is counted."),
        .route(
            "routes[].zone", ConfigurationKind<String>.zone.wrapped,
            otherwise: "such a timestamp is a dead letter; moments are turned into UTC", into: \.timeZone,
            "The zone of timestamps that name none, and the one that moments are turned into for types without a zone."),
        .route(
            "routes[].on_nul", .choice, default: "dead_letter", into: \.onNul,
            "What becomes of U+0000, which PostgreSQL's text cannot hold."),
        .route(
            "routes[].wait_for_parent", ConfigurationKind<Duration>.duration(.zero ... .seconds(86_400)).wrapped,
            otherwise: "`dead_letters.wait_for_parent`, for foreign keys between tables of the routes",
            into: \.waitForParent,
            "How long a row waits for what any foreign key of the table refers to, whoever brings it. `0s`: not at all."
        ),

        .key(
            "dead_letters.table", ConfigurationKind<TableName>.table.orNull("no table"), default: "loader.dead_letters",
            into: \.loading.deadLetters.table, "Where bad messages go, in the transaction of their batch."),
        .key(
            "dead_letters.topic", ConfigurationKind<String>.topicName.orNull("no topic"), default: "null",
            into: \.loading.deadLetters.topic, "A topic that bad messages go to as well."),
        .key(
            "dead_letters.max_share", .share, default: "0.5", into: \.loading.deadLetters.maxShare,
            "The loader stops when more of the last 10000 messages are bad: the route is broken then, not the data."),
        .key(
            "dead_letters.wait_for_parent", .duration(.zero ... .seconds(86_400)), default: "1m",
            into: \.loading.deadLetters.waitForParent,
            "How long a row that came before the one it refers to is tried again, where routes load both tables. `0s`: "
                + "not at all."),

        .key(
            "http.listen", .listen, default: "127.0.0.1:9464", into: \.http.listen,
            "Serves the status page at `/`, `/status.json`, `/health/live`, `/health/ready` and `/metrics`."),
        .key(
            "log.format", .choice, default: "auto", into: \.log.format,
            "One line an event: JSON, or text for people. `auto` is text on a terminal."),
        .key("log.level", .choice, default: "info", into: \.log.level, "The least that is logged."),
    ]

    /// `LOADER_` variables that are no keys.
    static let reservedVariables: Set<String> = ["LOADER_CONFIG", "LOADER_FAILPOINTS"]
}
