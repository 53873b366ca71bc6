-- The loader's own schema: its ledger and its dead letters.
--
-- To run this, a role needs CREATE on the database, or on a schema `loader` that exists already. The role that loads
-- needs less:
--   GRANT USAGE ON SCHEMA loader TO ...;
--   GRANT SELECT ON loader.ledger TO ...;
--   GRANT SELECT, INSERT, UPDATE ON loader.positions TO ...;
--   GRANT SELECT, INSERT, UPDATE, DELETE ON loader.dead_letters TO ...;   -- DELETE only for replay and purge

-- migrate:up

-- CREATE SCHEMA IF NOT EXISTS wants the right to create even where there is nothing to create.
DO $$
BEGIN
  IF to_regnamespace('loader') IS NULL THEN
    CREATE SCHEMA loader;
    COMMENT ON SCHEMA loader IS 'What the Kafka loader remembers: see loader.positions and loader.dead_letters';
  END IF;
END
$$;

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
COMMENT ON COLUMN loader.ledger.schema_version IS 'Of the tables in this schema; the loader starts only on the one it needs';

INSERT INTO loader.ledger (schema_version) VALUES (1);

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

-- migrate:down

-- Forgets how far every group is. The next start with the same group stops and says so, rather than load all again.
DROP TABLE loader.dead_letters, loader.positions, loader.ledger;
DROP SCHEMA loader;
