#!/usr/bin/env python3
"""Writes the files in pyarrow-files/, which the tests of reading use. Run once, with pyarrow 26.

They contain column types and encodings that this library reads but never writes itself.
"""

import datetime as dt
import decimal
import pathlib

import pyarrow as pa
import pyarrow.parquet as pq

HERE = pathlib.Path(__file__).parent / "pyarrow-files"
HERE.mkdir(exist_ok=True)


def write(name, columns, **options):
    arrays = [array for _, array in columns]
    table = pa.table(arrays, names=[column for column, _ in columns])
    pq.write_table(table, HERE / f"{name}.parquet", **options)


def instants(values, unit, zone="UTC"):
    return pa.array(values, pa.timestamp(unit, zone))


# Columns in another order than in the record, extra columns, and every encoding of text.
write(
    "text",
    [
        ("extra", pa.array([[{"a": 1, "b": ["x"]}], [], None])),
        ("large_bytes", pa.array([b"\x00\xff", b"", b"longer than a view's inline bytes"], pa.large_binary())),
        ("dictionary", pa.array(["red", "blue", "red"]).dictionary_encode()),
        ("extra_2", pa.array([1.5, None, 2.5])),
        ("large", pa.array(["ä", "", "longer than the twelve bytes that a view holds"], pa.large_string())),
        ("view", pa.array(["v", "w", None], pa.string_view())),
        ("plain", pa.array(["a", "b", "c"])),
        ("fixed_as_bytes", pa.array([b"1234", b"5678", b"9abc"], pa.binary(4))),
        ("bytes_as_fixed", pa.array([b"1234", b"5678", b"9abc"], pa.binary())),
    ],
)

# Times in all units, with and without a zone.
for unit, of_second in [("s", 1), ("ms", 10**3), ("us", 10**6), ("ns", 10**9)]:
    at = [1773742500 * of_second + of_second // 8, -1, 0]
    write(
        f"units-{unit}",
        [
            ("utc", instants(at, unit)),
            ("zoned", instants(at, unit, "Europe/Berlin")),
            ("local", instants(at, unit, None)),
        ],
    )
write(
    "times",
    [
        ("date64", pa.array([dt.date(2026, 3, 17), dt.date(1969, 12, 31), dt.date(1970, 1, 1)], pa.date64())),
        ("time_ms", pa.array([86_399_999, 0, 1], pa.time32("ms"))),
        ("time_us", pa.array([86_399_999_999, 0, 1], pa.time64("us"))),
        ("time_ns", pa.array([86_399_999_999_999, 0, 1], pa.time64("ns"))),
    ],
)
write("int96", [("at", instants([1, 2], "us"))], use_deprecated_int96_timestamps=True)
write("far", [("at", instants([253402214400000, 0], "ms"))])

# Numbers narrower than in the record.
INTEGERS = {
    "i8": (pa.int8(), [-128, 127]),
    "i16": (pa.int16(), [-32768, 32767]),
    "i32": (pa.int32(), [-(2**31), 2**31 - 1]),
    "i64": (pa.int64(), [-(2**63), 2**63 - 1]),
    "u8": (pa.uint8(), [0, 255]),
    "u16": (pa.uint16(), [0, 65535]),
    "u32": (pa.uint32(), [0, 2**32 - 1]),
    "u64": (pa.uint64(), [0, 2**64 - 1]),
}
write(
    "numbers",
    [(name, pa.array(values, type_)) for name, (type_, values) in INTEGERS.items()]
    + [("f32", pa.array([0.1, -3.25], pa.float32())), ("f64", pa.array([0.1, -3.25], pa.float64()))],
)

# Decimals with other precisions, stored as integers and as bytes.
D = decimal.Decimal
DECIMALS = [
    ("p5s2", pa.decimal128(5, 2), ["123.45", "-0.01", None]),
    ("p18s6", pa.decimal128(18, 6), ["999999999999.999999", "-1", None]),
    ("p30s2", pa.decimal128(30, 2), ["12.34", "-12.34", None]),
    ("p38s10", pa.decimal128(38, 10), ["1.2345670000", "0", None]),
    ("p76s6", pa.decimal256(76, 6), ["1.234567", "-1.234567", None]),
    ("rounds", pa.decimal128(38, 10), ["1", "1.2345671", None]),
    ("cut", pa.decimal128(38, 0), ["1", "1" + "0" * 12, None]),
]
columns = [(name, pa.array([v and D(v) for v in values], type_)) for name, type_, values in DECIMALS]
write("decimals", columns)
write("decimals-integers", columns[:2], store_decimal_as_integer=True)

# Nested columns: fields in another order, extra fields, other names for list items, other kinds of lists.
point = pa.struct([("z", pa.int8()), ("extra", pa.list_(pa.int8())), ("y", pa.int16()), ("x", pa.int16())])
points = [{"x": 1, "y": 2, "z": 3, "extra": [9]}, {"x": 4, "y": 5, "z": 6, "extra": None}]
write(
    "nested",
    [
        ("point", pa.array([points[0], None, points[1]], point)),
        ("points", pa.array([points, [], points[:1]], pa.list_(point))),
        ("large_list", pa.array([["a", None], [], None], pa.large_list(pa.string()))),
        ("fixed_list", pa.array([[1, 2], [3, 4], [5, 6]], pa.list_(pa.int8(), 2))),
        ("lists", pa.array([[[1], [2, 3]], [[]], []], pa.list_(pa.list_(pa.int8())))),
        ("map", pa.array([[("k", 1), ("l", 2)], [], [("", 3)]], pa.map_(pa.string(), pa.int32()))),
        ("map_of_points", pa.array([[("p", points[0])], None, []], pa.map_(pa.large_string(), point))),
    ],
    use_compliant_nested_type=False,
)

# Nulls, including a column with nothing else.
write(
    "nulls",
    [
        ("count", pa.array([1, None, 3], pa.int32())),
        ("empty", pa.nulls(3)),
        ("tags", pa.array([["a", None], ["b"], ["c"]], pa.list_(pa.string()))),
    ],
)

# Several row groups whose metadata says that they are sorted. In the first file they are, also across groups. In the
# second only within each group, and in the third not at all.
SORTING = [pq.SortingColumn(1), pq.SortingColumn(0)]
for name, names in [("sorted", "aabbccdd"), ("sorted-unchained", "aabbaabb"), ("sorted-liar", "badcfehg")]:
    columns = [("version", pa.array(range(len(names)), pa.int64())), ("name", pa.array(list(names)))]
    write(name, columns, row_group_size=4, sorting_columns=SORTING)

# A page index, in the older format of pages and in the newer one, with nested columns.
ROWS = range(2_000)
for version in ["1.0", "2.0"]:
    columns = [
        ("id", pa.array(ROWS, pa.int64())),
        ("name", pa.array([f"name {row % 97}" if row % 7 else None for row in ROWS])),
        ("tags", pa.array([list(range(row % 4)) if row % 5 else None for row in ROWS], pa.list_(pa.int32()))),
        ("point", pa.array([{"x": row, "y": str(row)} for row in ROWS], pa.struct([("x", pa.int64()), ("y", pa.string())]))),
    ]
    options = {"data_page_size": 700, "write_batch_size": 64, "dictionary_pagesize_limit": 400}
    write(f"pages-{version[0]}", columns, data_page_version=version, write_page_index=True, **options)
