/// The reference of all keys in Markdown, made from the table of keys, so that it cannot fall behind.
enum ConfigurationReference {
    /// One row a key. The README holds the same table between two comments.
    static var table: String {
        let rows = ConfigurationKey.all.map { key -> String in
            let cells = [
                "`\(key.path)`", key.type, key.default, key.names.map { "`\($0)`" }.joined(separator: ", "),
                key.summary,
            ]
            return "| " + cells.map { $0.replacing("|", with: "\\|") }.joined(separator: " | ") + " |"
        }
        return (["| Key | Type | Default | Variable | What it does |", "|---|---|---|---|---|"] + rows).joined(
            separator: "\n")
    }

    /// `docs/configuration.md`.
    static var page: String {
        """
        # Configuration

        <!-- Made by `loader config --reference`; a test holds this page equal to it. -->

        The loader reads a YAML file (`--config FILE`, else the one that `LOADER_CONFIG` names, else `loader.yaml` in the
        working directory if there is one), environment variables and `--set key=value`. The command line goes over the
        environment, the environment over the file, and the file over the defaults. No file is needed.

        `loader config` prints what is in force and where each value was written, without its secrets. Every mistake is
        reported at once, with its place and the mend, and the exit code is 78.

        ## The smallest configurations

        ```yaml
        kafka: { brokers: "localhost:9092", group: orders-loader }
        postgres: { url: "postgresql://loader_app@localhost/shop" }
        routes:
          - { topic: orders, table: public.orders }
        ```

        ```sh
        export KAFKA_BROKERS=localhost:9092 KAFKA_TOPIC=orders KAFKA_CONSUMER_GROUP=orders-loader
        export DATABASE_URL=postgresql://loader_app@localhost/shop LOADER_TABLE=public.orders LOADER_MODE=upsert
        ```

        ## Variables and secrets in the file

        | Written | Stands for |
        |---|---|
        | `${NAME}` | the environment variable; one that is not set is a mistake |
        | `${NAME:-default}` | the same with a default for one that is not set or empty |
        | `${file:/run/secrets/x}` | the text of that file without its last line break; variables work in the path |
        | `$${` | a literal `${` |

        They work in values, also inside a longer text, and nowhere else: `$value` and `$headers.name` are column
        expressions and stay as they are. Inside `[ ]` and `{ }` YAML wants quotes around them: `{ url: "${DATABASE_URL}" }`.
        Anchors and merge keys (`<<`) work; top-level keys that begin with `x-` are a place to keep them.

        ## Variables without a file

        Each key has a variable, `LOADER_` and its path in upper case with underscores: `LOADER_BATCH_MAX_ROWS`,
        `LOADER_ROUTES_0_TABLE`, `LOADER_ROUTES_0_COLUMNS_TOTAL=order.total`, `LOADER_KAFKA_PROPERTIES_SASL_USERNAME`.
        Some have a short name too, which the long one goes over. An empty variable counts as not set. An unknown
        `LOADER_` variable is a mistake, except those that Kubernetes sets for a service of that name. Lists take commas:
        `KAFKA_TOPIC=orders,refunds`. On the command line: `--set batch.max_rows=1000 --set routes.0.mode=ignore`.

        A column's variable says what would stand behind its name in the file: an expression, or in braces its options,
        `LOADER_ROUTES_0_COLUMNS_TOTAL={ from: order.total, required: true }`. In upper case it means the column that is
        called so but for the case, with `_` for what is neither letter nor digit: `..._COLUMNS_CUSTOMERNAME` is `customername`,
        `CustomerName` or whichever of them the table has. Where it has several, the end of the variable's name in the
        column's own case says which: `..._COLUMNS_CustomerName`.

        ## Writing values

        - **Durations** have a unit: `us`, `ms`, `s`, `m`, `h`, `d`; `1m30s` and `0.5s` are fine. The variable
          `BATCH_TIMEOUT_SECONDS` takes bare seconds, with fractions.
        - **Sizes** are bytes or have a unit: `kB`, `MB`, `GB` are powers of 1000, `KiB`, `MiB`, `GiB` of 1024.
        - **Tables** are written as in SQL: `orders`, `public.orders`, `"Odd Schema"."Odd.Table"`; a name without quotes is
          folded to lower case.
        - **Topics** are names, a list of names, or a POSIX extended regular expression that begins with `^`.

        ## Where a column's value comes from

        | Expression | Value |
        |---|---|
        | `total`, `customer.name`, `items.0.sku` | a field of the message; `\\.` is a dot within a name |
        | `$$name` | a field whose own name begins with `$` |
        | `$value` | the whole value; of a message that names its schema what it says, but for `bytea`, which gets the bytes |
        | `$key`, `$key.id` | the whole key, likewise, or a field of it |
        | `$headers.name` | the last header of that name |
        | `$topic`, `$partition`, `$offset`, `$timestamp` | where the message stands, and its own time |
        | `$now` | when the loader took the message |
        | `$parent.id`, `$element`, `$index`, `$name` | with `each`: a field of what holds the element, all of it, its place from 0, and its name in an object ([rows and tables](rows-and-tables.md)) |
        | `$schema_id` | the number or GUID of the schema that the message names; null if it names none |

        ## Keys

        \(table)

        ## librdkafka's properties

        `kafka.properties` goes to librdkafka, which checks it. The loader refuses what would break its promise:
        `enable.auto.commit`, `enable.auto.offset.store` and `auto.offset.reset`, which move offsets behind the ledger's
        back; `group.id` and `bootstrap.servers`, which have keys of their own; cooperative assignment before librdkafka
        2.6.1, where it can hang; and `group.protocol=consumer` before 2.12, where it is a preview. Beside that one the brokers say
        what `partition.assignment.strategy`, `session.timeout.ms` and `heartbeat.interval.ms` say otherwise.

        `sasl.oauthbearer.method=oidc` and its `sasl.oauthbearer.token.endpoint.url`, `.client.id`, `.client.secret`, `.scope`,
        `.extensions` and `https.ca.location` are taken for the keys of `kafka.token`, whatever librdkafka could do with them:
        all tokens are had in one way.

        """
    }
}

extension ConfigurationKey {
    fileprivate var type: String { domain.isEmpty ? kindName : "\(kindName): \(domain)" }

    fileprivate var `default`: String {
        if isRequired { return "**required**" }
        guard let defaultText else { return otherwise.isEmpty ? "none" : otherwise }
        return defaultText.isEmpty ? "empty" : "`\(defaultText)`"
    }

    fileprivate var names: [String] {
        let variable = isShorthand ? String(pattern.variable.dropLast("_FROM".count)) : pattern.variable
        // A column's other settings have no variable: a name's end could not be told from theirs.
        let own = pattern.segments.contains(.placeholder("column")) && !isShorthand ? [] : [variable]
        return aliases.map(\.name) + own
    }
}
