"""What a configuration asks of the machine and of the run's folder: kernels, devices, checkpoints, disk.

Each rule raises ConfigError with the key, its value, the rule and a fix, before a process group starts.
"""

import os
import shutil
from importlib.util import find_spec
from pathlib import Path

from codetitan import device
from codetitan.data.validation.gold import read_gold
from codetitan.errors import ConfigError
from codetitan.models.code.attention import CAUSAL
from codetitan.training import intact
from codetitan.training.trainer import CodeTrainer

Config = CodeTrainer.Config


def check_compiler(config: Config) -> None:
    """Triton builds its launchers with a C compiler and Python's headers, at the first kernel of a run."""
    uses_triton = config.compile.enable or config.model.attention in ("flex", "flex_flash")
    if device.device_type() == "cpu" or not uses_triton:
        return
    if not device.python_header().is_file():
        raise ConfigError(
            f"{device.python_header()}: no such file; Triton needs Python's headers on a GPU: install python3-dev "
            "(Debian, Ubuntu) or python3-devel (Fedora, RHEL) for this Python"
        )
    if device.c_compiler() is None:
        wrong = f"CC = {os.environ['CC']}: no such program" if os.environ.get("CC") else "there is no gcc or clang"
        raise ConfigError(f"{wrong}; Triton needs a C compiler on a GPU: install gcc, or set CC to one")


def check_attention(config: Config) -> None:
    """The attention kernel runs on this device."""
    name = config.model.attention
    if name in ("flex", CAUSAL) or device.device_type() == "cpu":
        return  # a CPU has a dense equivalent of those with document masks
    import torch

    if name == "varlen" and config.training.mixed_precision_param != "bfloat16":
        raise ConfigError(
            'model.attention = "varlen" multiplies in bfloat16; set training.mixed_precision_param = "bfloat16", or '
            'use "flex"'
        )

    capability = torch.cuda.get_device_capability()
    if name == "flex_flash" and capability < (9, 0):
        raise ConfigError(
            f'model.attention = "flex_flash" needs a Hopper GPU or newer, not {torch.cuda.get_device_name()}; '
            'use "flex"'
        )
    # What inductor (select_flex_flash) and torch.nn.attention import for FlashAttention 4 and 3; 2 is torch's own. The
    # package flash-attn (2) has a `flash_attn` without the module `cute`.
    module, package = (
        ("flash_attn.cute", 'FlashAttention 4 (pip install --pre "flash-attn-4[cu13]")')
        if name == "flex_flash" or capability >= (10, 0)
        else ("flash_attn_interface", "FlashAttention 3 (the folder hopper of its repository)")
    )
    if capability >= (9, 0) and not _importable(module):
        raise ConfigError(
            f'model.attention = "{name}" needs the module {module} on this GPU; install {package}, or use "flex"'
        )


def _importable(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ImportError:  # its package: not there, or built for another torch
        return False


def check_float8(config: Config) -> None:
    """The device multiplies FP8, or emulates it."""
    recipe = config.float8.recipe
    if recipe == "none" or config.float8.emulate:
        return
    # torch._scaled_mm (Ada Lovelace, Hopper and newer), and its blocks of 32 (Blackwell).
    needed = (10, 0) if recipe == "mxfp8" else (8, 9)
    way_out = 'use float8.recipe = "tensorwise"' if recipe == "mxfp8" else "set float8.emulate = true to try it slowly"
    if device.device_type() == "cpu":
        found = "and there is none"
    else:
        import torch

        capability = torch.cuda.get_device_capability()
        if capability >= needed:
            return
        found = f"not {torch.cuda.get_device_name()} ({capability[0]}.{capability[1]})"
    raise ConfigError(
        f'float8.recipe = "{recipe}" needs a GPU of compute capability {needed[0]}.{needed[1]} or higher, {found}; '
        f"{way_out}"
    )


# key → the value that only a GPU can serve
_NEEDS_GPU = {
    "training.enable_cpu_offload": True,
    "optimizer.implementation": "fused_opt_states_bf16",
    "profiler.enable_memory_snapshot": True,
    "compile.enable_async_tensor_parallel": True,
    "checkpoint.async_mode": "async_with_pinned_mem",
}


def check_device(config: Config) -> None:
    """Nothing is asked for that this machine can't do."""
    for key, value in _NEEDS_GPU.items():
        section, name = key.split(".")
        if device.device_type() == "cpu" and getattr(getattr(config, section), name) == value:
            shown = f'"{value}"' if isinstance(value, str) else str(value).lower()
            raise ConfigError(f"{key} = {shown} needs a GPU, and there is none")


def check_checkpoint(config: Config) -> None:
    """What is to be loaded is there, and what is to be saved can be saved."""
    checkpoint = config.checkpoint
    folder = Path(config.dump_folder) / checkpoint.folder
    if checkpoint.enable and checkpoint.load_step not in (-1, intact.LATEST_GOOD):
        steps = complete_steps(config)
        if checkpoint.load_step not in steps:
            there = ", ".join(map(str, steps)) or "none"
            raise ConfigError(
                f"checkpoint.load_step = {checkpoint.load_step}: no complete checkpoint of that step in {folder}; "
                f"there are: {there}; -1 takes the last, "
                f"{intact.LATEST_GOOD} the last that is not damaged"
            )
    path = checkpoint.initial_load_path
    if checkpoint.enable and path and "://" not in path and not _is_complete(Path(path)):
        raise ConfigError(
            f'checkpoint.initial_load_path = "{path}" is no complete checkpoint: a folder such as '
            "…/checkpoint/step-1000, with a file .metadata, or a run's folder that has some"
        )


def _is_complete(checkpoint: Path) -> bool:
    try:
        return (checkpoint / ".metadata").is_file()
    except OSError:  # too long a name, or a folder that may not be read
        return False


def checkpoint_bytes(config: Config) -> int:
    """Returns the size of a full checkpoint: fp32 weights and AdamW's two moments; a tied weight has both its names."""
    shape = config.model.shape()
    return 12 * shape.n_params + (4 * shape.vocab_size * shape.dim if shape.tie_embeddings else 0)


def check_evaluations(config: Config) -> None:
    """The device that evaluates is there."""
    checkpoint = config.checkpoint
    if checkpoint.evaluate_every_k and checkpoint.evaluate_device == "cuda" and device.device_type() == "cpu":
        raise ConfigError('checkpoint.evaluate_device = "cuda" needs a GPU, and this machine has none; set it to "cpu"')


def complete_steps(config: Config) -> list[int]:
    """Returns the steps of the complete checkpoints in the run's folder, in order."""
    return intact.complete_steps(Path(config.dump_folder) / config.checkpoint.folder)


def checkpoints_to_come(config: Config) -> int:
    """Returns how many more checkpoints the disk must hold at once: the oldest goes when the next is written."""
    checkpoint, steps = config.checkpoint, config.training.steps
    there = complete_steps(config)
    done = there[-1] if there else 0
    to_write = max(0, -(-steps // checkpoint.interval) - done // checkpoint.interval) if done < steps else 0
    at_once = checkpoint.keep_latest_k + 1 - len(there) if checkpoint.keep_latest_k else to_write
    kept = 1 if checkpoint.keep_best is not None and to_write else 0  # dump_folder/best, when the run has deleted it
    return max(0, min(to_write, at_once + kept))


def exports_to_come(config: Config) -> tuple[int, int]:
    """Returns how many exports will be written, and the bytes of one."""
    checkpoint = config.checkpoint
    if checkpoint.export_every_k is None:
        return 0, 0
    there, interval = complete_steps(config), checkpoint.interval * checkpoint.export_every_k
    n = -(-config.training.steps // interval) - (there[-1] if there else 0) // interval
    return max(0, n), (4 if checkpoint.export_dtype == "float32" else 2) * config.model.shape().n_params


def check_dump_folder(config: Config) -> None:
    """The folder can be written, and its disk has room for two checkpoints: the last one and the one being written."""
    folder = Path(config.dump_folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".write-test-{os.getpid()}"
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        raise ConfigError(
            f'dump_folder = "{config.dump_folder}" can\'t be written: {error.strerror}; choose another with '
            "--dump_folder DIR"
        ) from None
    if config.checkpoint.enable and not config.checkpoint.load_only:
        n, free = checkpoints_to_come(config), shutil.disk_usage(folder).free
        exports, export_bytes = exports_to_come(config)
        need = n * checkpoint_bytes(config) + exports * export_bytes
        if need > free:
            and_exports = f" and {exports} exports" if exports else ""
            raise ConfigError(
                f'dump_folder = "{config.dump_folder}" has {free / 1e9:.1f} GB free; {n} more checkpoints{and_exports} '
                f"of {config.model.flavor} need {need / 1e9:.1f} GB: free some, choose another with --dump_folder DIR, "
                "lower checkpoint.keep_latest_k, or set checkpoint.enable = false"
            )


def check(config: Config) -> None:
    """Runs the rules that a run on this machine must keep."""
    check_compiler(config)
    check_attention(config)
    check_float8(config)
    check_device(config)
    check_checkpoint(config)
    check_evaluations(config)
    if config.validation.interval is not None and config.validation.gold is not None:
        read_gold(config.validation.gold)
