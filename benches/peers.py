#!/usr/bin/env python3
"""Compares reads of a dataset on Ceph with DuckDB, Polars and pyarrow: seconds, peak memory, and ratios within one run.

    benches/peers.py [ROUNDS]

Starts Ceph, writes the dataset of benches/scan.rs once, and runs each reader in turns, each in a process of its own. Needs
`pip install duckdb duckdb-extension-httpfs polars pyarrow`. The folder is $DIR, or target/peers.
"""

import importlib
import os
import pathlib
import re
import resource
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
DIR = pathlib.Path(os.environ.get("DIR", ROOT / "target" / "peers"))
PORT = os.environ.get("PORT", "23480")
FILES = "s3://bench/scan/data/*/*.parquet"

OURS = ["batches", "batches-1", "stream", "stream-1", "vec", "column", "column-1"]
PEERS = ["duckdb", "duckdb-latest", "duckdb-column", "polars", "polars-column", "pyarrow", "pyarrow-column"]


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    environment = os.environ | start_ceph()
    try:
        program = build("scan", "mimalloc")
        write_dataset(environment)
        seen = {}
        for round_ in range(rounds + 1):
            for name in OURS + PEERS:
                command = [program, name] if name in OURS else [sys.executable, __file__, "--peer", name]
                line = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout
                _, seconds, mib, records, total = line.split()
                # The first round warms up.
                if round_ > 0:
                    seen.setdefault(name, []).append((float(seconds), int(mib), records, total))
        report(seen)
    finally:
        stop_ceph()


def stop_ceph():
    subprocess.run([ROOT / ".ci/s3-servers.sh", "ceph", "stop", DIR / "ceph"], check=False)


def write_dataset(environment):
    marker = DIR / "written"
    if not marker.exists():
        subprocess.run([build("scan", "mimalloc"), "write"], env=environment, check=True)
        marker.touch()


def start_ceph():
    command = [ROOT / ".ci/s3-servers.sh", "ceph", "start", DIR / "ceph", PORT]
    if (DIR / "ceph").exists():
        subprocess.run(["rm", "-rf", DIR / "ceph", DIR / "written", DIR / "flights-written"], check=True)
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return dict(re.findall(r"(\w+)=(\S+)", lines))


def build(bench, features):
    command = ["cargo", "bench", "-p", "benches", "--bench", bench, "--features", features, "--no-run"]
    lines = subprocess.run(command, cwd=ROOT, check=True, stderr=subprocess.PIPE, text=True).stderr
    return str(ROOT / re.search(rf"\((\S*{bench}-[0-9a-f]+)\)", lines)[1])


def report(seen):
    median = {name: statistics.median(seconds for seconds, *_ in runs) for name, runs in seen.items()}
    fastest = min(median[name] for name in ["duckdb", "polars", "pyarrow"])
    fastest_column = min(median[name] for name in ["duckdb-column", "polars-column", "pyarrow-column"])
    print(f"{'':<16}{'seconds':>24}{'median':>9}{'ratio':>7}{'MiB':>7}{'records':>10}")
    for name, runs in seen.items():
        base = fastest_column if "column" in name else fastest
        seconds = ", ".join(f"{seconds:.2f}" for seconds, *_ in runs)
        mib = max(mib for _, mib, *_ in runs)
        print(f"{name:<16}{seconds:>24}{median[name]:>9.2f}{median[name] / base:>7.2f}{mib:>7}{runs[0][2]:>10}")
    print("ratio: to the fastest of DuckDB, Polars and pyarrow without deduplication, with all columns or with one")
    sums = {name: {run[3] for run in seen[name]} for name in ["batches", "stream", "vec", "column", "duckdb-latest"]}
    if len(set.union(*sums.values())) != 1:
        sys.exit(f"the sums of the latest records differ: {sums}")


def load(engine):
    """Imports what an engine needs, which is no part of its time."""
    for module in {engine, "pyarrow.compute", "pyarrow.parquet"}:
        importlib.import_module(module)


def peer(name):
    reader, _, what = name.partition("-")
    load(reader)
    began = time.monotonic()
    records, total = {"duckdb": duckdb, "polars": polars, "pyarrow": pyarrow}[reader](what)
    seconds = time.monotonic() - began
    print(name, f"{seconds:.3f}", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024, records, total)


def endpoint():
    return os.environ["S3STORE_TEST_ENDPOINT"].removeprefix("http://")


def duckdb_connection():
    import duckdb

    connection = duckdb.connect()
    connection.execute(f"LOAD '{httpfs()}'")
    connection.execute(
        "CREATE SECRET (TYPE s3, KEY_ID 'test', SECRET 'testtest', URL_STYLE 'path', USE_SSL false,"
        f" ENDPOINT '{endpoint()}')"
    )
    return connection


def duckdb(what):
    connection = duckdb_connection()
    files = f"read_parquet('{FILES}', hive_partitioning = false)"
    if what == "column":
        return 5_000_000, connection.execute(f"SELECT sum(quantity) FROM {files}").fetchone()[0]
    latest = (
        " QUALIFY row_number() OVER (PARTITION BY period, customer, sku ORDER BY quantity DESC) = 1"
        if what == "latest"
        else ""
    )
    batches = connection.execute(f"SELECT * FROM {files}{latest}").fetch_record_batch(100_000)
    return added_up(batches)


def httpfs():
    import duckdb
    import duckdb_extension_httpfs

    folder = pathlib.Path(duckdb_extension_httpfs.__file__).parent
    return folder / "extensions" / f"v{duckdb.__version__}" / "httpfs.duckdb_extension"


def added_up(batches):
    import pyarrow.compute

    records = total = 0
    for batch in batches:
        records += batch.num_rows
        total += pyarrow.compute.sum(batch.column(batch.schema.get_field_index("quantity"))).as_py() or 0
    return records, total


def polars_options():
    return {
        "aws_endpoint_url": os.environ["S3STORE_TEST_ENDPOINT"],
        "aws_access_key_id": "test",
        "aws_secret_access_key": "testtest",
        "aws_region": "us-east-1",
        "aws_allow_http": "true",
    }


def polars(what):
    import polars

    frame = polars.scan_parquet(FILES, storage_options=polars_options(), hive_partitioning=False)
    if what == "column":
        return 5_000_000, frame.select(polars.col("quantity").sum()).collect().item()
    frame = frame.collect()
    return frame.height, frame["quantity"].sum()


def pyarrow(what):
    import pyarrow.dataset
    import pyarrow.fs

    files = pyarrow.fs.S3FileSystem(
        access_key="test", secret_key="testtest", scheme="http", endpoint_override=endpoint(), region="us-east-1"
    )
    dataset = pyarrow.dataset.dataset(
        [
            info.path
            for info in files.get_file_info(pyarrow.fs.FileSelector("bench/scan/data", recursive=True))
            if info.path.endswith(".parquet")
        ],
        filesystem=files,
        format="parquet",
        partitioning=None,
    )
    return added_up(dataset.to_batches(columns=["quantity"] if what == "column" else None))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--peer"]:
        peer(sys.argv[2])
    else:
        main()
