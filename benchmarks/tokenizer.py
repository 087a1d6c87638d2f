"""tiktoken against tokenizers on the standard library, one thread, identical ids.

python benchmarks/tokenizer.py
"""

import os
import time

os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["RAYON_NUM_THREADS"] = "1"

import tokenizers

from codetitan.data.document import Document
from codetitan.data.sources import PythonStdlib, open_source
from codetitan.tokenizer.encoding import load_encoding, tokenizer_folder


def main() -> None:
    folder, source = tokenizer_folder("code-32k"), open_source(PythonStdlib())
    documents = [source.read(index) for index in range(len(source))]
    texts = [document.text for document in documents if isinstance(document, Document)]
    encoding = load_encoding(folder)
    original = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    original.encode_special_tokens = True
    print("| | Mtok/s |\n| --- | --: |")
    ids: dict[str, list[list[int]]] = {}
    for name, encode in (
        ("tiktoken", encoding.encode_ordinary),
        ("tokenizers", lambda text: original.encode(text, add_special_tokens=False).ids),
    ):
        start = time.perf_counter()
        ids[name] = [encode(text) for text in texts]
        seconds = time.perf_counter() - start
        print(f"| {name} | {sum(map(len, ids[name])) / seconds / 1e6:.2f} |")
    assert ids["tiktoken"] == ids["tokenizers"]
    print(f"\n{sum(map(len, ids['tiktoken'])):,} ids of {len(texts)} files, all equal")


if __name__ == "__main__":
    main()
