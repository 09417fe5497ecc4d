"""Holds Parquet exports that were copied from the lake against the same rows encoded anew.

The argument is a JSON list of {"copied", "encoded", "is_sorted"}: two files, and whether the first
one promises an order. DuckDB, pyarrow and Polars must each find the same in both, and what a footer
says of its row groups must be true. Prints as JSON how much was checked.
"""

import base64
import json
import operator
import random
import sys
from typing import Any

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

SORT = ("tenant_id", "occurred_at", "seq")
BLOOM = ("id", "actor_id", "target_id", "context_request_id")
TIMES = ("occurred_at", "recorded_at")
PLAIN = (
    "id",
    "target_id",
    "target_label",
    "reason",
    "policy_reason",
    "context_fingerprint",
    "context_request_id",
    "context_session_id",
    "data",
)
DICTIONARY = pa.dictionary(pa.int32(), pa.string())
# Longer texts may stand in a footer cut short: a bound, not a value.
EXACT_BYTES = 64
# Of so many values that are not there, a bloom filter made for one mistake in 100 must exclude
# nearly all.
ABSENT, EXCLUDED = 100, 90
PRESENT = 20

# How a column is held against a value; the value None means null.
Condition = tuple[str, str, Any]
COMPARED = {
    "=": operator.eq,
    "<>": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def main() -> None:
    checked = []
    for pair in json.loads(sys.argv[1]):
        copied, encoded = pair["copied"], pair["encoded"]
        table = same_in_pyarrow(copied, encoded)
        same_in_duckdb(copied, encoded)
        same_in_polars(copied, encoded)
        file = pq.ParquetFile(copied)
        assert_order(pq.ParquetFile(encoded), [])
        assert_order(file, SORT if pair["is_sorted"] else [])
        groups = row_groups(file, table)
        statistics = assert_statistics(copied, file, groups)
        conditions = conditions_on(groups, table.column_names)
        for condition in conditions:
            assert_found(copied, table, condition)
        assert_aggregates(copied, table)
        probes = assert_bloom_filters(copied, groups)
        checked.append(
            {
                "rows": table.num_rows,
                "row_groups": [group.num_rows for group in groups],
                "statistics": statistics,
                "conditions": len(conditions),
                "probes": probes,
            }
        )
    print(json.dumps(checked))


def plain(table: pa.Table) -> pa.Table:
    """The same rows without dictionaries: those differ from file to file."""
    for at, field in enumerate(table.schema):
        if pa.types.is_dictionary(field.type):
            texts = table.column(at).cast(field.type.value_type)
            table = table.set_column(at, field.with_type(field.type.value_type), texts)
    return table


def difference(left: pa.Table, right: pa.Table) -> str:
    """Where two tables of one schema differ first."""
    if left.num_rows != right.num_rows:
        return f"{left.num_rows} rows, not {right.num_rows}"
    for name in left.column_names:
        pairs = zip(left[name].to_pylist(), right[name].to_pylist())
        for row, (a, b) in enumerate(pairs):
            if a != b:
                return f"{name} of row {row}: {a!r}, not {b!r}"
    return f"schema {left.schema}, not {right.schema}"


def same_in_pyarrow(copied: str, encoded: str) -> pa.Table:
    """The rows, after the schema and the rows of both files were found to be equal."""
    files = [pq.ParquetFile(path) for path in (copied, encoded)]
    left, right = files
    assert left.schema.equals(right.schema), f"{copied}: {left.schema}, not {right.schema}"
    schema = left.schema_arrow
    assert schema.equals(right.schema_arrow, check_metadata=True), f"{copied}: {schema}"
    for field in schema:
        if field.name in TIMES:
            assert field.type == pa.timestamp("us", tz="UTC"), field
        elif field.name == "seq":
            assert field.type == pa.uint64(), field
        else:
            assert field.type == (pa.string() if field.name in PLAIN else DICTIONARY), field
    for file in files:
        kept = base64.b64decode(file.metadata.metadata[b"ARROW:schema"])
        kept = pa.ipc.read_schema(pa.py_buffer(kept))
        assert kept.equals(schema), f"{copied}: the schema it keeps is {kept}"
        assert file.metadata.created_by == "auditlake", file.metadata.created_by
    tables = [file.read() for file in files]
    for table in tables:
        table.validate(full=True)
        assert table.schema.equals(schema), f"{copied}: its rows are {table.schema}"
    left, right = map(plain, tables)
    assert left.equals(right), f"{copied} in pyarrow: {difference(left, right)}"
    return right


def same_in_duckdb(copied: str, encoded: str) -> None:
    left, right = map(duckdb_file, (copied, encoded))
    assert left.columns == right.columns and left.types == right.types, f"{copied} in DuckDB"
    left, right = left.to_arrow_table(), right.to_arrow_table()
    assert left.equals(right), f"{copied} in DuckDB: {difference(left, right)}"


def same_in_polars(copied: str, encoded: str) -> None:
    left, right = pl.read_parquet(copied), pl.read_parquet(encoded)
    assert left.schema == right.schema, f"{copied} in Polars: {left.schema}, not {right.schema}"
    assert left.height == right.height, f"{copied} in Polars: {left.height} rows"
    texts = pl.selectors.categorical().cast(pl.String)
    left, right = left.with_columns(texts), right.with_columns(texts)
    for name in left.columns:
        same = left[name].equals(right[name], null_equal=True)
        assert same, f"{copied} in Polars: the values of {name} differ"


def duckdb_file(path: str) -> duckdb.DuckDBPyRelation:
    return duckdb.sql(f"SELECT * FROM read_parquet({quoted(path)})")


def quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def assert_order(file: pq.ParquetFile, names: tuple[str, ...] | list[str]) -> None:
    """Every row group promises this order and no other."""
    wanted = [(file.schema_arrow.get_field_index(name), False, True) for name in names]
    for index in range(file.num_row_groups):
        found = file.metadata.row_group(index).sorting_columns
        found = [(by.column_index, by.descending, by.nulls_first) for by in found]
        assert found == wanted, f"row group {index} promises {found}, not {wanted}"


def row_groups(file: pq.ParquetFile, table: pa.Table) -> list[pa.Table]:
    """The rows of each row group, which are in the order that it promises."""
    groups = [plain(file.read_row_group(index)) for index in range(file.num_row_groups)]
    assert pa.concat_tables(groups).equals(table), "row groups are not the file"
    for index, group in enumerate(groups):
        if file.metadata.row_group(index).sorting_columns:
            keys = list(zip(*(group[name].to_pylist() for name in SORT)))
            assert keys == sorted(keys), f"the rows of row group {index} are out of order"
    return groups


def assert_statistics(path: str, file: pq.ParquetFile, groups: list[pa.Table]) -> int:
    """What the footer says of a column in a row group is true of its rows."""
    found = duckdb.execute(
        "SELECT row_group_id, path_in_schema, min_is_exact, max_is_exact"
        f" FROM parquet_metadata({quoted(path)})"
    ).fetchall()
    exact = {(group, name): bounds for group, name, *bounds in found}
    for index, group in enumerate(groups):
        metadata = file.metadata.row_group(index)
        assert metadata.num_rows == group.num_rows, f"row group {index}"
        for at, name in enumerate(group.column_names):
            column, where = metadata.column(at), f"{path}: {name} of row group {index}"
            assert column.path_in_schema == name and column.compression == "ZSTD", where
            assert column.has_column_index and column.has_offset_index, f"{where} has no index"
            assert_bounds(where, column.statistics, exact[index, name], group[name])
    return len(exact)


def assert_bounds(
    where: str, said: pq.Statistics | None, exact: list[bool], values: pa.ChunkedArray
) -> None:
    assert said is not None, f"{where} has no statistics"
    assert said.null_count == values.null_count, f"{where}: nulls"
    assert said.num_values == len(values) - values.null_count, f"{where}: values"
    assert said.has_min_max == (said.num_values > 0), f"{where}: bounds"
    if not said.has_min_max:
        return
    bounds = pc.min_max(values)
    pairs = ((said.min, bounds["min"].as_py()), (said.max, bounds["max"].as_py()))
    for (found, wanted), is_exact in zip(pairs, exact):
        if is_exact:
            assert found == wanted, f"{where}: the bound {found!r} is not {wanted!r}"
        else:
            long = isinstance(wanted, str) and len(wanted.encode()) > EXACT_BYTES
            assert long, f"{where}: the bound {found!r} of {wanted!r} is not exact"
    (low, least), (high, greatest) = pairs
    assert low <= least and greatest <= high, f"{where}: {low!r} to {high!r} are no bounds"


def conditions_on(groups: list[pa.Table], names: list[str]) -> list[Condition]:
    """Conditions that hold at the bounds of row groups, beside them, somewhere and nowhere."""
    conditions: list[Condition] = [("target_id", "=", None), ("policy_reason", "<>", None)]
    conditions.append(("tenant_id", "=", "nobody"))
    for group in groups:
        bounds = pc.min_max(group["occurred_at"])
        for bound, beyond in ((bounds["min"], "<"), (bounds["max"], ">")):
            for how in ("=", beyond, f"{beyond}="):
                conditions.append(("occurred_at", how, bound.as_py()))
        for row in (0, group.num_rows // 2, group.num_rows - 1):
            for name in ("tenant_id", "id", "target_id", "target_label", "context_user_agent"):
                if name in names and group[name][row].is_valid:
                    conditions.append((name, "=", group[name][row].as_py()))
        conditions.append(("seq", ">", group["seq"][group.num_rows // 2].as_py()))
    # Some are the same; all keep their order.
    return [condition for condition in dict.fromkeys(conditions) if condition[0] in names]


def assert_found(path: str, table: pa.Table, condition: Condition) -> None:
    """Each engine, free to skip row groups, finds the rows that a look at every row finds."""
    name, how, value = condition
    if value is None:
        mask = pc.is_null(table[name]) if how == "=" else pc.is_valid(table[name])
    else:
        compare = {"=": pc.equal, "<": pc.less, "<=": pc.less_equal}
        compare |= {">": pc.greater, ">=": pc.greater_equal}
        mask = compare[how](table[name], pa.scalar(value, table.schema.field(name).type))
    wanted = table.filter(mask)["id"].to_pylist()
    for engine, find in (
        ("pyarrow", pyarrow_found),
        ("DuckDB", duckdb_found),
        ("Polars", polars_found),
    ):
        found = find(path, condition)
        where = f"{path} in {engine}: {name} {how} {value!r}"
        assert found == wanted, f"{where}: {len(found)} rows, not {len(wanted)}"


def pyarrow_found(path: str, condition: Condition) -> list[str]:
    name, how, value = condition
    if value is None:
        expression = pc.field(name).is_null() if how == "=" else pc.field(name).is_valid()
    else:
        expression = COMPARED[how](pc.field(name), value)
    return pq.read_table(path, columns=["id"], filters=expression)["id"].to_pylist()


def duckdb_found(path: str, condition: Condition) -> list[str]:
    name, how, value = condition
    values = []
    if value is None:
        cell = "IS NULL" if how == "=" else "IS NOT NULL"
    else:
        cell = f"{how} ?{'::TIMESTAMPTZ' if name in TIMES else ''}"
        values.append(str(value) if name in TIMES else value)
    question = f'SELECT id FROM read_parquet({quoted(path)}) WHERE "{name}" {cell}'
    return [row[0] for row in duckdb.execute(question, values).fetchall()]


def polars_found(path: str, condition: Condition) -> list[str]:
    name, how, value = condition
    column = pl.col(name)
    if value is None:
        expression = column.is_null() if how == "=" else column.is_not_null()
    else:
        expression = COMPARED[how](column, value)
    return pl.scan_parquet(path).filter(expression).select("id").collect()["id"].to_list()


def assert_aggregates(path: str, table: pa.Table) -> None:
    """What engines may answer from footers alone."""
    names = ("occurred_at", "seq", "id")
    wanted: list[Any] = [table.num_rows]
    for name in names:
        column = table[name].cast(pa.int64()) if name in TIMES else table[name]
        bounds = pc.min_max(column).as_py()
        wanted += [bounds["min"], bounds["max"], len(column) - column.null_count]
    cells = ["count(*)"]
    for name in names:
        least, greatest = f"min({name})", f"max({name})"
        if name in TIMES:
            least, greatest = f"epoch_us({least})", f"epoch_us({greatest})"
        cells += [least, greatest, f"count({name})"]
    question = f"SELECT {', '.join(cells)} FROM read_parquet({quoted(path)})"
    (found,) = duckdb.execute(question).fetchall()
    assert list(found) == wanted, f"{path} in DuckDB: {found}, not {wanted}"
    cells = [pl.len().alias("rows")]
    for name in names:
        bounds = [pl.col(name).min(), pl.col(name).max()]
        if name in TIMES:
            bounds = [bound.dt.epoch("us") for bound in bounds]
        for what, cell in zip(("min", "max", "count"), (*bounds, pl.col(name).count())):
            cells.append(cell.alias(f"{name} {what}"))
    (found,) = pl.scan_parquet(path).select(cells).collect().rows()
    assert list(found) == wanted, f"{path} in Polars: {found}, not {wanted}"


def assert_bloom_filters(path: str, groups: list[pa.Table]) -> int:
    """No bloom filter denies what its row group has; nearly all that is absent is excluded."""
    found = duckdb.execute(
        "SELECT row_group_id, path_in_schema, bloom_filter_offset, bloom_filter_length"
        f" FROM parquet_metadata({quoted(path)})"
    ).fetchall()
    filters = {(group, name): (offset, length) for group, name, offset, length in found}
    probes = 0
    for name in groups[0].column_names:
        for index in range(len(groups)):
            offset, length = filters[index, name]
            where = f"{path}: the bloom filter of {name} in row group {index}"
            if name in BLOOM:
                assert offset and length, f"{where} is missing"
            else:
                assert offset is None, f"{where} is one too many"
        if name in BLOOM:
            probes += probe_column(path, name, groups)
    return probes


def probe_column(path: str, name: str, groups: list[pa.Table]) -> int:
    chance = random.Random(42)
    columns = [pc.unique(group[name].drop_null()).to_pylist() for group in groups]
    probes = 0
    for index, values in enumerate(columns):
        assert values, f"{name} has no values in row group {index}"
        for value in chance.sample(values, min(PRESENT, len(values))):
            lacking = excluding(path, name, value)
            assert index not in lacking, f"{path}: {name} of {lacking} is said to lack {value!r}"
            probes += 1
    # Between values that are there, so that bounds alone exclude none of them.
    everywhere = sorted({value for values in columns for value in values})
    excluded = [0] * len(groups)
    for value in chance.choices(everywhere, k=ABSENT):
        for index in excluding(path, name, f"{value}~{chance.random()}"):
            excluded[index] += 1
        probes += 1
    assert min(excluded) >= EXCLUDED, f"{path}: {name} excludes {excluded} of {ABSENT}"
    return probes


def excluding(path: str, name: str, value: str) -> set[int]:
    """The row groups whose bloom filter says that they lack a value."""
    found = duckdb.execute(
        "SELECT row_group_id FROM parquet_bloom_probe(?, ?, ?) WHERE bloom_filter_excludes",
        [path, name, value],
    ).fetchall()
    return {row[0] for row in found}


if __name__ == "__main__":
    main()
