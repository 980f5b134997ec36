#!/usr/bin/env python3
"""Writes DuckDB's answers to the queries in tpch/, which tests/sql/tpch.rs compares with ours.

    tests/data/make_tpch_answers.py SCALE…

`q18_orders` is query 18 without the name of the customer, and with a smaller quantity. Needs `pip install duckdb duckdb-extension-tpch`.
"""

import pathlib
import sys

import duckdb
import duckdb_extension_tpch

HERE = pathlib.Path(__file__).parent / "tpch"
FOLDER = pathlib.Path(duckdb_extension_tpch.__file__).parent / "extensions" / f"v{duckdb.__version__}"

for scale in sys.argv[1:]:
    connection = duckdb.connect()
    connection.execute(f"LOAD '{FOLDER / 'tpch.duckdb_extension'}'")
    connection.execute(f"CALL dbgen(sf = {scale})")
    answers = HERE / f"scale-{scale}"
    answers.mkdir(exist_ok=True)
    for query in sorted(HERE.glob("*.sql")):
        rows = connection.execute(query.read_text()).fetchall()
        lines = ["|".join("null" if value is None else str(value) for value in row) for row in rows]
        (answers / f"{query.stem}.txt").write_text("\n".join(lines) + "\n")
