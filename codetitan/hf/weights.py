"""Tensors of a checkpoint as safetensors, a shard at a time, and back.

Reading needs no mesh: a checkpoint's metadata says where the parts of each tensor are. The optimizer's are left alone.
"""

import json
import re
import warnings
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import split_torch_state_dict_into_shards
from safetensors.torch import save_file
from torch.distributed.checkpoint.api import CheckpointException
from torch.distributed.checkpoint.default_planner import DefaultLoadPlanner
from torch.distributed.checkpoint.filesystem import FileSystemReader
from torch.distributed.checkpoint.metadata import Metadata, TensorStorageMetadata
from torch.distributed.checkpoint.planner import ReadItem
from torch.distributed.checkpoint.state_dict_loader import load
from tqdm import tqdm

from codetitan.errors import ConfigError
from codetitan.hf.architectures.table import architecture_of
from codetitan.hf.architectures.tensors import names
from codetitan.hf.folder import check_local
from codetitan.models.code.shape import EMBEDDING, tensors
from codetitan.training import checksums
from codetitan.training.checkpoint_error import raise_what_is_no_fault_of_files, reason
from codetitan.training.description import KEY, Description

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
MAX_SHARD_BYTES = 5_000_000_000


class _Reader(FileSystemReader):
    """Reads the metadata once: of hundreds of ranks it is large, and each shard asks for it."""

    _known: Metadata | None = None

    def read_metadata(self, *args: Any, **kwargs: Any) -> Metadata:
        if self._known is None:
            self._known = super().read_metadata(*args, **kwargs)
        return self._known


class _Planner(DefaultLoadPlanner):
    """Counts bytes as they are read."""

    def __init__(self, bar: "tqdm[Any]") -> None:
        super().__init__()
        self._bar = bar

    def commit_tensor(self, read_item: ReadItem, tensor: torch.Tensor) -> None:
        super().commit_tensor(read_item, tensor)
        self._bar.update(tensor.nbytes)


def find_checkpoint(path: Path) -> Path:
    """Returns a complete checkpoint's folder.

    Args:
        path: such a folder, or one that has some: a run's or its `checkpoint/`, of which the last is taken.

    Raises:
        ConfigError: there is none.
    """
    check_local("", path)
    try:
        if (path / ".metadata").is_file():
            return path
        for folder in (path, path / "checkpoint"):
            found = [checkpoint.parent for checkpoint in folder.glob("step-*/.metadata")]
            steps = {int(place.name[5:]): place for place in found if re.fullmatch(r"step-\d+", place.name)}
            if steps:
                return steps[max(steps)]
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    if not path.is_dir():
        raise ConfigError(f"{path}: {'is a file, not a folder' if path.is_file() else 'no such folder'}")
    if any(path.glob("*.distcp")):
        others = ", ".join(sorted(found.parent.name for found in path.parent.glob("step-*/.metadata"))) or "none"
        raise ConfigError(
            f"{path} is incomplete: its run ended while it was written; complete ones beside it: {others}"
        )
    raise ConfigError(f"{path} is no checkpoint, and has none: a folder such as …/checkpoint/step-1000")


class Checkpoint:
    """A complete checkpoint, without its mesh.

    Args:
        folder: of `find_checkpoint`.

    Attributes:
        description: what it is of.

    Raises:
        ConfigError: it is damaged, foreign or of a later codetitan.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        checksums.check(folder)
        self._reader = _Reader(folder)
        try:
            metadata = self._reader.read_metadata()
        except Exception as error:  # a pickle of other bytes raises whatever they spell
            raise ConfigError(f"{folder} is damaged: its .metadata can't be read ({reason(error)})") from error
        self._tensors = {
            name: entry
            for name, entry in metadata.state_dict_metadata.items()
            if isinstance(entry, TensorStorageMetadata)
        }
        if KEY not in metadata.state_dict_metadata:
            raise ConfigError(f"{folder} does not say what model it is of: another trainer's, or an older codetitan's")
        self.description = self._describe()
        self._check_tensors()

    def _describe(self) -> Description:
        said: dict[str, Any] = {KEY: ""}
        self._load(said, DefaultLoadPlanner())
        try:
            return Description.from_json(said[KEY])
        except ConfigError as error:
            raise ConfigError(f"{self.folder} was {error}") from None
        except (ValueError, KeyError, TypeError) as error:
            raise ConfigError(f"{self.folder} is damaged: its description can't be read ({error})") from error

    def _check_tensors(self) -> None:
        for name, tensor in tensors(self.description.shape).items():
            found = tuple(self._tensors[name].size) if name in self._tensors else None
            if found != tensor.size:
                raise ConfigError(
                    f"{self.folder} is damaged: {name} should be {tensor.size}, and "
                    f"{'is missing' if found is None else f'is {found}'}"
                )

    @property
    def dtype(self) -> torch.dtype:
        """Of its embedding."""
        return self._tensors[EMBEDDING].properties.dtype

    def _load(self, state: dict[str, Any], planner: DefaultLoadPlanner) -> None:
        try:
            with warnings.catch_warnings(action="ignore"):  # of a process group that is not there
                load(state, storage_reader=self._reader, planner=planner, no_dist=True)
        except (Exception, CheckpointException) as error:  # the latter is no Exception
            raise_what_is_no_fault_of_files(error)
            raise ConfigError(f"{self.folder} is damaged: {reason(error)}") from error

    def _empty(self, name: str, dtype: torch.dtype | None, device: str) -> torch.Tensor:
        entry = self._tensors[name]
        return torch.empty(entry.size, dtype=dtype or entry.properties.dtype, device=device)

    def n_bytes(self, dtype: torch.dtype | None) -> int:
        """Returns the size of the model's tensors in `dtype`; None: in their own."""
        return sum(self._empty(name, dtype, "meta").nbytes for name in tensors(self.description.shape))

    def write(self, folder: Path, dtype: torch.dtype | None, max_shard_bytes: int = MAX_SHARD_BYTES) -> None:
        """Writes model.safetensors, or model-00001-of-N.safetensors and their index; holds one shard at a time.

        Args:
            folder: to write into.
            dtype: what the tensors are rounded to as they are read; None: they are left as they are.
            max_shard_bytes: of a file, about.

        Raises:
            ConfigError: a part of the checkpoint is damaged.
            OSError, SafetensorError: the disk does not take it.
        """
        theirs = names(self.description.shape, architecture_of(self.description.shape))
        meta = {theirs[name]: self._empty(name, dtype, "meta") for name in theirs}
        split = split_torch_state_dict_into_shards(meta, max_shard_size=max_shard_bytes)
        ours = {hf: name for name, hf in theirs.items()}
        with tqdm(total=self.n_bytes(dtype), desc="weights", unit="B", unit_scale=True, disable=None) as bar:
            for file, in_file in split.filename_to_tensors.items():
                read = {ours[name]: self._empty(ours[name], dtype, "cpu") for name in in_file}
                self._load(read, _Planner(bar))
                save_file(
                    {theirs[name]: tensor for name, tensor in read.items()}, folder / file, metadata={"format": "pt"}
                )
                (folder / file).chmod(0o644)  # safetensors keeps it to its owner
        if split.is_sharded:
            index = {"metadata": split.metadata, "weight_map": split.tensor_to_filename}
            (folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=2) + "\n")
