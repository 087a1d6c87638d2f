"""How long sources take to open and to read from: `python benchmarks/sources.py`. Needs 2.5 GB of temporary space."""

import json
import os
import random
import sysconfig
import tempfile
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from codetitan.data.sources.open import Directory, Jsonl, Parquet, PythonStdlib, SourceConfig, open_source

LINES, READS = 10_000_000, 5000


def measure(label: str, config: SourceConfig) -> None:
    seconds = []
    for _ in range(2):
        start = time.perf_counter()
        source = open_source(config)
        seconds.append(time.perf_counter() - start)
    order = random.Random(0).choices(range(len(source)), k=READS)
    for _ in range(2):  # the second time from the page cache
        start = time.perf_counter()
        for index in order:
            source.read(index)
        us = (time.perf_counter() - start) / READS * 1e6
    opened = f"open {seconds[0]:6.2f} s, then {seconds[1]:6.3f} s"
    print(f"{label:<12} {len(source):>10,} documents  {opened}  read {us:5.1f} µs")


with tempfile.TemporaryDirectory() as name:
    folder = Path(name)
    os.environ["XDG_CACHE_HOME"] = name
    os.environ["HF_DATASETS_CACHE"] = name
    small = b'{"content": "def f(x):\\n    return x + 1\\n", "path": "a/b.py", "license": "mit"}\n' * 100_000
    with (folder / "small.jsonl").open("wb") as file:
        for _ in range(LINES // 100_000):
            file.write(small)
    packages = Path(sysconfig.get_path("purelib"))
    records = [
        {"content": path.read_text("utf-8", "replace"), "path": path.name, "lang": "Python"}
        for path in packages.glob("[a-s]*/**/*.py")
    ]
    (folder / "real.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    pq.write_table(pa.Table.from_pylist(records), folder / "real.parquet")
    measure("jsonl, small", Jsonl(path=f"{name}/small.jsonl"))
    measure("jsonl", Jsonl(path=f"{name}/real.jsonl"))
    measure("parquet", Parquet(path=f"{name}/real.parquet"))
    measure("directory", Directory(path=str(packages), repo_depth=1))
    measure("stdlib", PythonStdlib())
