"""Reads a file with a Python library in a process of its own and prints what it took, as JSON.

python datasets_peer.py LIBRARY FILE rows|sum
"""

import json
import resource
import sys
import time

library, path, what = sys.argv[1:4]
is_csv = path.endswith(".csv")
is_jsonl = path.endswith(".jsonl")


def with_pandas():
    import pandas

    if is_csv:
        chunks = pandas.read_csv(path, chunksize=50_000)
    elif is_jsonl:
        chunks = pandas.read_json(path, lines=True, chunksize=50_000)
    else:
        chunks = [pandas.read_parquet(path)]
    if what == "rows":
        return sum(1 for chunk in chunks for _ in chunk.to_dict("records"))
    return int(sum(chunk["n"].sum() for chunk in chunks))


def with_pyarrow():
    import pyarrow.compute
    import pyarrow.csv
    import pyarrow.json
    import pyarrow.parquet

    if is_csv:
        batches = pyarrow.csv.open_csv(path)
    elif is_jsonl:
        batches = pyarrow.json.read_json(path).to_batches()
    else:
        batches = pyarrow.parquet.ParquetFile(path).iter_batches()
    if what == "rows":
        return sum(1 for batch in batches for _ in batch.to_pylist())
    return sum(pyarrow.compute.sum(batch.column(batch.schema.get_field_index("n"))).as_py() for batch in batches)


def with_duckdb():
    import duckdb

    duckdb.execute("set memory_limit = '512MB'; set threads = 2")
    if what == "sum":
        return int(duckdb.execute(f"select sum(n) from '{path}'").fetchone()[0])
    cursor = duckdb.execute(f"select * from '{path}'")
    names = [column[0] for column in cursor.description]
    rows = 0
    while batch := cursor.fetchmany(2048):
        rows += len([dict(zip(names, row)) for row in batch])
    return rows


started = time.perf_counter()
result = {"pandas": with_pandas, "pyarrow": with_pyarrow, "duckdb": with_duckdb}[library]()
seconds = time.perf_counter() - started
usage = resource.getrusage(resource.RUSAGE_SELF)
print(
    json.dumps(
        {
            "result": result,
            "seconds": seconds,
            "cpuSeconds": usage.ru_utime + usage.ru_stime,
            "peakMb": usage.ru_maxrss / 1024,
        }
    )
)
