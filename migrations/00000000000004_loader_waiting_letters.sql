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
