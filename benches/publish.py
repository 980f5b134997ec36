#!/usr/bin/env python3
"""Measures a Delta table of many files: how long publishing takes, and how long DuckDB and deltalake take to load it.

    benches/publish.py [FILES] [ROUNDS]

Runs benches/publish.rs, which keeps the dataset in an S3 in its own process. Needs `pip install duckdb-extension-delta
duckdb-extension-httpfs deltalake`, and DuckDB in the version of its extensions.
"""

import json
import pathlib
import statistics
import subprocess
import sys

COMMAND = "cargo bench --locked -q -p benches --bench publish --features mimalloc --".split()

DUCKDB = """
import duckdb, duckdb_extension_delta, duckdb_extension_httpfs, pathlib, sys, time
host, url, files, id, key, secret, region = sys.argv[1:]
connection = duckdb.connect()
connection.execute("SET enable_progress_bar = false")
for module, name in [(duckdb_extension_httpfs, "httpfs"), (duckdb_extension_delta, "delta")]:
    folder = pathlib.Path(module.__file__).parent / "extensions" / f"v{duckdb.__version__}"
    connection.execute(f"LOAD '{folder / name}.duckdb_extension'")
connection.execute(f"CREATE SECRET (TYPE s3, KEY_ID '{key}', SECRET '{secret}', REGION '{region}', ENDPOINT '{host}', URL_STYLE 'path', USE_SSL false)")
began = time.monotonic()
rows = connection.execute(f"SELECT * FROM delta_scan('{url}') WHERE id = {id}").fetchall()
assert len(rows) == 1, rows
print(time.monotonic() - began)
"""

DELTALAKE = """
import deltalake, sys, time
host, url, files, id, key, secret, region = sys.argv[1:]
options = {"AWS_ENDPOINT_URL": f"http://{host}", "AWS_ALLOW_HTTP": "true", "AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret, "AWS_REGION": region}
began = time.monotonic()
table = deltalake.DeltaTable(url, storage_options=options)
assert len(table.file_uris()) == int(files)
print(time.monotonic() - began)
"""


def main(files="100000", rounds="5"):
    root = pathlib.Path(__file__).parent.parent
    server = subprocess.Popen(COMMAND + [files], cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    described = json.loads(server.stdout.readline())
    keys = described.pop("keys")
    for name, value in described.items():
        print(f"{name}: {value}")
    arguments = [described["endpoint"].removeprefix("http://"), described["url"], described["files"], described["id"], *keys]
    times = {"duckdb, one row": [], "deltalake, all paths": []}
    for _ in range(int(rounds)):
        for name, program in zip(times, [DUCKDB, DELTALAKE]):
            done = subprocess.run([sys.executable, "-c", program, *map(str, arguments)], stdout=subprocess.PIPE, check=True)
            times[name].append(float(done.stdout.split()[-1]))
    for name, seconds in times.items():
        print(f"{name}: median {statistics.median(seconds):.2f} s of {[round(one, 2) for one in sorted(seconds)]}")
    server.stdin.close()
    server.wait()


if __name__ == "__main__":
    main(*sys.argv[1:])
