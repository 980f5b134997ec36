#!/usr/bin/env python3
"""Reads a Parquet file of s3store with DuckDB, pyarrow and Polars, and compares the result with the expected rows.

    check-readers.py FILE.parquet ROWS.json [TYPES.json]
    check-readers.py --dataset FOLDER

ROWS.json is a list of objects. 64-bit integers are text. Times are text, in ticks of the column's unit since 1970 or
midnight. Bytes and UUIDs are hex, decimals are text without the point. Other values are plain JSON. TYPES.json maps a
reader's name to the type that it must report for each column.

FOLDER is a dataset that `tests/integration/other_readers.rs` wrote. The second form runs the recipes of the chapter
"Other readers" of the guide on it. Needs `pip install pyarrow duckdb polars pandas`.
"""

import datetime
import decimal
import json
import pathlib
import sys
import uuid

import duckdb
import pandas
import polars
import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet as pq


def main(path, rows_path, types_path=None):
    with open(rows_path, encoding="utf-8") as file:
        expected = json.load(file)
    types = {}
    if types_path:
        with open(types_path, encoding="utf-8") as file:
            types = json.load(file)
    parquet = pq.ParquetFile(path).schema_arrow
    failures = 0
    for name, read in [("pyarrow", read_pyarrow), ("duckdb", read_duckdb), ("polars", read_polars)]:
        seen, rows = read(path)
        print(f"{name}:")
        for column, type_ in seen.items():
            print(f"  {column}: {type_}")
        failures += compare(name, parquet, rows, expected)
        for column, type_ in types.get(name, {}).items():
            if seen.get(column) != type_:
                print(f"FAIL {name}: column {column} is {seen.get(column)}, not {type_}")
                failures += 1
    print("all equal" if not failures else f"{failures} failures")
    return 1 if failures else 0


def read_pyarrow(path):
    table = pq.read_table(path)
    # Times are compared as integers, because Python's times have no nanoseconds.
    return {field.name: str(field.type) for field in table.schema}, rows_of(table)


def read_duckdb(path):
    connection = duckdb.connect()
    # The machine's time zone must not matter.
    connection.execute("set timezone = 'UTC'")
    relation = connection.execute("select * from read_parquet(?)", [path])
    seen = {column[0]: str(column[1]) for column in relation.description}
    return seen, rows_of(relation.to_arrow_table())


def read_polars(path):
    frame = polars.read_parquet(path)
    return {name: str(type_) for name, type_ in frame.schema.items()}, rows_of(frame.to_arrow())


def rows_of(table):
    columns = {field.name: [plain(value) for value in table.column(field.name)] for field in table.schema}
    return [dict(zip(columns, values)) for values in zip(*columns.values())]


def plain(scalar):
    """Converts an Arrow value to the form of ROWS.json."""
    if isinstance(scalar, pa.ExtensionScalar):
        scalar = scalar.value
    if not scalar.is_valid:
        return None
    type_ = scalar.type
    if pa.types.is_map(type_):
        pairs = scalar.values
        return {plain(pair["key"]): plain(pair["value"]) for pair in pairs}
    if pa.types.is_list(type_) or pa.types.is_large_list(type_) or pa.types.is_fixed_size_list(type_):
        return [plain(item) for item in scalar]
    if pa.types.is_struct(type_):
        return {field.name: plain(scalar[field.name]) for field in type_}
    if pa.types.is_timestamp(type_) or pa.types.is_time(type_):
        return (type_.unit, scalar.value)
    if pa.types.is_date(type_):
        return scalar.value
    if pa.types.is_decimal(type_):
        return str(scalar.as_py().scaleb(type_.scale, decimal.Context(prec=76)).to_integral_value())
    value = scalar.as_py()
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, uuid.UUID):
        return value.hex
    if isinstance(value, str) or isinstance(value, bool):
        return value
    if isinstance(value, int) and type_.bit_width == 64:
        return str(value)
    return value


TICKS = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


def same(value, expected, type_):
    """Returns true if a value equals the expected one, which is in the unit of the file's type."""
    if isinstance(expected, list):
        inner = getattr(type_, "value_type", None)
        return isinstance(value, list) and len(value) == len(expected) and all(map(lambda a, b: same(a, b, inner), value, expected))
    if isinstance(expected, dict):
        # Polars has no maps. It returns lists of pairs.
        if isinstance(value, list):
            value = {pair["key"]: pair["value"] for pair in value}
        return isinstance(value, dict) and value.keys() == expected.keys() and all(
            same(value[key], expected[key], member(type_, key)) for key in expected
        )
    if isinstance(value, tuple):
        unit, ticks = value
        return expected is not None and ticks * TICKS[type_.unit] == int(expected) * TICKS[unit]
    if isinstance(value, float) and expected is not None:
        if type_ == pa.float32():
            return pa.scalar(value, pa.float32()) == pa.scalar(expected, pa.float32())
        return value == expected
    if isinstance(value, str) and isinstance(expected, str) and isinstance(type_, pa.UuidType):
        return value.replace("-", "") == expected.replace("-", "")
    return value == expected


def member(type_, key):
    if type_ is not None and pa.types.is_map(type_):
        return type_.item_type
    if type_ is not None and pa.types.is_struct(type_):
        return type_.field(key).type
    return None


def compare(name, schema, rows, expected):
    if len(rows) != len(expected):
        print(f"FAIL {name}: {len(rows)} rows, {len(expected)} expected")
        return 1
    failures = 0
    for number, (row, wanted) in enumerate(zip(rows, expected)):
        if row.keys() != wanted.keys():
            print(f"FAIL {name}: columns {sorted(row.keys() ^ wanted.keys())} differ")
            return failures + 1
        for column, value in wanted.items():
            if not same(row[column], value, schema.field(column).type):
                failures += 1
                if failures <= 20:
                    print(f"FAIL {name}: row {number}, {column}: {row[column]!r}, expected {value!r}")
    return failures


# The partition values that a reader of Hive partitions changes, as the guide lists them.
HIVE = {"a%25b": "a%b", "a%2Fb": "a/b", "__HIVE_DEFAULT_PARTITION__": None}

# The partition values from which DuckDB also infers another type than text.
TYPED = {"12": 12, "2026-03-17": datetime.date(2026, 3, 17)}


def check_dataset(folder):
    """Runs the guide's recipes for whole datasets. Returns 1 if one returns other rows than expected."""
    folder = pathlib.Path(folder)
    expected = json.loads((folder / "expected.json").read_text(encoding="utf-8"))
    committed = [str(folder / file) for file in expected["files"]]
    rows = [tuple(row) for row in expected["rows"]]
    with_uncommitted = rows + [("plain", 1, "uncommitted")]
    data, glob = str(folder / "data"), str(folder / "data/**/*.parquet")
    hive = pyarrow.dataset.partitioning(pa.schema([("part", pa.string())]), flavor="hive")

    def frame(frame):
        return frame[["part", "id", "note"]].itertuples(index=False, name=None)

    def table(table):
        return zip(*(table.column(name).to_pylist() for name in ("part", "id", "note")))

    def duck(source, **options):
        return duckdb.connect().read_parquet(source, **options).select("part, id, note").fetchall()

    checks = [
        ("pandas, list of files", rows, lambda: frame(pandas.read_parquet(committed, partitioning=None))),
        ("pyarrow, list of files", rows, lambda: table(pq.read_table(committed, partitioning=None))),
        (
            "pyarrow, folder",
            with_uncommitted,
            lambda: table(pyarrow.dataset.dataset(data, exclude_invalid_files=True).to_table()),
        ),
        ("duckdb, list of files", rows, lambda: duck(committed, hive_partitioning=False)),
        ("duckdb, glob", with_uncommitted, lambda: duck(glob, hive_partitioning=False)),
        (
            "polars, list of files",
            rows,
            lambda: polars.scan_parquet(committed, hive_partitioning=False).select("part", "id", "note").collect().rows(),
        ),
        (
            "polars, glob",
            with_uncommitted,
            lambda: polars.scan_parquet(glob, hive_partitioning=False).select("part", "id", "note").collect().rows(),
        ),
        # What the guide warns about.
        (
            "pyarrow, Hive partitions",
            [(HIVE.get(part, part), id, note) for part, id, note in rows],
            lambda: table(pyarrow.dataset.dataset(committed, format="parquet", partitioning=hive).to_table()),
        ),
        (
            "duckdb, Hive partitions, one file at a time",
            [({**HIVE, **TYPED}.get(part, part), id, note) for part, id, note in rows],
            lambda: [row for path in committed for row in duck([path], hive_partitioning=True)],
        ),
    ]
    failures = 0
    for name, wanted, read in checks:
        try:
            seen = list(read())
        except Exception as error:  # Each library has its own.
            seen = [f"{type(error).__name__}: {error}"]
        if sorted(map(repr, seen)) == sorted(map(repr, wanted)):
            print(f"{name}: {len(seen)} rows")
        else:
            print(f"FAIL {name}: {seen}, expected {wanted}")
            failures += 1
    print("all recipes work" if not failures else f"{failures} failures")
    return 1 if failures else 0


if __name__ == "__main__":
    if len(sys.argv) == 3 and sys.argv[1] == "--dataset":
        sys.exit(check_dataset(sys.argv[2]))
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
