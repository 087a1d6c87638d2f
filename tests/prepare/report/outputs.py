"""Small outcomes of a preparation, written as it writes them."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from codetitan.prepare.tables import DROPPED, FILES, Writer


def write_output(folder: Path, kept: Sequence[Mapping[str, Any]], dropped: Sequence[Mapping[str, Any]]) -> Path:
    """Writes corpus/ and dropped/, two tables each; a kept row needs its content, a dropped one rule and reason."""
    for name, columns, rows in (("corpus", FILES, kept), ("dropped", DROPPED, dropped)):
        (folder / name).mkdir(parents=True)
        for part in range(2):
            with Writer(folder / name / f"part-{part:05}.parquet", columns) as writer:
                for row in rows[part::2]:
                    content = row.get("content", "")
                    writer.add({
                        "source": "s", "language": "python", "n_bytes": len(content),
                        "sha256": hashlib.sha256(content.encode()).hexdigest(), **row,
                    })  # fmt: skip
    return folder
