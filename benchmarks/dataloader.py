"""Tokens a second of the data path on one core, on the Python standard library: codetitan's loader, torchtitan's
HuggingFaceTextDataLoader, and tiktoken alone, with the same vocabulary, in turns in one process.

    python benchmarks/dataloader.py                      the table
    python benchmarks/dataloader.py --startup 10000000   the time to open that many small documents (1.2 GB of disk)
    python benchmarks/dataloader.py --epochs 20          resident memory after each epoch
"""

import argparse
import datetime
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

os.environ.update(TOKENIZERS_PARALLELISM="false", RAYON_NUM_THREADS="1", OMP_NUM_THREADS="1", HF_DATASETS_OFFLINE="1")
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})  # one core, background threads included

import torch

from codetitan.data.document import Document
from codetitan.data.pieces.fim import FimConfig, SpanConfig
from codetitan.data.pieces.metadata import MetadataConfig
from codetitan.data.rows.loader import CodeDataLoader
from codetitan.data.rows.packing import IGNORE_INDEX
from codetitan.data.sources.open import Jsonl, PythonStdlib, SourceConfig, open_source
from codetitan.tokenizer.code_tokenizer import CodeTokenizer
from codetitan.tokenizer.encoding import ASSETS

torch.set_num_threads(1)
ROWS, PREFETCH = 8, 4
TOKENIZER = CodeTokenizer(CodeTokenizer.Config(), tokenizer_path="code-32k")


def texts() -> list[str]:
    source = open_source(PythonStdlib())
    documents = [source.read(i) for i in range(len(source))]
    return [document.text for document in documents if isinstance(document, Document)]


def codetitan_loader(source: SourceConfig, seq_len: int, **options: Any) -> CodeDataLoader:
    config = CodeDataLoader.Config(sources=[source], prefetch=PREFETCH, **options)
    return CodeDataLoader(
        config, dp_world_size=1, dp_rank=0, tokenizer=TOKENIZER, seq_len=seq_len, local_batch_size=ROWS
    )


def torchtitan_loader(corpus: list[str], seq_len: int) -> Any:
    """torchtitan's own, over the same texts in memory."""
    from datasets import Dataset
    from torchtitan.components.tokenizer import HuggingFaceTokenizer
    from torchtitan.hf_datasets import DatasetConfig, text_datasets

    text_datasets.DATASETS["stdlib"] = DatasetConfig(
        path="memory", loader=lambda path: Dataset.from_dict({"text": corpus}), sample_processor=lambda s: s["text"]
    )
    tokenizer = HuggingFaceTokenizer.Config().build(tokenizer_path=str(ASSETS / "code-32k"))
    return text_datasets.HuggingFaceTextDataLoader(
        text_datasets.HuggingFaceTextDataLoader.Config(dataset="stdlib"),
        dp_world_size=1,
        dp_rank=0,
        tokenizer=tokenizer,
        seq_len=seq_len,
        local_batch_size=ROWS,
    )


def raw(corpus: list[str]) -> Iterator[int]:
    """tiktoken's encode_ordinary alone, text by text: tokens of each."""
    encode = TOKENIZER.encoding._engine._encoding.encode_ordinary  # tiktoken's own object, from the loader's tokenizer
    while True:
        for text in corpus:
            yield len(encode(text))


def of_batches(batches: Iterator[Any]) -> Iterator[int]:
    """Tokens of each batch: positions with a label."""
    for _, labels in batches:
        yield int((labels != IGNORE_INDEX).sum())


def speed(tokens: Iterator[int], at_least: int) -> float:
    """Million tokens a second over at least so many tokens, after the batches that were prepared in the meantime."""
    for _ in range(PREFETCH + 2):
        next(tokens)
    n, start = 0, time.perf_counter()
    while n < at_least:
        n += next(tokens)
    return n / (time.perf_counter() - start) / 1e6


def table(rounds: int, seq_lens: list[int]) -> dict[str, Any]:
    corpus = texts()
    metadata = MetadataConfig(repo=0.2, path=0.2, stars=0.2)
    fim = FimConfig(rate=0.5)
    syntax = FimConfig(rate=0.5, spans=SpanConfig(random=0.5, syntax=0.5))
    contenders: dict[str, Iterator[int]] = {"tiktoken encode_ordinary": raw(corpus)}
    for seq_len in seq_lens:
        on: dict[str, Any] = {"metadata": metadata, "fim": fim}
        for name, options in {
            "best-fit, FIM 0.5, metadata": {**on, "workers": 0},
            "the same, 1 thread in the background": on,
            "the same, half of the holes syntax": {**on, "fim": syntax, "workers": 0},
            "concatenate, FIM 0.5, metadata": {**on, "packing": "concatenate", "workers": 0},
            "best-fit, no FIM, no metadata": {"workers": 0},
        }.items():
            contenders[f"codetitan {seq_len}: {name}"] = of_batches(
                iter(codetitan_loader(PythonStdlib(), seq_len, **options))
            )
        contenders[f"torchtitan {seq_len}: HuggingFaceTextDataLoader"] = of_batches(
            iter(torchtitan_loader(corpus, seq_len))
        )
    for tokens in contenders.values():
        speed(tokens, 300_000)  # warm-up: first blocks, caches
    speeds: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, tokens in contenders.items():
            speeds[name].append(speed(tokens, 1_000_000 if "torchtitan" in name else 3_000_000))
    raw_speeds = speeds["tiktoken encode_ordinary"]
    print("| one core | Mtok/s | of tiktoken alone | × torchtitan's |\n| --- | --: | --: | --: |")
    results = {}
    for name, values in speeds.items():
        of_raw = statistics.median(v / r for v, r in zip(values, raw_speeds, strict=True))
        theirs = speeds.get(f"torchtitan {name.split()[1].rstrip(':')}: HuggingFaceTextDataLoader")
        times = statistics.median(v / t for v, t in zip(values, theirs, strict=True)) if theirs else None
        results[name] = {"mtok_per_s": statistics.median(values), "of_tiktoken": of_raw, "of_torchtitan": times}
        shown = f"{times:.1f}" if times else ""
        print(f"| {name} | {statistics.median(values):.2f} | {of_raw:.2f} | {shown} |")
    return results


def resident_mib() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def memory(epochs: int) -> None:
    loader = codetitan_loader(
        PythonStdlib(), 2048, metadata=MetadataConfig(repo=0.2, path=0.2), fim=FimConfig(rate=0.5)
    )
    tokens, epoch_tokens = of_batches(iter(loader)), sum(len(TOKENIZER.encode(text)) for text in texts())
    print("| epoch | resident MiB |\n| --: | --: |")
    for epoch in range(1, epochs + 1):
        speed(tokens, epoch_tokens)
        print(f"| {epoch} | {resident_mib():.0f} |")


def startup(n: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        os.environ["XDG_CACHE_HOME"] = f"{folder}/cache"
        file = Path(folder) / "small.jsonl"
        with file.open("w") as out:
            for i in range(n):
                out.write(json.dumps({"text": f"def f{i}(x):\n    return x + {i}\n", "path": f"src/f{i}.py"}) + "\n")
        print(f"{n:,} documents, {file.stat().st_size / 1e9:.2f} GB\n\n| | s |\n| --- | --: |")
        for name in ("the first time", "again"):
            start = time.perf_counter()
            loader = codetitan_loader(Jsonl(path=str(file)), 2048, fim=FimConfig(rate=0.5))
            opened = time.perf_counter() - start
            next(iter(loader))
            print(f"| open, {name} | {opened:.2f} |\n| … and the first batch | {time.perf_counter() - start:.2f} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seq-len", type=int, nargs="+", default=[2048, 8192])
    parser.add_argument("--startup", type=int, metavar="DOCUMENTS")
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--json", type=Path, help="write the table's figures there")
    options = parser.parse_args()
    if options.startup:
        startup(options.startup)
    elif options.epochs:
        memory(options.epochs)
    else:
        results = table(options.rounds, options.seq_len)
        if options.json:
            packages = ("tiktoken", "tokenizers", "torch", "torchtitan", "numpy")
            cpu = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
            record = {
                "device": f"one core of {cpu[0].partition(':')[2].strip()}" if cpu else platform.machine(),
                "versions": {"python": platform.python_version()} | {name: version(name) for name in packages},
                "date": datetime.date.today().isoformat(),
                "command": " ".join(["python", *sys.argv]),
                "results": results,
            }
            options.json.write_text(json.dumps(record, indent=2) + "\n")


if __name__ == "__main__":
    main()
