"""Opens what the library datasets reads: Parquet files, datasets of the Hugging Face hub, folders in their form.

It keeps an Arrow form in its cache (`$HF_HOME`), made once for all ranks and runs, of the columns that are needed.
"""

import contextlib
import hashlib
import logging
import sys
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from codetitan.data.sources.arrow import ArrowSource
from codetitan.data.sources.records import find_columns
from codetitan.data.sources.shards import find_shards
from codetitan.data.sources.stream import StreamSource
from codetitan.errors import ConfigError


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keeps datasets' warnings out of the log, and its progress bars where nobody watches."""
    import datasets
    from datasets.utils.logging import get_verbosity, set_verbosity

    verbosity, bars = get_verbosity(), datasets.are_progress_bars_disabled()
    hub = logging.getLogger("huggingface_hub")
    level = hub.level
    set_verbosity(logging.CRITICAL)
    hub.setLevel(logging.ERROR)
    if not sys.stderr.isatty():
        datasets.disable_progress_bars()
    try:
        yield
    finally:
        set_verbosity(verbosity)
        hub.setLevel(level)
        if not bars:
            datasets.enable_progress_bars()


def open_parquet(path: str, *, fields: Mapping[str, str], max_bytes: int) -> ArrowSource:
    """Opens Parquet files: a file, a folder with *.parquet below, or a pattern.

    Raises:
        ConfigError: there is none, one is damaged, they have no column of text, or their columns differ.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    label = f'dataloader.sources: parquet "{path}"'
    shards = find_shards("parquet", path, ".parquet")
    present: list[str] = []
    files: list[str] = []
    for shard in shards:
        try:
            footer = pq.read_metadata(shard.path)
            names = footer.schema.to_arrow_schema().names
        except (OSError, pa.ArrowException) as error:
            raise ConfigError(
                f'{label}: "{shard.path}" is no whole Parquet file: {one_line(error)}; fetch it again'
            ) from None
        present = present or names
        if not set(present) <= set(names):
            raise ConfigError(
                f'{label}: "{shard.path}" lacks {", ".join(sorted(set(present) - set(names)))}, which '
                f'"{shards[0].path}" has; make their columns the same, or give each its own source'
            )
        if footer.num_rows:  # datasets stumbles over a file without rows
            files.append(str(shard.path))
    if not files:
        raise ConfigError(f"{label} has no row")
    columns = find_columns(label, present, fields)
    dataset = load(label, "see the file", "parquet", data_files=files, columns=columns.names(), split="train")
    return ArrowSource(f"parquet:{path}", label, _table(dataset), fields=fields, max_bytes=max_bytes)


def open_hub(
    name: str,
    *,
    config: str | None,
    split: str,
    data_dir: str | None,
    revision: str | None,
    fields: Mapping[str, str],
    streaming: bool,
    max_bytes: int,
) -> ArrowSource | StreamSource:
    """Opens a dataset of the hub, or a folder in the form of one.

    Raises:
        ConfigError: it can't be reached, does not exist, or has no such configuration, split or column of text.
    """
    label = f'dataloader.sources: huggingface "{name}"'
    if name.startswith(("/", "./", "../", "~")) and not Path(name).expanduser().exists():
        raise ConfigError(f"{label} does not exist; name a folder, or a dataset of the hub as OWNER/NAME")
    options = {"name": config, "split": split, "data_dir": data_dir, "revision": revision}
    fix = (
        'see the keys "name", "config", "split" and "revision", the network, and for a gated dataset `hf auth login`; '
        'with a local copy use "parquet" or "jsonl"'
    )
    title = f"huggingface:{name}"
    dataset = load(label, fix, name, **options, streaming=streaming)
    if not streaming:
        return ArrowSource(title, label, _table(dataset), fields=fields, max_bytes=max_bytes)
    try:
        with quiet():
            present = list(dataset.column_names or next(iter(dataset), {}))
            n_bytes = int(dataset.info.splits[split].num_bytes or 0) if split in (dataset.info.splits or {}) else 0
    except Exception as error:
        raise ConfigError(f"{label}: {one_line(error)}; {fix}") from None
    return StreamSource(
        title,
        label,
        partial(iter, dataset),
        find_columns(label, present, fields),
        hashlib.sha256(repr((name, sorted(options.items(), key=str))).encode()).hexdigest(),
        max_bytes=max_bytes,
        n_bytes=n_bytes,
    )


def _table(dataset: Any) -> Any:
    # Only select() and the like leave an index beside the table.
    return (dataset if dataset._indices is None else dataset.flatten_indices()).data


def load(label: str, fix: str, path: str, **options: Any) -> Any:
    """Calls `datasets.load_dataset`, or reads what `Dataset.save_to_disk` wrote.

    Raises:
        ConfigError: whatever it was, in one line.
    """
    import datasets

    folder = Path(path).expanduser()
    try:
        with quiet():
            if (folder / "state.json").is_file() or (folder / "dataset_dict.json").is_file():
                saved = datasets.load_from_disk(str(folder))
                saved = saved[options["split"]] if isinstance(saved, datasets.DatasetDict) else saved
                return saved.to_iterable_dataset() if options.get("streaming") else saved
            return datasets.load_dataset(str(folder) if folder.exists() else path, **options)
    except Exception as error:  # the library raises its own, the hub's, Arrow's and Python's
        raise ConfigError(f"{label}: {one_line(error)}; {fix}") from None


def one_line(error: BaseException) -> str:
    """Returns an error and what caused it in one line of at most 300 characters."""
    cause = f" ({error.__cause__})" if error.__cause__ is not None else ""
    text = " ".join(f"{error}{cause}".split()) or type(error).__name__
    return text.rstrip(".") if len(text) <= 300 else text[:299] + "…"
