#!/usr/bin/env python3
"""Reads published Delta tables on an S3 server with other engines, and compares the rows with those that were written.

    check-delta.py FILE.json
    check-delta.py --flights FILE.json

FILE.json is what `tests/integration/delta_readers.rs` wrote about the tables. The second form compares
a table with a CSV file. The endpoint and credentials are those of the tests: S3STORE_TEST_ENDPOINT, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_REGION. Needs `pip install deltalake polars
pandas pyarrow chdb daft pyspark duckdb-extension-delta duckdb-extension-httpfs`, and DuckDB in the version of its extensions.
"""

import datetime
import decimal
import json
import os
import pathlib
import sys
import tempfile
import urllib.parse
import uuid

import chdb
import daft
import deltalake
import duckdb
import duckdb_extension_delta
import duckdb_extension_httpfs
import polars
import pyarrow as pa
import pyarrow.fs

ENDPOINT = os.environ["S3STORE_TEST_ENDPOINT"]
HOST = ENDPOINT.removeprefix("http://")
KEY, SECRET = os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"]
REGION = os.environ["AWS_REGION"]
OPTIONS = {
    "AWS_ENDPOINT_URL": ENDPOINT,
    "AWS_ALLOW_HTTP": "true",
    "AWS_ACCESS_KEY_ID": KEY,
    "AWS_SECRET_ACCESS_KEY": SECRET,
    "AWS_REGION": REGION,
    # Without it, deltalake does not write.
    "AWS_S3_ALLOW_UNSAFE_RENAME": "true",
}
FILES = pyarrow.fs.S3FileSystem(
    access_key=KEY, secret_key=SECRET, endpoint_override=HOST, scheme="http", region=REGION, force_virtual_addressing=False
)


class Table:
    """A Delta table, as each engine opens it. Each reader returns an Arrow table."""

    def __init__(self, bucket, prefix):
        self.folder = f"{bucket}/{prefix}"
        self.url = f"s3://{self.folder}"

    def delta(self):
        return deltalake.DeltaTable(self.url, storage_options=OPTIONS)

    def deltalake(self):
        return self.delta().to_pyarrow_table()

    def pandas(self):
        return pa.Table.from_pandas(self.delta().to_pandas())

    def duckdb(self, query="SELECT * FROM SOURCE"):
        return duckdb_connection().execute(query.replace("SOURCE", f"delta_scan('{self.url}')")).to_arrow_table()

    def polars(self, columns=None, **options):
        frame = polars.scan_delta(self.url, storage_options=OPTIONS, **options)
        return (frame.select(columns) if columns else frame).collect().to_arrow()

    def clickhouse(self, columns="*"):
        source = f"deltaLake('{ENDPOINT}/{self.folder}', '{KEY}', '{SECRET}')"
        return chdb.query(f"SELECT {columns} FROM {source}", "ArrowTable")

    def daft(self):
        config = daft.io.S3Config(endpoint_url=ENDPOINT, key_id=KEY, access_key=SECRET, region_name=REGION, use_ssl=False)
        return daft.read_deltalake(self.url, io_config=daft.io.IOConfig(s3=config)).to_arrow()

    def spark(self, query="SELECT * FROM SOURCE"):
        """Reads the files that the log names, with the schema of the log, by Spark's Parquet reader, from copies: Spark's reader
        of Delta tables and of S3 are not on PyPI."""
        with tempfile.TemporaryDirectory() as folder:
            delta = self.delta()
            copies = []
            paths = pa.table(delta.get_add_actions(flatten=True)).column("path").to_pylist()
            for number, path in enumerate(paths):
                key = f"{self.folder}/{urllib.parse.unquote(path)}"
                copies.append(f"{folder}/{number}.parquet")
                with FILES.open_input_stream(key) as source, open(copies[-1], "wb") as target:
                    target.write(source.read())
            return spark_rows(delta.schema().to_json(), copies, query)


def duckdb_connection():
    connection = duckdb.connect()
    for module, name in [(duckdb_extension_httpfs, "httpfs"), (duckdb_extension_delta, "delta")]:
        folder = pathlib.Path(module.__file__).parent / "extensions" / f"v{duckdb.__version__}"
        connection.execute(f"LOAD '{folder / name}.duckdb_extension'")
    # For keys with `?`.
    connection.execute("SET s3_url_compatibility_mode = true")
    connection.execute(
        f"CREATE SECRET (TYPE s3, KEY_ID '{KEY}', SECRET '{SECRET}', REGION '{REGION}', ENDPOINT '{HOST}', "
        "URL_STYLE 'path', USE_SSL false)"
    )
    return connection


SPARK = None


def spark_rows(schema, files, query):
    global SPARK
    if SPARK is None:
        from pyspark.sql import SparkSession

        builder = SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false")
        builder = builder.config("spark.driver.host", "127.0.0.1").config("spark.sql.session.timeZone", "UTC")
        SPARK = builder.config("spark.log.level", "ERROR").getOrCreate()
    from pyspark.sql.types import StructType

    SPARK.read.schema(StructType.fromJson(json.loads(schema))).parquet(*files).createOrReplaceTempView("published")
    return SPARK.sql(query.replace("SOURCE", "published")).toArrow()


def form(value):
    """Returns a value in the form that tests/integration/delta_readers.rs writes."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, uuid.UUID):
        return value.hex
    if isinstance(value, datetime.datetime):
        zoned = value if value.tzinfo else value.replace(tzinfo=datetime.timezone.utc)
        return round((zoned - datetime.datetime.fromtimestamp(0, datetime.timezone.utc)) / datetime.timedelta(microseconds=1))
    if isinstance(value, (datetime.date, decimal.Decimal)):
        return str(value)
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, dict):
        return {name: form(member) for name, member in value.items()}
    if isinstance(value, list):
        return [form(member) for member in value]
    return value


def rows_of(table):
    rows = [{name: form(value) for name, value in row.items()} for row in table.to_pylist()]
    for row in rows:
        if "scores" in row:
            # A map is a list of pairs, or of structs in engines without maps.
            row["scores"] = dict(tuple(pair.values()) if isinstance(pair, dict) else pair for pair in row["scores"])
    return rows


FAILURES = []


def check(name, read, expected, lost=()):
    """Compares rows. `lost` are columns that the engine returns in another form, which the guide lists."""
    try:
        seen = rows_of(read())
    except Exception as error:  # Each library has its own.
        return fail(f"{name}: {type(error).__name__}: {str(error)[:2000]}")
    order = lambda rows: sorted(rows, key=lambda row: json.dumps(row, sort_keys=True, default=str))
    wanted = [{column: value for column, value in row.items() if column not in lost} for row in expected]
    seen = [{column: value for column, value in row.items() if column not in lost} for row in seen]
    if len(seen) != len(wanted):
        return fail(f"{name}: {len(seen)} rows, expected {len(wanted)}")
    key = "id" if len({row["id"] for row in wanted}) == len(wanted) else None
    seen, wanted = [sorted(rows, key=lambda row: row["id"]) if key else order(rows) for rows in (seen, wanted)]
    different = 0
    for row, other in zip(seen, wanted):
        for column in row.keys() | other.keys():
            if row.get(column, "missing") != other.get(column, "missing"):
                different += 1
                if different <= 5:
                    fail(f"{name}: {column} of {other['id']}: {row.get(column)!r}, expected {other.get(column)!r}")
    if not different:
        print(f"{name}: {len(seen)} rows of {len(wanted[0])} columns")


def fail(message):
    FAILURES.append(message)
    print(f"FAIL {message}")


def check_conditions(table):
    """Checks that statistics exclude no file that has a row, and that they exclude some."""
    connection = duckdb_connection()
    columns = ["id", "tiny", "small", "number", "day", "at_ms", "at_us", "local", "price", "text", "long", "part"]
    source = f"delta_scan('{table.url}')"
    # A copy without statistics of files.
    connection.execute(f"CREATE TABLE copied AS SELECT * FROM {source}")
    before, queries = len(FAILURES), 0
    for column in columns:
        values = connection.execute(f"SELECT DISTINCT {column}::VARCHAR FROM copied WHERE id % 13 = 0").fetchall()
        conditions = [f"{column} IS NULL", f"{column} IS NOT NULL"]
        for (value,) in values:
            if value is not None:
                text = value.replace("'", "''")
                conditions += [f"{column} {comparison} '{text}'" for comparison in ("=", "<", ">=", "<>")]
        for condition in conditions:
            wanted, seen = (
                connection.execute(f"SELECT count(*), sum(id) FROM {one} WHERE {condition}").fetchone() for one in ("copied", source)
            )
            queries += 1
            if seen != wanted:
                fail(f"duckdb, {condition}: {seen}, expected {wanted}")
    plan = connection.execute(f"EXPLAIN ANALYZE SELECT * FROM {source} WHERE id = 100").fetchall()[0][1]
    if "Scanning Files: 1/" not in " ".join(plan.split()):
        fail(f"duckdb does not skip files: {plan}")
    if len(FAILURES) == before:
        print(f"duckdb: {queries} conditions on {len(columns)} columns, and one reads a single file")


def vacuum(table):
    table.vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=False, full=True)


def append(table):
    rows = pa.table({"part": ["plain"], "id": [1], "revision": [1], "note": ["appended"]})
    deltalake.write_deltalake(table, rows, mode="append")


def check_refused(table, name, change):
    """Checks that a change of the Delta table is refused, and leaves all files as they are."""
    selector = pyarrow.fs.FileSelector(table.folder, recursive=True)
    files = lambda: sorted((file.path, file.size, file.mtime) for file in FILES.get_file_info(selector))
    before = files()
    try:
        change(table.delta())
    except Exception as error:  # Of a module without a stable name.
        if "s3store" not in str(error):
            return fail(f"deltalake refuses to {name} with another error: {error}")
        if files() == before and before:
            return print(f"deltalake refuses to {name}")
    fail(f"deltalake did not refuse to {name}")


def main(path):
    with open(path, encoding="utf-8") as file:
        described = json.load(file)
    parts, types = (Table(described["bucket"], described[name]["prefix"]) for name in ("parts", "types"))

    named = lambda rows: [dict(zip(("part", "id", "revision", "note"), row)) for row in rows]
    rows, latest = named(described["parts"]["rows"]), named(described["parts"]["latest"])
    for name in ["duckdb", "deltalake", "pandas", "clickhouse", "daft", "spark"]:
        check(f"{name}, partition values", getattr(parts, name), rows)
    # Its own reader does not find keys with spaces.
    check("polars with pyarrow, partition values", lambda: parts.polars(use_pyarrow=True), rows)
    check("duckdb, latest", lambda: parts.duckdb(described["parts"]["duckdb"]), latest)
    check("spark, latest", lambda: parts.spark(described["parts"]["spark"]), latest)

    rows = described["types"]["rows"]
    columns = [column for column in rows[0] if column != "big"]
    check("duckdb, types", types.duckdb, rows)
    check("deltalake, types", types.deltalake, rows)
    # Its own reader fails on a decimal that is a u64 in the files.
    check("polars, types", lambda: types.polars(columns), rows, lost=["big"])
    # It returns bytes as text, and a uuid as its text.
    columns = "* REPLACE (lower(hex(bytes)) AS bytes, replaceAll(uid, '-', '') AS uid)"
    check("clickhouse, types", lambda: types.clickhouse(columns), rows)
    check("daft, types", types.daft, rows)
    check("spark, types", types.spark, rows)
    check_conditions(types)

    check_refused(parts, "vacuum", vacuum)
    check_refused(parts, "compact", lambda table: table.optimize.compact())
    check_refused(parts, "append", append)
    print("all engines agree" if not FAILURES else f"{len(FAILURES)} failures")
    return 1 if FAILURES else 0


def check_flights(path):
    """Compares the flights with their CSV file, as DuckDB reads both."""
    with open(path, encoding="utf-8") as file:
        described = json.load(file)
    published = f"(SELECT * REPLACE (nullif(tailnum, 'NA') AS tailnum) FROM delta_scan('{Table(described['bucket'], described['prefix']).url}'))"
    flights = f"read_csv('{described['csv']}', nullstr = 'NA')"
    connection = duckdb_connection()
    connection.execute("SET timezone = 'UTC'")
    counts = [connection.execute(f"SELECT count(*) FROM {source}").fetchone()[0] for source in (published, flights)]
    columns = ", ".join(name for name, *_ in connection.execute(f"DESCRIBE SELECT * FROM {flights}").fetchall())
    for one, other in [(published, flights), (flights, published)]:
        query = f"SELECT count(*) FROM (SELECT {columns} FROM {one} EXCEPT ALL SELECT {columns} FROM {other})"
        if connection.execute(query).fetchone()[0]:
            fail(f"the table has {counts[0]} flights, the CSV {counts[1]}, and they differ")
    print(f"duckdb: {counts[0]} flights in the table, {counts[1]} in the CSV" + ("" if FAILURES else ", all equal"))
    return 1 if FAILURES else 0


if __name__ == "__main__":
    if len(sys.argv) == 3 and sys.argv[1] == "--flights":
        sys.exit(check_flights(sys.argv[2]))
    sys.exit(main(sys.argv[1]) if len(sys.argv) == 2 else __doc__)
