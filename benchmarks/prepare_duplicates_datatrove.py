"""datatrove's own near-deduplication, for `prepare_duplicates.py`, by a Python that has datatrove.

As many bands and rows; words are what a regular expression says, which is faster than its spaCy tokenizer.
"""

import json
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path

import xxhash
from datatrove.executor import LocalPipelineExecutor
from datatrove.pipeline.dedup.minhash import (
    MinhashConfig,
    MinhashDedupBuckets,
    MinhashDedupCluster,
    MinhashDedupFilter,
    MinhashDedupSignature,
)
from datatrove.pipeline.readers import JsonlReader
from datatrove.pipeline.writers import JsonlWriter
from datatrove.utils.word_tokenizers import WordTokenizer


def _of_text(data: str | bytes, digest: Callable[[bytes], int] = xxhash.xxh64_intdigest) -> int:
    return digest(data.encode() if isinstance(data, str) else data)


# datatrove 0.10.1 hashes texts, which xxhash 4 does not take any more.
xxhash.xxh64_intdigest = _of_text


class Words(WordTokenizer):
    def word_tokenize(self, text: str) -> list[str]:
        return re.findall(r"\w+", text)

    def sent_tokenize(self, text: str) -> list[str]:
        return [text]

    def span_tokenize(self, text: str) -> list[tuple[int, int]]:
        return [match.span() for match in re.finditer(r"\w+", text)]


CONFIG = MinhashConfig(n_grams=5, num_buckets=25, hashes_per_bucket=10)


def signatures(source: str, output: str) -> None:
    """Prints the CPU seconds from texts to signatures."""
    step = MinhashDedupSignature(output, CONFIG, language=Words())
    texts = [document.text for document in JsonlReader(source).run()]
    start = time.process_time()
    for text in texts:
        shingles = step.get_shingles(text)
        if shingles.size:
            step.get_signature(shingles)
    print(time.process_time() - start)


def whole(source: str, output: str) -> None:
    """Signatures, buckets, clusters and what stays, in one process."""
    reader = JsonlReader(source)
    pipelines = [
        [reader, MinhashDedupSignature(f"{output}/signatures", CONFIG, language=Words())],
        [MinhashDedupBuckets(f"{output}/signatures", f"{output}/buckets", config=CONFIG)],
        [MinhashDedupCluster(f"{output}/buckets", f"{output}/remove", config=CONFIG)],
        [reader, MinhashDedupFilter(f"{output}/remove"), JsonlWriter(f"{output}/kept", compression=None)],
    ]
    for number, pipeline in enumerate(pipelines):
        tasks = CONFIG.num_buckets if number == 1 else 1
        LocalPipelineExecutor(pipeline, tasks=tasks, workers=1, logging_dir=f"{output}/logs/{number}").run()
    kept = sum(len(path.read_bytes().splitlines()) for path in Path(output, "kept").glob("*.jsonl"))
    print(json.dumps({"kept": kept}))


if __name__ == "__main__":
    what, *folders = sys.argv[1:]
    {"signatures": signatures, "whole": whole}[what](*folders)
