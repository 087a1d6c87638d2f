"""Every tokenizer against `tokenizers` on real code, one thread: speed, and whether all ids are the same.

python benchmarks/tokenizer.py                              # the shipped one, Python's standard library
python benchmarks/tokenizer.py --site-packages PATH...      # these, with the installed packages' .py, .h and .js files

A PATH is what `hf_assets_path` takes; a rank file has no original on `tokenizers`, and is only timed.
"""

import argparse
import os
import sysconfig
import time
from pathlib import Path

os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["RAYON_NUM_THREADS"] = "1"

import numpy as np

from codetitan.tokenizer.encoding import ASSETS, open_encoding
from codetitan.tokenizer.original import Original
from codetitan.tokenizer.vocabulary import read_spec


def read_texts(folders: list[Path]) -> list[str]:
    """Returns the .py, .h and .js files that are UTF-8, in the order of their paths."""
    files = {file for folder in folders for end in ("py", "h", "js") for file in folder.rglob(f"*.{end}")}
    texts = []
    for file in sorted(files):
        try:
            texts.append(file.read_bytes().decode())
        except (OSError, UnicodeDecodeError):
            continue
    return texts


def original(path: str) -> Original | None:
    """Returns the tokenizer on `tokenizers`; None for a rank file or a name of tiktoken's."""
    for file in (Path(path), Path(path) / "tokenizer.json", ASSETS / path / "tokenizer.json"):
        if file.is_file() and file.suffix == ".json":
            return Original(read_spec(file))
    return None


def row(path: str, texts: list[str]) -> str:
    """Returns a line of the table."""
    start = time.perf_counter()
    encoding = open_encoding(path)
    load_s, other = time.perf_counter() - start, original(path)
    texts = [text for text in texts if encoding.can_encode(text)]
    seconds = other_seconds = 0.0
    n_ids = different = 0
    for text in texts:
        start = time.perf_counter()
        ids = encoding.encode(encoding.normalize(text))
        seconds += time.perf_counter() - start
        n_ids += len(ids)
        if other is not None and encoding.note is None:
            start = time.perf_counter()
            other_ids = other.encode(text)
            other_seconds += time.perf_counter() - start
            different += not np.array_equal(ids, other_ids)
    cells = [encoding.fingerprint, f"{load_s:.2f}", f"{len(texts):,}", f"{n_ids:,}", f"{n_ids / seconds / 1e6:.2f}"]
    if other_seconds:
        cells += [f"{n_ids / other_seconds / 1e6:.2f}", f"{other_seconds / seconds:.1f} ×", f"{different:,}"]
    else:
        cells += ["", "", "on tokenizers" if encoding.note else ""]
    return f"| {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("paths", nargs="*", default=["code-32k"], metavar="PATH")
    parser.add_argument("--site-packages", action="store_true")
    options = parser.parse_args()
    paths = sysconfig.get_paths()
    texts = read_texts([Path(paths[key]) for key in ("stdlib", *(["purelib"] if options.site_packages else []))])
    print(f"{len(texts):,} files, {sum(len(text.encode()) for text in texts) / 1e6:.1f} MB\n")
    print("| tokenizer | load s | files | ids | Mtok/s | tokenizers Mtok/s | faster | files that differ |")
    print("| --- | --: | --: | --: | --: | --: | --: | --: |")
    for path in options.paths:
        print(row(path, texts), flush=True)


if __name__ == "__main__":
    main()
