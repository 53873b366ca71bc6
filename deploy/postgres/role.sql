-- The role that loads, with what it needs and nothing else. Run it behind the first `loader migrate up --built-in`, as the
-- owner of the tables; again after each migration and for each further table:
--
--   psql "$OWNER_URL" -v ON_ERROR_STOP=1 -v role=loader_app -v table=public.orders -v mode=upsert -f deploy/postgres/role.sql
--   psql "$OWNER_URL" -c '\password loader_app'
--
-- Do not call it loader: that is the schema of the ledger, and a role has the schema of its own name first in its search
-- path ("$user"), so that CREATE TABLE without a schema would land there.
--
-- mode is the route's: insert, ignore, history or upsert. -v keep_dead_letters=1 leaves out DELETE on the dead letters, which only
-- `loader dead-letters replay` and `purge` need, and rows that wait for those they refer to.
--
-- The role that migrates is another one; this is enough for it:
--   GRANT CREATE ON DATABASE shop TO loader_owner;          -- for the schema loader
--   GRANT USAGE, CREATE ON SCHEMA public TO loader_owner;   -- for schema_migrations and tables of your own

\if :{?role}
\else
  \set role loader_app
\endif
\if :{?table}
\else
  \set table public.orders
\endif
\if :{?mode}
\else
  \set mode upsert
\endif
SELECT :'mode' IN ('insert', 'ignore', 'history', 'upsert') AS is_mode \gset
\if :is_mode
\else
  -- The GRANT below fails for it, and all is rolled back.
  \warn mode is insert, ignore, history or upsert, and not :mode
\endif

BEGIN;

SELECT format('CREATE ROLE %I LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS', :'role')
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'role') \gexec

-- TEMPORARY: modes ignore and upsert copy into a temporary table first. Both are PUBLIC's by default, unless revoked.
SELECT format('GRANT CONNECT, TEMPORARY ON DATABASE %I TO %I', current_database(), :'role') \gexec

GRANT USAGE ON SCHEMA loader TO :"role";
GRANT SELECT ON loader.ledger TO :"role";
GRANT SELECT, INSERT, UPDATE ON loader.positions TO :"role";
GRANT SELECT, INSERT, UPDATE ON loader.dead_letters TO :"role";
\if :{?keep_dead_letters}
\else
  GRANT DELETE ON loader.dead_letters TO :"role";
\endif

-- The route's table. A column that takes its default from a sequence (serial, not identity) wants USAGE on that as well.
SELECT format('GRANT USAGE ON SCHEMA %s TO %I', relnamespace::regnamespace, :'role')
FROM pg_class WHERE oid = :'table'::regclass \gexec
-- INSERT is enough to append. ignore and history read what is there; upsert replaces it, and deletes by tombstones
-- (not with on_tombstone: skip). A history with valid_to wants UPDATE on that column as well.
SELECT format(
  'GRANT %s ON %s TO %I',
  CASE :'mode' WHEN 'insert' THEN 'INSERT' WHEN 'ignore' THEN 'SELECT, INSERT' WHEN 'history' THEN 'SELECT, INSERT'
    WHEN 'upsert' THEN 'SELECT, INSERT, UPDATE, DELETE' END,
  :'table'::regclass, :'role') \gexec

COMMIT;
