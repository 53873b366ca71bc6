-- How the loader tells a topic from another of the same name: what the last message was that it loaded of each partition.
--
-- Columns that may be null, and the same schema_version: a loader of the version before goes on working with it.

-- migrate:up

ALTER TABLE loader.positions ADD COLUMN IF NOT EXISTS last_message bigint[];
ALTER TABLE loader.positions ADD COLUMN IF NOT EXISTS lost_offset bigint;

COMMENT ON COLUMN loader.positions.last_message IS
  'What the last message loaded was: {next_offset then, offset, timestamp in ms, fingerprint}; counts only while the first is next_offset';
COMMENT ON COLUMN loader.positions.lost_offset IS
  'The position at which the loader stopped because the topic no longer holds it; counts while it is next_offset, until somebody has decided where to go on';

-- migrate:down

ALTER TABLE loader.positions DROP COLUMN last_message, DROP COLUMN lost_offset;
