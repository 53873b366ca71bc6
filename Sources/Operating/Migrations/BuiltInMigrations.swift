extension MigrationSet {
    static let builtInOrigin = "the loader's own migrations"

    /// The loader's own schema, for a binary that was installed without the directory `migrations`.
    package static func builtIn() throws(MigrationError) -> MigrationSet {
        try MigrationSet(
            origin: builtInOrigin,
            files: [
                try MigrationFile(name: "00000000000001_loader.sql", contents: BuiltInMigrations.loader),
                try MigrationFile(
                    name: "00000000000002_loader_migrations.sql", contents: BuiltInMigrations.migrations),
                try MigrationFile(
                    name: "00000000000003_loader_last_messages.sql", contents: BuiltInMigrations.lastMessages),
                try MigrationFile(
                    name: "00000000000004_loader_waiting_letters.sql", contents: BuiltInMigrations.waitingLetters),
            ])
    }

    /// These, behind the loader's own, whose copies among them count for nothing.
    package func withBuiltIn() throws(MigrationError) -> MigrationSet {
        let own = try MigrationSet.builtIn().files
        let names = Set(own.map(\.name))
        return try MigrationSet(origin: origin, files: own + files.filter { !names.contains($0.name) })
    }
}

/// The files of `migrations/`, letter by letter; a test holds them together.
///
/// Each of them
/// - has a version of fourteen digits that begins with ten zeros: it sorts before every other and collides with none, neither
///   here nor in dbmate, whose new files are numbered by the time;
/// - may be run again, so that it does not matter where, or under which number, it was recorded;
/// - only adds: a loader of the version before goes on working. One that takes something away which that one needs raises
///   `loader.ledger.schema_version`, and comes a version after the one that did without;
/// - refuses to be rolled back.
enum BuiltInMigrations {
    /// `00000000000001_loader.sql`
    static let loader = #"""
        -- The loader's own schema: its ledger and its dead letters.
        --
        -- To run this, a role needs CREATE on the database, or on a schema `loader` that exists already. The role that loads
        -- needs less:
        --   GRANT USAGE ON SCHEMA loader TO ...;
        --   GRANT SELECT ON loader.ledger TO ...;
        --   GRANT SELECT, INSERT, UPDATE ON loader.positions TO ...;
        --   GRANT SELECT, INSERT, UPDATE, DELETE ON loader.dead_letters TO ...;   -- DELETE only for replay and purge
        --
        -- It may be run again: what is there stays. Its version sorts before all others and is nobody else's.

        -- migrate:up

        DO $migration$
        BEGIN
          -- CREATE SCHEMA IF NOT EXISTS wants the right to create even where there is nothing to create.
          IF to_regnamespace('loader') IS NULL THEN
            CREATE SCHEMA loader;
            COMMENT ON SCHEMA loader IS 'What the Kafka loader remembers: see loader.positions and loader.dead_letters';
          END IF;

          IF to_regclass('loader.ledger') IS NULL THEN
            CREATE TABLE loader.ledger (
              singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
              id uuid NOT NULL DEFAULT gen_random_uuid(),
              schema_version integer NOT NULL,
              created_at timestamptz NOT NULL DEFAULT now()
            );

            COMMENT ON TABLE loader.ledger IS 'One row: which ledger this is';
            COMMENT ON COLUMN loader.ledger.singleton IS 'Holds the table to one row';
            COMMENT ON COLUMN loader.ledger.id IS
              'Stands in the metadata of the group''s offsets in Kafka, so that a group cannot be loaded into two databases unnoticed';
            COMMENT ON COLUMN loader.ledger.schema_version IS
              'What a loader has to know to work with these tables. What only adds to them leaves it as it is';

            INSERT INTO loader.ledger (schema_version) VALUES (1);
          END IF;

          IF to_regclass('loader.positions') IS NULL THEN
            -- Few rows, each updated once a batch: pages are left half empty, so that an update finds room on its own page (HOT) and
            -- touches no index, and vacuum comes by count, not by share.
            CREATE TABLE loader.positions (
              consumer_group text NOT NULL,
              topic text NOT NULL,
              partition integer NOT NULL CHECK (partition >= 0),
              next_offset bigint NOT NULL CHECK (next_offset >= 0),
              updated_at timestamptz NOT NULL DEFAULT now(),
              PRIMARY KEY (consumer_group, topic, partition)
            ) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);

            COMMENT ON TABLE loader.positions IS
              'How far each partition is loaded; written in the same transaction as the rows, which is what makes them exactly once';
            COMMENT ON COLUMN loader.positions.next_offset IS
              'The offset of the next message to load. To load again, reset the consumer group''s offset in Kafka instead of this';
            COMMENT ON COLUMN loader.positions.updated_at IS 'When the last batch with messages of this partition was loaded';
          END IF;

          IF to_regclass('loader.dead_letters') IS NULL THEN
            CREATE TABLE loader.dead_letters (
              id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
              consumer_group text NOT NULL,
              topic text NOT NULL,
              partition integer NOT NULL,
              "offset" bigint NOT NULL,
              "timestamp" timestamptz,
              key bytea,
              value bytea,
              header_names text[] NOT NULL DEFAULT '{}',
              header_values bytea[] NOT NULL DEFAULT '{}',
              target text NOT NULL DEFAULT '',
              reason text NOT NULL,
              sqlstate text,
              column_name text,
              message text,
              attempts integer NOT NULL DEFAULT 1,
              failed_at timestamptz NOT NULL DEFAULT now(),
              CHECK (cardinality(header_names) = cardinality(header_values))
            );

            -- A message that fails again when it is loaded again is the same dead letter. The timestamp tells it from the message
            -- that had its offset before the topic was deleted and created anew. For ON CONFLICT: the same list, the last in
            -- parentheses of its own.
            CREATE UNIQUE INDEX dead_letters_message ON loader.dead_letters
              (consumer_group, topic, partition, "offset", target, (coalesce("timestamp", '-infinity')));
            CREATE INDEX dead_letters_failed_at ON loader.dead_letters (failed_at, id);

            COMMENT ON TABLE loader.dead_letters IS
              'Messages that could not be loaded, byte for byte, with the reason; "loader dead-letters" lists, replays and purges them';
            COMMENT ON COLUMN loader.dead_letters."timestamp" IS 'The message''s own, as Kafka has it; null where it has none';
            COMMENT ON COLUMN loader.dead_letters.value IS 'Null for a tombstone';
            COMMENT ON COLUMN loader.dead_letters.header_names IS 'In their order, repeated names included';
            COMMENT ON COLUMN loader.dead_letters.header_values IS 'One for each name; null is a header without a value';
            COMMENT ON COLUMN loader.dead_letters.target IS 'The table it was meant for; empty where no route took it';
            COMMENT ON COLUMN loader.dead_letters.reason IS 'The loader''s code for what is wrong, fit for grouping';
            COMMENT ON COLUMN loader.dead_letters.sqlstate IS 'PostgreSQL''s code, where the server refused the row';
            COMMENT ON COLUMN loader.dead_letters.message IS 'In words; may hold values of the message';
            COMMENT ON COLUMN loader.dead_letters.attempts IS 'How often it was tried';
            COMMENT ON COLUMN loader.dead_letters.failed_at IS 'When it was last tried';
          END IF;
        END
        $migration$;

        -- migrate:down

        DO $$
        BEGIN
          RAISE EXCEPTION 'the loader''s own schema is not rolled back: its positions and dead letters would be lost'
            USING HINT = 'To lose them: loader migrate drop-ledger';
        END
        $$;

        """#

    /// `00000000000002_loader_migrations.sql`
    static let migrations = #"""
        -- Which files `loader migrate` has applied. schema_migrations has room for their numbers alone, and two files of one number
        -- would be taken for each other.

        -- migrate:up

        DO $migration$
        BEGIN
          IF to_regclass('loader.migrations') IS NULL THEN
            CREATE TABLE loader.migrations (
              recorded_in text NOT NULL,
              version text NOT NULL,
              file text NOT NULL,
              fingerprint text,
              noted_at timestamptz NOT NULL DEFAULT now(),
              PRIMARY KEY (recorded_in, version)
            );

            COMMENT ON TABLE loader.migrations IS
              'Whose each version in schema_migrations is, as far as `loader migrate` knows';
            COMMENT ON COLUMN loader.migrations.recorded_in IS 'The schema of that schema_migrations';
            COMMENT ON COLUMN loader.migrations.file IS
              'The file''s name; 0001_loader.sql is what version 0.1.0 recorded the loader''s own schema as';
            COMMENT ON COLUMN loader.migrations.fingerprint IS 'Of what stands below migrate:up; null where that is not known';
            COMMENT ON COLUMN loader.ledger.schema_version IS
              'What a loader has to know to work with these tables. What only adds to them leaves it as it is';
          END IF;
        END
        $migration$;

        -- migrate:down

        DO $$
        BEGIN
          RAISE EXCEPTION 'the loader''s own schema is not rolled back: its positions and dead letters would be lost'
            USING HINT = 'To lose them: loader migrate drop-ledger';
        END
        $$;

        """#

    /// `00000000000003_loader_last_messages.sql`
    static let lastMessages = #"""
        -- How the loader tells a topic from another of the same name: what the last message was that it loaded of each partition.
        --
        -- Columns that may be null, and the same schema_version: a loader of the version before goes on working with it.

        -- migrate:up

        DO $migration$
        BEGIN
          -- ADD COLUMN IF NOT EXISTS wants the table's owner even where there is nothing to add.
          IF 2 > (
            SELECT count(*) FROM pg_catalog.pg_attribute
            WHERE attrelid = to_regclass('loader.positions') AND attname IN ('last_message', 'lost_offset') AND NOT attisdropped
          ) THEN
            ALTER TABLE loader.positions ADD COLUMN IF NOT EXISTS last_message bigint[];
            ALTER TABLE loader.positions ADD COLUMN IF NOT EXISTS lost_offset bigint;

            COMMENT ON COLUMN loader.positions.last_message IS
              'What the last message loaded was: {next_offset then, offset, timestamp in ms, fingerprint}; counts only while the first is next_offset';
            COMMENT ON COLUMN loader.positions.lost_offset IS
              'The position at which the loader stopped because the topic no longer holds it; counts while it is next_offset, until somebody has decided where to go on';
          END IF;
        END
        $migration$;

        -- migrate:down

        DO $$
        BEGIN
          RAISE EXCEPTION 'the loader''s own schema is not rolled back: its positions and dead letters would be lost'
            USING HINT = 'To lose them: loader migrate drop-ledger';
        END
        $$;

        """#

    /// `00000000000004_loader_waiting_letters.sql`
    static let waitingLetters = #"""
        -- The letters that wait for the rows they refer to are looked for every second, among however many others.
        --
        -- An index, and the same schema_version: a loader of the version before goes on working with it.

        -- migrate:up

        DO $migration$
        BEGIN
          IF to_regclass('loader.dead_letters') IS NOT NULL AND to_regclass('loader.dead_letters_waiting') IS NULL THEN
            CREATE INDEX dead_letters_waiting ON loader.dead_letters (consumer_group, topic, partition, "offset", id)
              WHERE reason = 'waiting_for_parent';
          END IF;
        END
        $migration$;

        -- migrate:down

        DO $$
        BEGIN
          RAISE EXCEPTION 'the loader''s own schema is not rolled back: its positions and dead letters would be lost'
            USING HINT = 'To lose them: loader migrate drop-ledger';
        END
        $$;

        """#
}
