-- A made-up shop's own tables, and the replica of them that the demo makes; of no use to anybody else.

-- migrate:up

CREATE SCHEMA shop;
CREATE SCHEMA replica;

CREATE TABLE shop.customers (
  id bigint PRIMARY KEY,
  name text NOT NULL,
  email text NOT NULL,
  country char(2) NOT NULL,
  credit numeric(12,2) NOT NULL,
  born date NOT NULL,
  profile text NOT NULL,
  updated_at timestamptz NOT NULL
);

CREATE TABLE shop.orders (
  id bigint PRIMARY KEY,
  customer_id bigint NOT NULL,
  status text NOT NULL,
  total numeric(12,2) NOT NULL,
  ordered_on date NOT NULL,
  note text
);

CREATE TABLE replica.customers (LIKE shop.customers INCLUDING ALL);
CREATE TABLE replica.orders (LIKE shop.orders INCLUDING ALL);

COMMENT ON TABLE replica.customers IS 'shop.customers, loaded from its change events by the demo';
COMMENT ON TABLE replica.orders IS 'shop.orders, loaded from its change events by the demo';

-- migrate:down

DROP SCHEMA replica CASCADE;
DROP SCHEMA shop CASCADE;
