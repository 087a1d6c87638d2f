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
from pathlib import Path
from typing import Any

from codetitan.data.sources.arrow import ArrowSource, Part
from codetitan.data.sources.disk import kind_of
from codetitan.data.sources.literal import plain, plain_folder
from codetitan.data.sources.parquet import open_files
from codetitan.data.sources.records import find_columns
from codetitan.data.sources.shards import Shard
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
    local = expand(name, "dataloader.sources: huggingface")
    if name.startswith(("/", "./", "../", "~")) and kind_of(local, label) in ("nothing", "broken link"):
        raise ConfigError(f"{label} does not exist; name a folder, or a dataset of the hub as OWNER/NAME")
    options = {"name": config, "split": split, "data_dir": data_dir, "revision": revision}
    fix = (
        'see the keys "name", "config", "split" and "revision", the network, and for a gated dataset `hf auth login`; '
        'with a local copy use "parquet" or "jsonl"'
    )
    title = f"huggingface:{name}"
    try:
        dataset = load(label, fix, name, **options, streaming=streaming)
    except NotAlike:
        shards = None if streaming else _parquet_files(label, name, options)
        if shards is None:
            raise
        return open_files(title, label, shards, Counter(), fields=fields, max_bytes=max_bytes)
    if not streaming:
        table = _table(dataset)
        parts = [Part(table, find_columns(label, list(table.column_names), fields))]
        return ArrowSource(title, label, parts, dropped=Counter(), max_bytes=max_bytes)
    try:
        with quiet():
            present = list(dataset.column_names or next(iter(dataset), {}))
            n_bytes = int(dataset.info.splits[split].num_bytes or 0) if split in (dataset.info.splits or {}) else 0
    except Exception as error:
        raise _said(label, error, fix) from None
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

    try:
        folder = _plain(label, path, options)
        with quiet():
            if (folder / "state.json").is_file() or (folder / "dataset_dict.json").is_file():
                saved = datasets.load_from_disk(str(folder))
                saved = saved[options["split"]] if isinstance(saved, datasets.DatasetDict) else saved
                return saved.to_iterable_dataset() if options.get("streaming") else saved
            return datasets.load_dataset(str(folder) if folder.exists() else path, **options)
    except Exception as error:  # the library raises its own, the hub's, Arrow's and Python's
        raise _said(label, error, fix) from None


class NotAlike(ConfigError):
    """The files of a dataset have columns or types of their own, which datasets does not take."""


def _plain(label: str, path: str, options: dict[str, Any]) -> Path:
    """Returns a folder under a name that datasets takes literally, and sets "data_dir" so; else `path`, as it is."""
    given = expand(path, label).absolute()
    folder = plain_folder(given) if given.is_dir() else given
    if folder != given and options.get("data_dir"):
        options["data_dir"] = plain(options["data_dir"])
    return folder


def _parquet_files(label: str, path: str, options: dict[str, Any]) -> list[Shard] | None:
    """Returns the files of a split, fetched where they are not here, if they are Parquet; else None."""
    import datasets
    from datasets.packaged_modules.parquet.parquet import Parquet

    with contextlib.suppress(Exception), quiet():  # then what datasets said of them holds
        options = dict(options)
        split = options.pop("split")
        folder = _plain(label, path, options)
        builder = datasets.load_dataset_builder(str(folder) if folder.exists() else path, **options)
        files = (builder.config.data_files or {}).get(split)
        if isinstance(builder, Parquet) and files:
            fetch = datasets.DownloadManager(download_config=datasets.DownloadConfig(token=builder.token))
            here = [Path(file) for file in fetch.download(list(files))]
            stats = [file.stat() for file in here]
            return [
                Shard(file, str(given).rpartition("/")[2], found.st_size, found.st_mtime_ns)
                for given, file, found in zip(files, here, stats, strict=True)
            ]
    return None


def _said(label: str, error: Exception, fix: str) -> ConfigError:
    """Returns the error of a person: of a cache, of files that are not alike, else with the fix that is given."""
    text = one_line(error)
    variable = _cache_of(error)
    if variable is not None:
        fix = f"the cache can't be written; set {variable} to a folder with room that can"
    elif "cast" in text:  # of the types of one file to those of the first
        fix = (
            "datasets wants the same columns and types in every file; name a local copy as parquet:PATH or jsonl:PATH, "
            "where each file has its own"
        )
        return NotAlike(f"{label}: {text}; {fix}")
    return ConfigError(f"{label}: {text}; {fix}")


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
