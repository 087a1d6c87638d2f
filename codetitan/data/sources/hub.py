"""Opens what the library datasets reads: datasets of the Hugging Face hub, and folders in their form.

It keeps an Arrow form in its cache (`$HF_HOME`), made once for all ranks and runs, of the columns that are needed.
"""

import contextlib
import errno
import hashlib
import logging
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from codetitan.data.sources.arrow import ArrowSource, Part
from codetitan.data.sources.literal import plain, plain_folder
from codetitan.data.sources.records import find_columns
from codetitan.data.sources.stream import StreamSource
from codetitan.errors import ConfigError, one_line
from codetitan.places import expand

_NOT_WRITTEN = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.ENOENT, errno.ENOTDIR)


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
    if name.startswith(("/", "./", "../", "~")) and not expand(name, "dataloader.sources: huggingface").exists():
        raise ConfigError(f"{label} does not exist; name a folder, or a dataset of the hub as OWNER/NAME")
    options = {"name": config, "split": split, "data_dir": data_dir, "revision": revision}
    fix = (
        'see the keys "name", "config", "split" and "revision", the network, and for a gated dataset `hf auth login`; '
        'with a local copy use "parquet" or "jsonl"'
    )
    title = f"huggingface:{name}"
    dataset = load(label, fix, name, **options, streaming=streaming)
    if not streaming:
        table = _table(dataset)
        parts = [Part(table, find_columns(label, list(table.column_names), fields))]
        return ArrowSource(title, label, parts, dropped=Counter(), max_bytes=max_bytes)
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

    given = expand(path, label).absolute()
    try:
        folder = plain_folder(given) if given.is_dir() else given
        if folder != given and options.get("data_dir"):
            options["data_dir"] = plain(options["data_dir"])
        with quiet():
            if (folder / "state.json").is_file() or (folder / "dataset_dict.json").is_file():
                saved = datasets.load_from_disk(str(folder))
                saved = saved[options["split"]] if isinstance(saved, datasets.DatasetDict) else saved
                return saved.to_iterable_dataset() if options.get("streaming") else saved
            return datasets.load_dataset(str(folder) if folder.exists() else path, **options)
    except Exception as error:  # the library raises its own, the hub's, Arrow's and Python's
        text = one_line(error)
        variable = _cache_of(error)
        if variable is not None:
            fix = f"the cache can't be written; set {variable} to a folder with room that can"
        elif "cast" in text:  # of the types of one file to those of the first
            fix = (
                "datasets wants the same columns and types in every file; name a local copy as parquet:PATH or "
                "jsonl:PATH, where each file has its own"
            )
        raise ConfigError(f"{label}: {text}; {fix}") from None


def _cache_of(error: BaseException | None) -> str | None:
    """Returns the variable that moves the cache that an error, or what caused it, is about; None: about none."""
    import datasets
    import huggingface_hub

    caches = {
        "HF_DATASETS_CACHE": datasets.config.HF_DATASETS_CACHE,
        "HF_HUB_CACHE": huggingface_hub.constants.HF_HUB_CACHE,
        "HF_HOME": huggingface_hub.constants.HF_HOME,
    }
    while error is not None:
        if isinstance(error, OSError) and error.errno in _NOT_WRITTEN:
            for variable, folder in caches.items():
                # of a part of it, or of a folder above it
                if str(error.filename).startswith(str(folder)) or str(folder).startswith(str(error.filename)):
                    return variable
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                return "HF_DATASETS_CACHE"
        error = error.__cause__ or error.__context__
    return None
