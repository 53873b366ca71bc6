-- The table that the demo loads; of no use to anybody else.

-- migrate:up

CREATE TABLE public.orders (
  order_id text PRIMARY KEY,
  status text NOT NULL CHECK (status IN ('placed', 'paid', 'shipped', 'delivered', 'cancelled', 'refunded')),
  customer_id bigint,
  customer_name text,
  customer_email text,
  country char(2),
  total_price numeric(12,2) NOT NULL CHECK (total_price >= 0),
  currency char(3) NOT NULL,
  item_count integer,
  line_items jsonb,
  shipping_address jsonb,
  tags text[],
  note text,
  created_at timestamptz NOT NULL,
  updated_at timestamptz,
  kafka_partition integer,
  kafka_offset bigint
);

CREATE INDEX orders_created_at ON public.orders (created_at);

COMMENT ON TABLE public.orders IS 'Orders by their latest event, loaded from Kafka by the demo';

-- migrate:down

DROP TABLE public.orders;
