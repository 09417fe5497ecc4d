"""The peers' side of peers.py: one task by one peer, in a process of its own.

Called as `contestants.py PEER TASK`, with what the task needs as JSON on standard input. Prints
one line of JSON: the seconds of the work itself, so that starting an interpreter and loading a
library are not held against a peer, and the library's version.
"""

import importlib
import json
import os
import sys
import time

MISSING = 3  # exit code: the library is not installed

TASKS = ["csv", "ndjson", "parquet", "filtered", "ingest"]
MODULES = {"duckdb": "duckdb", "polars": "polars", "clickhouse": "chdb", "pyarrow": "pyarrow"}
FLAT = "flat"
TIME = "time"
JSON_TEXT = "json"

# The event as clients send it: top-level keys in the order of the columns, groups as lists.
# `seq` and `recorded_at` are the lake's to give, so an ingested file does not have them.
EVENT = [
    ("id", FLAT), ("type", FLAT), ("occurred_at", TIME), ("tenant_id", FLAT), ("org_id", FLAT),
    ("team_id", FLAT), ("namespace", FLAT), ("actor", ["kind", "id", "label", "email", "role"]),
    ("target", ["kind", "id", "label"]), ("outcome", FLAT), ("reason", FLAT), ("tool", FLAT),
    ("policy", ["name", "result", "reason"]), ("classification", FLAT),
    ("context", ["ip", "country", "user_agent", "fingerprint", "request_id", "session_id"]),
    ("data", JSON_TEXT),
]


def columns():
    """The flat columns of an ingested event, in order."""
    for key, kind in EVENT:
        yield from [f"{key}_{part}" for part in kind] if isinstance(kind, list) else [key]


def flat_select():
    """Those columns as SQL over the nested keys; the same in DuckDB and ClickHouse."""
    parts = []
    for key, kind in EVENT:
        nested = isinstance(kind, list)
        parts += [f"{key}.{part} AS {key}_{part}" for part in kind] if nested else [key]
    return ", ".join(parts)


def quoted(text):
    return "'" + str(text).replace("'", "''") + "'"


def condition(filter, instant):
    return " AND ".join([
        f"occurred_at >= {instant(filter['from'])}",
        f"occurred_at < {instant(filter['to'])}",
        f"tenant_id = {quoted(filter['tenant'])}",
        f"type LIKE {quoted(filter['type_prefix'] + '%')}",
    ])


def duckdb(module, task, job):
    connection = module.connect()
    connection.execute(f"SET threads = {int(job['threads'])}")
    connection.execute("SET TimeZone = 'UTC'")
    out = quoted(job["out"])
    parquet = "FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1"
    if task == "ingest":
        types = {FLAT: "VARCHAR", TIME: "TIMESTAMPTZ", JSON_TEXT: "JSON"}
        schema = ", ".join(
            quoted(key) + ": " + quoted(
                "STRUCT(" + ", ".join(f"{part} VARCHAR" for part in kind) + ")"
                if isinstance(kind, list) else types[kind])
            for key, kind in EVENT)
        source = (f"SELECT {flat_select()} FROM read_json({quoted(job['input'])}, "
                  f"format = 'newline_delimited', columns = {{{schema}}})")
        connection.execute(f"COPY ({source}) TO {out} ({parquet})")
        return
    files = "[" + ", ".join(quoted(file) for file in job["files"]) + "]"
    source = f"SELECT * FROM read_parquet({files}, hive_partitioning = false)"
    if task == "filtered":
        instant = lambda text: f"TIMESTAMPTZ {quoted(text)}"
        source += " WHERE " + condition(job["filter"], instant)
    options = {"ndjson": "FORMAT json", "parquet": parquet}.get(task, "FORMAT csv, HEADER")
    connection.execute(f"COPY ({source}) TO {out} ({options})")


def polars(pl, task, job):
    zstd = {"compression": "zstd", "compression_level": 1}
    if task == "ingest":
        schema, picked = {}, []
        for key, kind in EVENT:
            if isinstance(kind, list):
                schema[key] = pl.Struct({part: pl.String for part in kind})
                picked += [pl.col(key).struct.field(part).alias(f"{key}_{part}") for part in kind]
            else:
                schema[key] = pl.String
                format = "%Y-%m-%dT%H:%M:%S%.fZ"
                to_time = pl.col(key).str.to_datetime(format, time_unit="us", time_zone="UTC")
                picked.append(to_time if kind == TIME else pl.col(key))
        events = pl.scan_ndjson(job["input"], schema=schema).select(picked)
        events.sink_parquet(job["out"], **zstd)
        return
    events = pl.scan_parquet(job["files"], hive_partitioning=False)
    if task == "filtered":
        from datetime import datetime
        wanted, at = job["filter"], pl.col("occurred_at")
        events = events.filter(
            (at >= datetime.fromisoformat(wanted["from"]))
            & (at < datetime.fromisoformat(wanted["to"]))
            & (pl.col("tenant_id") == wanted["tenant"])
            & pl.col("type").cat.starts_with(wanted["type_prefix"]))
    if task == "ndjson":
        events.sink_ndjson(job["out"])
    elif task == "parquet":
        events.sink_parquet(job["out"], **zstd)
    else:
        events.sink_csv(job["out"])


def alternatives(files):
    """Files as ClickHouse names several at once: a path must not begin with a brace."""
    folder = os.path.commonpath([os.path.dirname(file) for file in files])
    names = ",".join(os.path.relpath(file, folder) for file in files)
    return f"{folder}/{{{names}}}"


def clickhouse(module, task, job):
    settings = {
        "max_threads": int(job["threads"]), "use_hive_partitioning": 0,
        "engine_file_truncate_on_insert": 1, "output_format_compression_level": 1,
        "output_format_parquet_compression_method": "'zstd'",
    }
    if task == "ingest":
        text = "Nullable(String)"
        types = {FLAT: text, TIME: "DateTime64(6, 'UTC')", JSON_TEXT: text}
        schema = ", ".join(
            f"{key} Tuple(" + ", ".join(f"{part} {text}" for part in kind) + ")"
            if isinstance(kind, list) else f"{key} {types[kind]}" for key, kind in EVENT)
        source = (f"SELECT {flat_select()} FROM "
                  f"file({quoted(job['input'])}, 'JSONEachRow', {quoted(schema)})")
        settings["date_time_input_format"] = "'best_effort'"
        settings["input_format_json_read_objects_as_strings"] = 1
    else:
        source = f"SELECT * FROM file({quoted(alternatives(job['files']))}, 'Parquet')"
    if task == "filtered":
        instant = lambda text: f"parseDateTime64BestEffort({quoted(text)}, 6, 'UTC')"
        source += " WHERE " + condition(job["filter"], instant)
    format = {"ndjson": "JSONEachRow", "parquet": "Parquet", "ingest": "Parquet"}
    target = f"file({quoted(job['out'])}, {quoted(format.get(task, 'CSVWithNames'))})"
    options = ", ".join(f"{name} = {value}" for name, value in settings.items())
    module.query(f"INSERT INTO FUNCTION {target} {source} SETTINGS {options}")


def pyarrow(module, task, job):
    """No contestant: counts rows, and answers what the other side must come to."""
    import pyarrow.compute as compute
    import pyarrow.dataset as dataset
    import pyarrow.parquet as parquet
    if task == "rows":
        return sum(parquet.read_metadata(file).num_rows for file in job["files"])
    text = lambda name: compute.field(name).cast(module.string())
    at = compute.field("occurred_at")
    instant = lambda text: module.scalar(text).cast(module.timestamp("us", "UTC"))
    if task == "largest tenant":
        tenants = dataset.dataset(job["files"]).to_table(columns={"tenant": text("tenant_id")})
        counted = tenants.group_by("tenant").aggregate([("tenant", "count")])
        return counted.sort_by([("tenant_count", "descending")])["tenant"][0].as_py()
    wanted = job["filter"]
    return dataset.dataset(job["files"]).count_rows(
        filter=(at >= instant(wanted["from"])) & (at < instant(wanted["to"]))
        & (text("tenant_id") == wanted["tenant"])
        & compute.starts_with(text("type"), wanted["type_prefix"]))


def main():
    peer, task = sys.argv[1:]
    job = json.load(sys.stdin)
    try:
        module = importlib.import_module(MODULES[peer])
    except ImportError as error:
        print(f"not installed: {error}", file=sys.stderr)
        sys.exit(MISSING)
    started = time.perf_counter()
    answer = globals()[peer](module, task, job)
    seconds = time.perf_counter() - started
    version = getattr(module, "__version__", "?")
    print(json.dumps({"seconds": seconds, "version": version, "answer": answer}))


if __name__ == "__main__":
    main()
