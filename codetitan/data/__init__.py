"""From source files to batches: `sources` hand out documents, `pieces` are made of these, `rows` serve them in batches.

`views` show all of it to people. A room imports the ones before it, `tokenizer/`, `document`, `language`, `order`.

What stands in `__all__` is for other trainers too (docs/data.md, "Use it with another trainer"): `read_config` and
`open_loader` of `library`, and what they take and return. Each is imported when it is asked for.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from codetitan.config.data import BatchConfig, DataConfig
    from codetitan.data.library import open_loader, read_config
    from codetitan.data.pieces.fim import FimConfig, SpanConfig
    from codetitan.data.pieces.metadata import MetadataConfig
    from codetitan.data.rows.loader import CodeDataLoader, State, join
    from codetitan.data.rows.packing import IGNORE_INDEX
    from codetitan.data.sources.open import Directory, HuggingFace, Jsonl, Parquet, PythonStdlib
    from codetitan.tokenizer.code_tokenizer import CodeTokenizer

__all__ = [
    "IGNORE_INDEX",
    "BatchConfig",
    "CodeDataLoader",
    "CodeTokenizer",
    "DataConfig",
    "Directory",
    "FimConfig",
    "HuggingFace",
    "Jsonl",
    "MetadataConfig",
    "Parquet",
    "PythonStdlib",
    "SpanConfig",
    "State",
    "join",
    "open_loader",
    "read_config",
]

_MODULES = {
    "codetitan.config.data": ("BatchConfig", "DataConfig"),
    "codetitan.data.library": ("open_loader", "read_config"),
    "codetitan.data.pieces.fim": ("FimConfig", "SpanConfig"),
    "codetitan.data.pieces.metadata": ("MetadataConfig",),
    "codetitan.data.rows.loader": ("CodeDataLoader", "State", "join"),
    "codetitan.data.rows.packing": ("IGNORE_INDEX",),
    "codetitan.data.sources.open": ("Directory", "HuggingFace", "Jsonl", "Parquet", "PythonStdlib"),
    "codetitan.tokenizer.code_tokenizer": ("CodeTokenizer",),
}


def __getattr__(name: str) -> Any:
    for module, names in _MODULES.items():
        if name in names:
            return getattr(import_module(module), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
