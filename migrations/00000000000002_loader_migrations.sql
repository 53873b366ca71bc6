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
