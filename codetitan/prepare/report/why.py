"""Why a file is not in the corpus, in one line: `codetitan prepare why`."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from codetitan.errors import ConfigError, did_you_mean
from codetitan.prepare.tables import rows

_MOST = 20


def _named(row: Mapping[str, Any]) -> str:
    return f"{row['repo']}/{row['path']}" if row["repo"] else str(row["path"])


def sentence(row: Mapping[str, Any]) -> str:
    """Returns why a row of dropped/*.parquet was dropped."""
    text = f"{_named(row)}: dropped by {row['rule']}: {row['reason']}"
    if row["twin"] is not None:
        similar = "" if row["similarity"] is None else f", Jaccard similarity {row['similarity']:.2f}"
        return f"{text}: {row['twin']} is kept{similar}"
    if row["value"] is not None:
        text += (
            f" ({row['value']}" + ("" if row["threshold"] is None else f"; the threshold is {row['threshold']}") + ")"
        )
    return text


def _matches(row: Mapping[str, Any], path: str) -> bool:
    name = _named(row)
    return name == path or row["path"] == path or name.endswith(f"/{path}")


def why(output: Path, path: str) -> Iterator[str]:
    """Yields a sentence for each file of that name: why it was dropped, or that it is in the corpus.

    Args:
        output: of `codetitan prepare`.
        path: repository/path, a path, or the end of one.

    Raises:
        ConfigError: there is no such file, or no such folder.
    """
    dropped, corpus = output / "dropped", output / "corpus"
    if not dropped.is_dir() or not corpus.is_dir():
        raise ConfigError(f"--output {output} is not what codetitan prepare writes: it has no dropped and no corpus")
    n, names = 0, dict[str, None]()
    for file in sorted(dropped.glob("*.parquet")):
        for row in rows(file):
            names[_named(row)] = None
            if _matches(row, path):
                n += 1
                if n <= _MOST:
                    yield sentence(row)
    columns = ["repo", "path", "language", "licence"]
    for file in sorted(corpus.glob("*.parquet")):
        for row in rows(file, columns):
            names[_named(row)] = None
            if _matches(row, path):
                n += 1
                if n <= _MOST:
                    yield f"{_named(row)}: in the corpus ({row['language']}, {row['licence'] or 'no licence'})"
    if n > _MOST:
        yield f"and {n - _MOST:,} more"
    if not n:
        raise ConfigError(f"{path}: no such file was read{did_you_mean(path, names)}")
