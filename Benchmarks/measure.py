#!/usr/bin/env python3
"""Measures one loader by itself; scripts/bench starts it with the servers that it needs.

  measure.py shapes   loads topics of several shapes, and prints what a million messages and a megabyte cost
  measure.py stream   5,000 messages a second: from produce to visible, the CPU it takes, and what idling takes after that
  measure.py instances  one, two and four loaders of a group on one backlog, and with one of them killed
  measure.py changes [MESSAGES [ROUNDS]]  what change events, patches, versions, elements and tables by name cost, beside plain
                      upserts and appends of the same rows

Needs LOADER_BENCH_BINARY, LOADER_BENCH_MOCK (kafka-mock), DATABASE_URL of a database to make tables in, whose server has
track_commit_timestamp on, and psql on PATH. The topics are on mock brokers, which keep about 5 MB (compressed) a partition.
"""
import contextlib
import glob
import json
import os
import random
import signal
import string
import subprocess
import sys
import time

from confluent_kafka import Producer

LOADER, MOCK, URL = (os.environ[name] for name in ("LOADER_BENCH_BINARY", "LOADER_BENCH_MOCK", "DATABASE_URL"))
TICK = os.sysconf("SC_CLK_TCK")


def psql(statement):
    run = subprocess.run(["psql", "-qXAt", "-v", "ON_ERROR_STOP=1", URL], input=statement, text=True, check=True,
                         stdout=subprocess.PIPE, env={**os.environ, "PGOPTIONS": "-c client_min_messages=warning"})
    return run.stdout.strip()


@contextlib.contextmanager
def broker(topic, partitions):
    process = subprocess.Popen([MOCK, "--topic", f"{topic}:{partitions}"], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, text=True)
    try:
        yield process.stdout.readline().split()[1]
    finally:
        process.stdin.close()
        process.wait(10)


def produce(brokers, topic, messages):
    producer = Producer({"bootstrap.servers": brokers, "compression.type": "lz4", "linger.ms": 20,
                         "message.max.bytes": 4_000_000, "queue.buffering.max.kbytes": 500_000})
    size = 0
    for number, value in enumerate(messages):
        size += len(value)
        while True:
            try:
                producer.produce(topic, value, key=str(number))
                break
            except BufferError:
                producer.poll(0.1)
        if number % 1000 == 0:
            producer.poll(0)
    producer.flush()
    return size


def environment(brokers, topic, table, **more):
    settings = {"KAFKA_BROKERS": brokers, "KAFKA_TOPIC": topic, "KAFKA_CONSUMER_GROUP": f"{topic}-{time.time_ns()}",
                "LOADER_TABLE": table, "LOADER_HTTP_LISTEN": "off", "LOADER_LOG_FORMAT": "json", **more}
    # The loader refuses variables of its name that it does not know.
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("LOADER_BENCH_")}
    return {**inherited, **settings}


def logged(path, message):
    for line in open(path):
        if f'"message":"{message}"' in line:
            return json.loads(line)


def seconds(line):
    moment, fraction = line["time"].rstrip("Z").split(".")
    return time.mktime(time.strptime(moment, "%Y-%m-%dT%H:%M:%S")) + float("0." + fraction)


def words(random_, length):
    return "".join(random_.choices(string.ascii_lowercase + " ", k=length))


def shapes():
    """(name, columns, messages, partitions, how a message is made)"""
    def narrow(size):
        def make(number, random_):
            return {"id": number, "at": "2026-01-02T03:04:05.678901Z", "body": words(random_, size)}
        return "id bigint, at timestamptz, body text", make

    def wide(number, random_):
        row = {"id": number}
        for column in range(33):
            row[f"n{column}"] = random_.randrange(1_000_000)
            row[f"d{column}"] = round(random_.random() * 1000, 2)
            row[f"t{column}"] = words(random_, 8)
        return row

    wide_columns = "id bigint" + "".join(f", n{c} bigint, d{c} numeric(12,2), t{c} text" for c in range(33))
    yield "3 columns, 100 B, 1 partition", *narrow(30), 100_000, 1
    yield "3 columns, 100 B, 64 partitions", *narrow(30), 1_000_000, 64
    yield "3 columns, 100 B, 256 partitions", *narrow(30), 1_000_000, 256
    yield "3 columns, 10 kB, 64 partitions", *narrow(10_000), 20_000, 64
    yield "3 columns, 1 MB, 64 partitions", *narrow(1_000_000), 150, 64
    yield "100 columns, 2 kB, 64 partitions", wide_columns, wide, 50_000, 64


def watched(pid):
    """Waits for a process: its status, what it used, and its peak memory in MB (ru_maxrss would have ours before exec)."""
    peak = 0
    while True:
        with contextlib.suppress(OSError):
            peak = max([peak] + [int(line.split()[1]) for line in open(f"/proc/{pid}/status") if line.startswith("VmHWM")])
        ended, status, usage = os.wait4(pid, os.WNOHANG)
        if ended:
            return status, usage, peak / 1024
        time.sleep(0.01)


def measure_shapes():
    print("| topic | messages | loader krow/s | MB/s | loader CPU µs/message | ns/byte | RSS MB |\n|---|---|---|---|---|---|---|")
    for index, (name, columns, make, count, partitions) in enumerate(shapes()):
        random_ = random.Random(index)
        # A thousand different bodies are enough to keep compression honest, and are made in time.
        made = [make(0, random_) for _ in range(min(count, 1000 if count > 1000 else 50))]
        values = (json.dumps({**made[number % len(made)], "id": number}).encode() for number in range(count))
        topic = f"shape{index}"
        with broker(topic, partitions) as brokers:
            size = produce(brokers, topic, values)
            runs = []
            for _ in range(3):
                psql(f"DROP TABLE IF EXISTS shape; CREATE TABLE shape ({columns}); CHECKPOINT")
                log = f"/tmp/loader-measure-{os.getpid()}.log"
                with open(log, "w") as output:
                    process = subprocess.Popen([LOADER, "run", "--until-end", "--new-group"], stderr=output,
                                               env=environment(brokers, topic, "shape", LOADER_MODE="insert"))
                    status, usage, peak = watched(process.pid)
                if status != 0 or psql("SELECT count(DISTINCT id) FROM shape") != str(count):
                    sys.exit(f"{name}: a wrong load\n{open(log).read()}")
                took = seconds(logged(log, "the end is reached")) - seconds(logged(log, "loading"))
                runs.append((took, usage.ru_utime + usage.ru_stime, peak))
                os.unlink(log)
        took, cpu, rss = (sorted(figures)[1] for figures in zip(*runs))
        print(f"| {name} | {count:,} | {count / took / 1000:.1f} | {size / took / 1e6:.0f} | {cpu / count * 1e6:.2f}"
              f" | {cpu / size * 1e9:.2f} | {rss:.0f} |", flush=True)


def cpu_of(pid):
    fields = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def switches_of(pid):
    return sum(int(line.split()[1]) for path in glob.glob(f"/proc/{pid}/task/*/status")
               for line in open(path) if "voluntary_ctxt" in line)


def measure_stream(rate=5000, duration=30):
    psql("DROP TABLE IF EXISTS stream; CREATE TABLE stream (id text, created_at timestamptz, body text)")
    with broker("stream", 12) as brokers:
        log = f"/tmp/loader-measure-{os.getpid()}.log"
        with open(log, "w") as output:
            # The mock answers an empty fetch only when its time is over; a real broker answers when something comes.
            process = subprocess.Popen([LOADER, "run", "--new-group"], stderr=output, env=environment(
                brokers, "stream", "stream", LOADER_MODE="insert", LOADER_BATCH_MAX_DELAY="100ms",
                LOADER_KAFKA_PROPERTIES_FETCH_WAIT_MAX_MS="10"))
        while not logged(log, "loading"):
            time.sleep(0.1)
        producer = Producer({"bootstrap.servers": brokers, "linger.ms": 2, "compression.type": "lz4"})
        body, before, began = "x" * 200, cpu_of(process.pid), time.time()
        for number in range(rate * duration):
            due, now = began + number / rate, time.time()
            while now < due:
                producer.poll(0)
                time.sleep(min(0.001, due - now))
                now = time.time()
            created = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)) + f".{int(now % 1 * 1e6):06d}Z"
            producer.produce("stream", json.dumps({"id": str(number), "created_at": created, "body": body}), key=str(number))
        producer.flush()
        while psql("SELECT count(*) FROM stream") != str(rate * duration):
            time.sleep(0.1)
        streaming = (cpu_of(process.pid) - before) / (time.time() - began)
        time.sleep(2)
        before, switched = cpu_of(process.pid), switches_of(process.pid)
        time.sleep(30)
        idle, switched = (cpu_of(process.pid) - before) / 30, (switches_of(process.pid) - switched) / 30
        process.send_signal(signal.SIGTERM)
        process.wait(30)
        os.unlink(log)
    p50, p99, most, transactions = psql("""
        SELECT round(percentile_cont(0.5) WITHIN GROUP (ORDER BY ms)), round(percentile_cont(0.99) WITHIN GROUP (ORDER BY ms)),
          round(max(ms)), count(DISTINCT xid)
        FROM (SELECT xmin::text AS xid, extract(epoch FROM pg_xact_commit_timestamp(xmin) - created_at) * 1000 AS ms
              FROM stream) s""").split("|")
    print(f"{rate} messages a second for {duration} s, max_delay 100 ms: from produce to commit p50 {p50} ms, p99 {p99} ms, "
          f"most {most} ms, {transactions} transactions; loader CPU {streaming:.1%} of a core; "
          f"idle after that {idle:.2%}, {switched:.0f} context switches a second")


def measure_instances(count=1_000_000):
    body = "x" * 200
    with broker("instances", 64) as brokers:
        produce(brokers, "instances", (json.dumps({"id": number, "body": body}).encode() for number in range(count)))
        for loaders, kills in ((1, False), (2, False), (4, False), (2, True), (4, True)):
            psql("DROP TABLE IF EXISTS instances; CREATE TABLE instances (id bigint, body text); CHECKPOINT")
            settings = environment(brokers, "instances", "instances", LOADER_MODE="insert", LOADER_BATCH_MAX_ROWS="20000",
                                   LOADER_KAFKA_PROPERTIES_SESSION_TIMEOUT_MS="6000")
            group = settings["KAFKA_CONSUMER_GROUP"]

            def start():
                return subprocess.Popen([LOADER, "run", "--new-group"], env=settings, stderr=subprocess.DEVNULL)

            processes = [start() for _ in range(loaders)]
            began, deadline, killed = None, time.time() + 180, False
            while True:
                loaded = int(psql(f"SELECT coalesce(sum(next_offset), 0) FROM loader.positions WHERE consumer_group = '{group}'"))
                began = began or (time.time() if loaded else None)
                if loaded >= count:
                    break
                if kills and not killed and loaded >= count / 3:
                    processes[0].kill()
                    processes.append(start())
                    killed = True
                if time.time() > deadline:
                    sys.exit(f"{loaders} loaders: only {loaded} messages are in")
                time.sleep(0.05)
            took = time.time() - began
            for process in processes:
                process.terminate()
            for process in processes:
                process.wait(40)
            if psql("SELECT count(*), count(DISTINCT id) FROM instances") != f"{count}|{count}":
                sys.exit(f"{loaders} loaders: a wrong load")
            print(f"{loaders} loaders{', one killed at a third and another started' if kills else ''}: {took:.1f} s from the "
                  f"first batch to the last, each message once", flush=True)


def orders(count, updates=10):
    """Orders, of which some are of an id that came before."""
    random_ = random.Random(1)
    for number in range(count):
        order = random_.randrange(number) if number and random_.randrange(100) < updates else number
        yield {"order_id": f"ORD-{order:07d}", "created_at": f"2026-01-02T03:{number // 60 % 60:02d}:{number % 60:02d}.{number % 1000000:06d}Z",
               "customer_name": f"Zoë Möller {number % 5000}", "total_price": f"{number % 90000}.{number % 100:02d}",
               "status": ("new", "paid", "sent")[number % 3], "quantity": number % 90, "version": number,
               "address": {"city": f"Berlin {number % 300}", "zip": f"{10000 + number % 9000}"}}


ORDERS = ("order_id text{key}, created_at timestamptz, customer_name text, total_price numeric(12,2), status text, quantity int, "
          "version bigint, address jsonb")
ITEMS = "order_id text, position int, sku text, qty int, price numeric(10,2), note text{key}"


def envelope(order, number):
    source = {"version": "3.0.0.Final", "connector": "postgresql", "name": "shop", "ts_ms": 1767225600000 + number, "snapshot": "false",
              "db": "shop", "sequence": f'["{number}","{number + 1}"]', "schema": "public", "table": "orders", "txId": number, "lsn": number}
    return {"before": None, "after": order, "source": source, "op": "c", "ts_ms": 1767225600100 + number, "transaction": None}


def item(order, position):
    return {"position": position, "sku": f"SKU-{order * 7 % 9000}", "qty": 1 + position, "price": f"{order % 900}.{position}0",
            "note": f"packed by {order % 40}"}


def changes(count):
    """(name, beside, messages, rows of the table, columns of it, the route)"""
    plain = "  - { topic: %s, table: public.changed, mode: upsert%s }"
    key = " primary key"
    table = ORDERS.format(key=key)
    ids = len({order["order_id"] for order in orders(count)})

    def patches():
        for number, order in enumerate(orders(count)):
            yield {name: order[name] for name in order if number % 2 or name not in ("status", "quantity", "address")}

    yield "upsert", None, lambda: orders(count), ids, table, plain % ("%s", "")
    yield "change events", "upsert", lambda: (envelope(order, number) for number, order in enumerate(orders(count))), ids, table, \
        plain % ("%s", ", envelope: debezium")
    yield "patches, all fields", "upsert", lambda: orders(count), ids, table, plain % ("%s", ", absent: keep")
    yield "patches, half of them without 3 of 8 fields", "upsert", patches, ids, table, plain % ("%s", ", absent: keep")
    yield "newer", "upsert", lambda: orders(count), ids, table, plain % ("%s", ", newer: version")

    parents = count // 5
    flat = lambda: ({"order_id": f"ORD-{order:07d}", **item(order, position)} for order in range(parents) for position in range(5))
    nested = lambda: ({"order_id": f"ORD-{order:07d}", "customer_name": f"Zoë Möller {order % 5000}",
                       "items": [item(order, position) for position in range(5)]} for order in range(parents))
    columns = "columns: { order_id: $parent.order_id }"
    yield "items, appended", None, flat, parents * 5, ITEMS.format(key=""), "  - { topic: %s, table: public.changed }"
    yield "elements, appended", "items, appended", nested, parents * 5, ITEMS.format(key=""), \
        "  - { topic: %s, table: public.changed, each: items, " + columns + " }"
    items = ITEMS.format(key=", primary key (order_id, position)")
    yield "items, upserted", None, flat, parents * 5, items, plain % ("%s", "")
    yield "elements, upserted as sets", "items, upserted", nested, parents * 5, items, plain % ("%s", ", each: items, " + columns)

    def events():
        for number, order in enumerate(orders(count, updates=0)):
            yield {"type": f"t{number % 100}", **order}
    yield "events, appended", None, events, count, ORDERS.format(key=""), "  - { topic: %s, table: public.changed }"
    yield "events to 100 tables by name", "events, appended", events, count, None, \
        "  - { topic: %s, table: 'changed.${type}', tables: ['t*'] }"


# What each is to reach of the rate of what it stands beside.
WANTED = {"change events": 0.7, "patches, all fields": 0.7, "patches, half of them without 3 of 8 fields": 0.7, "newer": 0.8,
          "elements, appended": 0.6, "elements, upserted as sets": 0.6, "events to 100 tables by name": 0.5}


def measure_changes(count=300_000, rounds=3):
    count, rounds = (int(given) for given in (sys.argv[2:4] + [count, rounds][len(sys.argv) - 2:]))
    made = []
    with contextlib.ExitStack() as stack:
        for index, (name, beside, messages, rows, columns, route) in enumerate(changes(count)):
            topic = f"changes{index}"
            brokers = stack.enter_context(broker(topic, 64))
            values = (json.dumps(message, separators=(",", ":"), ensure_ascii=False).encode() for message in messages())
            produce(brokers, topic, values)
            made.append((name, beside, topic, brokers, rows, columns, route, []))
        for _ in range(rounds):
            for name, _, topic, brokers, rows, columns, route, rates in made:
                tables = [f"t{number}" for number in range(100)]
                psql("DROP TABLE IF EXISTS changed; DROP SCHEMA IF EXISTS changed CASCADE; CREATE SCHEMA changed; "
                     + (f"CREATE TABLE changed ({columns});" if columns else
                        "".join(f"CREATE TABLE changed.{table} ({ORDERS.format(key='')});" for table in tables)) + "CHECKPOINT")
                configuration, log = (f"/tmp/loader-measure-{os.getpid()}.{end}" for end in ("yaml", "log"))
                with open(configuration, "w") as file:
                    file.write("routes:\n" + route % topic + "\n")
                settings = environment(brokers, topic, "changed", LOADER_CONFIG=configuration)
                for name_ in ("KAFKA_TOPIC", "LOADER_TABLE"):
                    del settings[name_]
                with open(log, "w") as output:
                    process = subprocess.Popen([LOADER, "run", "--until-end", "--new-group"], stderr=output, env=settings)
                    status, _, _ = watched(process.pid)
                loaded = psql("SELECT " + (" + ".join(f"(SELECT count(*) FROM changed.{table})" for table in tables)
                                           if columns is None else "count(*) FROM changed"))
                if status != 0 or loaded != str(rows):
                    sys.exit(f"{name}: a wrong load, {loaded} of {rows} rows\n{open(log).read()}")
                rates.append(rows / (seconds(logged(log, "the end is reached")) - seconds(logged(log, "loading"))))
    print(f"{count:,} messages, medians of {rounds} rounds; a ratio is that of two loads of one round")
    print("| load | krow/s | beside | ratio | wanted |\n|---|---|---|---|---|")
    known = {name: rates for name, *_, rates in made}
    missed = []
    for name, beside, *_, rates in made:
        ratio = sorted(one / other for one, other in zip(rates, known[beside]))[len(rates) // 2] if beside else None
        if ratio and ratio < WANTED[name]:
            missed.append(name)
        print(f"| {name} | {sorted(rates)[len(rates) // 2] / 1000:.1f} | {beside or ''} | "
              f"{f'{ratio:.2f} | ≥ {WANTED[name]:.1f}' if ratio else ' | '} |", flush=True)
    if missed:
        print("Below what is wanted: " + "; ".join(missed), flush=True)


{"changes": measure_changes, "shapes": measure_shapes, "stream": measure_stream, "instances": measure_instances}[sys.argv[1]]()
