"""Reads a folder of exports with DuckDB, pyarrow and Polars, and asserts that they all say the same.

The reference is events.ndjson, read with nothing but Python's own json. Prints a summary as JSON.
"""

import json
import sys
from datetime import datetime
from pathlib import Path

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

COLUMNS = {
    "id": None,
    "seq": None,
    "type": None,
    "occurred_at": None,
    "recorded_at": None,
    "tenant_id": None,
    "org_id": None,
    "team_id": None,
    "namespace": None,
    "actor_kind": "actor",
    "actor_id": "actor",
    "actor_label": "actor",
    "actor_email": "actor",
    "actor_role": "actor",
    "target_kind": "target",
    "target_id": "target",
    "target_label": "target",
    "outcome": None,
    "reason": None,
    "tool": None,
    "policy_name": "policy",
    "policy_result": "policy",
    "policy_reason": "policy",
    "classification": None,
    "context_ip": "context",
    "context_country": "context",
    "context_user_agent": "context",
    "context_fingerprint": "context",
    "context_request_id": "context",
    "context_session_id": "context",
    "data": None,
}
TIMES = ("occurred_at", "recorded_at")
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def main() -> None:
    folder = Path(sys.argv[1])
    rows = reference(folder / "events.ndjson")
    checked = []

    def same(name: str, found: list[dict]) -> None:
        assert_same(name, rows, found)
        checked.append(name)

    same("json", json_rows(json.loads((folder / "events.json").read_text("utf-8"))))
    same("pyarrow parquet", pyarrow_parquet(folder / "events.parquet"))
    same("polars parquet", polars_parquet(folder / "events.parquet"))
    same("duckdb parquet", duckdb_parquet(folder / "events.parquet"))
    same("pyarrow csv", pyarrow_csv(folder / "events.csv"))
    for name in ("events.csv", "events.csv.gz", "events.csv.zst"):
        same(f"polars {name}", polars_csv(folder / name))
        same(f"duckdb {name}", duckdb_csv(folder / name))
    for name in ("events.ndjson", "events.ndjson.gz", "events.ndjson.zst"):
        same(f"duckdb {name}", duckdb_json(folder / name, "newline_delimited"))
    for name in ("events.json", "events.json.gz", "events.json.zst"):
        same(f"duckdb {name}", duckdb_json(folder / name, "array"))
    ids = [row["id"] for row in rows]
    # `data` has as many shapes as there are sources, so no one type fits it.
    known = {"id": pl.String, "seq": pl.UInt64, "type": pl.String}
    frame = pl.read_ndjson(folder / "events.ndjson", schema=known)
    assert frame.to_dicts() == [{key: row[key] for key in known} for row in rows], "polars ndjson"
    checked.append("polars ndjson")
    print(json.dumps({"rows": len(rows), "ids": ids, "checked": checked}))


def reference(path: Path) -> list[dict]:
    """Every line, flat: times in microseconds, `data` as a value."""
    lines = path.read_text("utf-8").split("\n")
    assert lines.pop() == "", "the last line has a line end"
    return json_rows([json.loads(line) for line in lines])


def json_rows(events: list[dict]) -> list[dict]:
    rows = []
    for event in events:
        row = {}
        for column, group in COLUMNS.items():
            if group is None:
                row[column] = event.get(column)
            else:
                row[column] = event.get(group, {}).get(column.removeprefix(f"{group}_"))
        for time in TIMES:
            row[time] = micros(row[time])
        rows.append(row)
    return rows


def micros(text: str) -> int:
    assert text.endswith("Z") and len(text) == 27, text
    since = datetime.fromisoformat(text) - datetime.fromisoformat("1970-01-01T00:00:00Z")
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def assert_same(name: str, wanted: list[dict], found: list[dict]) -> None:
    assert len(wanted) == len(found), f"{name}: {len(found)} rows, not {len(wanted)}"
    for left, right in zip(wanted, found):
        assert list(right) == list(COLUMNS), f"{name}: columns {list(right)}"
        for column in COLUMNS:
            a, b = left[column], right[column]
            assert a == b, f"{name}: {column} of {left['id']}: {b!r}, not {a!r}"


def parsed(rows: list[dict]) -> list[dict]:
    """Rows whose `data` is JSON text still."""
    for row in rows:
        row["data"] = None if row["data"] is None else json.loads(row["data"])
    return rows


def unguarded(cell: str | None) -> str | None:
    if cell and cell.startswith("'") and cell.lstrip("'").startswith(FORMULA_STARTS):
        return cell[1:]
    return cell


def csv_rows(rows: list[dict]) -> list[dict]:
    """Rows of text and nulls, as they stand in a CSV file."""
    for row in rows:
        row["data"] = row.pop("data_json")
        for column in COLUMNS:
            row[column] = unguarded(row[column])
        row["seq"] = int(row["seq"])
        for time in TIMES:
            row[time] = micros(row[time])
    return parsed(rows)


def pyarrow_parquet(path: Path) -> list[dict]:
    table = pa.parquet.read_table(path)
    for time in TIMES:
        assert table.schema.field(time).type == pa.timestamp("us", tz="UTC"), table.schema
        table = cast(table, time, pa.int64())
    assert table.schema.field("seq").type == pa.uint64(), table.schema
    for column in COLUMNS:
        kind = table.schema.field(column).type
        if pa.types.is_dictionary(kind):
            table = cast(table, column, pa.string())
        elif column not in (*TIMES, "seq"):
            assert kind == pa.string(), f"{column} is {kind}"
    return parsed(table.to_pylist())


def cast(table: pa.Table, column: str, kind: pa.DataType) -> pa.Table:
    at = table.schema.get_field_index(column)
    return table.set_column(at, column, table.column(column).cast(kind))


def pyarrow_csv(path: Path) -> list[dict]:
    convert = pa.csv.ConvertOptions(
        column_types={column: pa.string() for column in (*COLUMNS, "data_json")},
        null_values=[""],
        strings_can_be_null=True,
        quoted_strings_can_be_null=False,
    )
    parse = pa.csv.ParseOptions(newlines_in_values=True)
    return csv_rows(pa.csv.read_csv(path, convert_options=convert, parse_options=parse).to_pylist())


def polars_parquet(path: Path) -> list[dict]:
    frame = pl.read_parquet(path)
    for time in TIMES:
        assert frame.schema[time] == pl.Datetime("us", "UTC"), frame.schema
    assert frame.schema["seq"] == pl.UInt64, frame.schema
    numbers = [pl.col(time).dt.epoch("us") for time in TIMES]
    texts = [
        pl.col(column).cast(pl.String) for column in COLUMNS if column not in (*TIMES, "seq")
    ]
    return parsed(frame.with_columns(*numbers, *texts).to_dicts())


def polars_csv(path: Path) -> list[dict]:
    # A quoted empty cell is an empty text, and a null only without quotes.
    frame = pl.read_csv(path, infer_schema=False)
    return csv_rows(frame.to_dicts())


def duckdb_rows(relation: duckdb.DuckDBPyRelation) -> list[dict]:
    names = relation.columns
    return [dict(zip(names, row)) for row in relation.fetchall()]


def duckdb_parquet(path: Path) -> list[dict]:
    relation = duckdb.sql(f"SELECT * FROM read_parquet('{path}')")
    kinds = dict(zip(relation.columns, map(str, relation.types)))
    for time in TIMES:
        assert kinds[time] == "TIMESTAMP WITH TIME ZONE", kinds
    assert kinds["seq"] == "UBIGINT", kinds
    return parsed(duckdb_rows(as_numbers(relation)))


def as_numbers(relation: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:
    cells = [f"epoch_us({c}) AS {c}" if c in TIMES else f'"{c}"' for c in COLUMNS]
    return relation.select(", ".join(cells))


def duckdb_csv(path: Path) -> list[dict]:
    relation = duckdb.sql(
        f"SELECT * FROM read_csv('{path}', header=true, all_varchar=true, delim=',', quote='\"',"
        " escape='\"', nullstr='', allow_quoted_nulls=false)"
    )
    return csv_rows(duckdb_rows(relation))


def duckdb_json(path: Path, form: str) -> list[dict]:
    groups: dict[str, list[str]] = {}
    fields = {}
    for column, group in COLUMNS.items():
        if group is None:
            fields[column] = {"seq": "UBIGINT", "data": "JSON"}.get(column, "VARCHAR")
            if column in TIMES:
                fields[column] = "TIMESTAMPTZ"
        else:
            groups.setdefault(group, []).append(column.removeprefix(f"{group}_"))
    for group, keys in groups.items():
        fields[group] = "STRUCT(" + ", ".join(f'"{key}" VARCHAR' for key in keys) + ")"
    spec = ", ".join(f"'{name}': '{kind}'" for name, kind in fields.items())
    relation = duckdb.sql(
        f"SELECT * FROM read_json('{path}', format='{form}', columns={{{spec}}})"
    )
    cells = []
    for column, group in COLUMNS.items():
        if group is None:
            cells.append(f"epoch_us({column}) AS {column}" if column in TIMES else f'"{column}"')
        else:
            cells.append(f'"{group}"."{column.removeprefix(f"{group}_")}" AS "{column}"')
    return parsed(duckdb_rows(relation.select(", ".join(cells))))


if __name__ == "__main__":
    main()
