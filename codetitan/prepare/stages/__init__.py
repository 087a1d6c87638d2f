"""The stages of a preparation, in order: `read` raw code, gather `facts` of licences, `judge` each file, find
`duplicates` of whole `repositories` and of files (with the room `duplicates`), `scatter` what is left over the shards,
`write` these.

Each writes tables and counts; `engine/` runs them. What one stage hands on is in its folder, and nowhere else.
"""

from dataclasses import fields
from typing import Any


class Lean:
    """A stage that goes to other processes as its fields alone: what was worked out of them (a tokenizer, benchmarks,
    opened sources) is long, and may be of a kind that can't be sent."""

    def __getstate__(self) -> dict[str, Any]:
        return {field.name: getattr(self, field.name) for field in fields(self)}  # type: ignore[arg-type]
