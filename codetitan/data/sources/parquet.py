"""Parquet files as documents: each is read once, into an Arrow form in the cache, of the columns that are needed.

Every file has its own columns and types, so none is judged by another's: a column may be missing in some, or have a
narrower type, or nothing but nulls. The cache holds a file a Parquet file, memory mapped and shared by all ranks and
runs; it takes the bytes of the columns, uncompressed.
"""

import contextlib
import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import fields as attributes
from functools import partial
from pathlib import Path
from typing import Any

from tqdm import tqdm

from codetitan.data.sources.arrow import ArrowSource, Part, is_text
from codetitan.data.sources.jsonl import PROGRESS_AFTER_S
from codetitan.data.sources.kept import kept
from codetitan.data.sources.records import Columns, columns_of, find_columns
from codetitan.data.sources.shards import Shard, find_shards
from codetitan.errors import ConfigError, one_line

_BATCH_ROWS = 1000  # of texts of up to a megabyte: an Arrow string array holds two gigabytes


def open_parquet(path: str, *, fields: Mapping[str, str], max_bytes: int) -> ArrowSource:
    """Opens Parquet files: a file, a folder with *.parquet below, or a pattern.

    Raises:
        ConfigError: there is none, one is damaged, none has a column of text, or a column has types that are at odds.
    """
    shards, dropped = find_shards("parquet", path, ".parquet")
    label = f'dataloader.sources: parquet "{path}"'
    return open_files(f"parquet:{path}", label, shards, dropped, fields=fields, max_bytes=max_bytes)


def open_files(
    name: str, label: str, shards: list[Shard], dropped: Counter[str], *, fields: Mapping[str, str], max_bytes: int
) -> ArrowSource:
    """Opens Parquet files that were listed, in their order; `name` and `label` are the source's.

    Raises:
        ConfigError: one is damaged, none has a column of text, or a column has types that are at odds.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    full: list[tuple[Shard, Any, int]] = []
    present: dict[str, None] = {}
    for shard in shards:
        try:
            with shard.path.open("rb") as opened, pq.ParquetFile(opened) as file:  # a path could be taken for a URI
                schema, n = file.schema_arrow, file.metadata.num_rows
        except (OSError, pa.ArrowException) as error:
            raise _damaged(label, shard, error) from None
        present.update(dict.fromkeys(schema.names))
        if n:
            full.append((shard, schema, n))
    if not full:
        raise ConfigError(f"{label} has no row")
    find_columns(label, list(present), fields)
    columns = [columns_of(schema.names, fields) for _, schema, _ in full]
    _check_types(label, [(shard, schema, own) for (shard, schema, _), own in zip(full, columns, strict=True)])
    parts = []
    with tqdm(total=len(full), desc=name, unit=" files", delay=PROGRESS_AFTER_S, leave=False) as bar:
        for (shard, _, n), own in zip(full, columns, strict=True):
            parts.append(Part(_table(label, shard, n, own), own, shard.name))
            bar.update()
    return ArrowSource(name, label, parts, dropped=dropped, max_bytes=max_bytes)


def _check_types(label: str, found: Iterable[tuple[Shard, Any, Columns | None]]) -> None:
    """A column that has two kinds of types in two files is a slip: one of them would be served without its values."""
    seen: dict[tuple[str, str], tuple[str, Any, Shard]] = {}
    for shard, schema, columns in found:
        for part, name in ((each.name, getattr(columns, each.name)) for each in attributes(Columns) if columns):
            if name is None or part == "date":  # which is read in whatever type it comes
                continue
            if len(schema.get_all_field_indices(name)) > 1:
                raise ConfigError(f'{label}: "{shard.path}" has the column "{name}" twice; rename one of them')
            kind = _kind(schema.field(name).type)
            if kind is None:
                continue
            if part == "licence" and kind == "list of text":  # one licence or several: both are read
                kind = "text"
            before = seen.setdefault((part, name), (kind, schema.field(name).type, shard))
            if before[0] != kind:
                raise ConfigError(
                    f'{label}: the column "{name}" is {before[1]} in "{before[2].path}" and {schema.field(name).type} '
                    f'in "{shard.path}"; make their types the same, or give each its own source'
                )


def _kind(of: Any) -> str | None:
    """Returns what values of a type are to us; None for a type without values."""
    import pyarrow as pa

    if pa.types.is_dictionary(of):
        return _kind(of.value_type)
    if pa.types.is_null(of):
        return None
    if is_text(of):
        return "text"
    if pa.types.is_integer(of) or pa.types.is_floating(of):
        return "number"
    if any(is_list(of) for is_list in (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)):
        inner = _kind(of.value_type)
        return None if inner is None else f"list of {inner}"
    return str(of)


def _table(label: str, shard: Shard, n: int, columns: Columns | None) -> Any:
    """Returns the columns of a file as a memory mapped table; of one without text, its rows without columns."""
    import pyarrow as pa

    if columns is None:
        return pa.table({"nothing": pa.nulls(n)})
    names = columns.names()
    key = hashlib.sha256(str(shard.path).encode("utf-8", "surrogateescape")).hexdigest()[:32]
    state = f"{key}-{shard.n_bytes}-{shard.mtime_ns}"
    which = hashlib.sha256("\0".join(names).encode("utf-8", "backslashreplace")).hexdigest()[:12]
    make = partial(_convert, label, shard, names)
    for again in (False, True):
        path = kept("arrow", key, state, f".{which}.arrow", make, label=label)
        try:
            with pa.memory_map(str(path)) as mapped:  # closed: the table holds the map, and no open file
                return pa.ipc.open_file(mapped).read_all()
        except (OSError, pa.ArrowException):  # a damaged disk, or another's file under its name
            if again:
                raise
            path.unlink(missing_ok=True)
    raise AssertionError


def _convert(label: str, shard: Shard, names: list[str], path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    with contextlib.ExitStack() as stack:
        try:
            file = stack.enter_context(pq.ParquetFile(stack.enter_context(shard.path.open("rb")), pre_buffer=False))
            schema = pa.schema([(name, _plain(file.schema_arrow.field(name).type)) for name in names])
            batches = file.iter_batches(_BATCH_ROWS, columns=names)
            batch = next(batches, None)
        except (OSError, pa.ArrowException) as error:
            raise _damaged(label, shard, error) from None
        writer = stack.enter_context(pa.ipc.new_file(stack.enter_context(path.open("wb")), schema))
        while batch is not None:
            writer.write_batch(batch.select(names).cast(schema))
            try:
                batch = next(batches, None)
            except (OSError, pa.ArrowException) as error:
                raise _damaged(label, shard, error) from None


def _plain(of: Any) -> Any:
    """Returns a type that the file's form can hold, however the values were written.

    A dictionary would change from batch to batch; the name of a list's items depends on the program that wrote it.
    """
    import pyarrow as pa

    if pa.types.is_dictionary(of):
        return of.value_type
    if pa.types.is_list(of):
        return pa.list_(_plain(of.value_type))
    if pa.types.is_large_list(of):
        return pa.large_list(_plain(of.value_type))
    return of


def _damaged(label: str, shard: Shard, error: Exception) -> ConfigError:
    return ConfigError(f'{label}: "{shard.path}" is no whole Parquet file: {one_line(error)}; fetch it again')
