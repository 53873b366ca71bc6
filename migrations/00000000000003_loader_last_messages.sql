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
