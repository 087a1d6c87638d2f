"""One run from start to end: what is printed and saved before, and the orderly way out."""

import os
import signal
from pathlib import Path

import torch
import torch.distributed as dist

import codetitan
from codetitan import device, stop
from codetitan.config import data
from codetitan.config.notes import beginning, notes
from codetitan.config.render import render
from codetitan.config.resolve import Resolved
from codetitan.data.rows.loader import Served
from codetitan.errors import ConfigError
from codetitan.models.code.float8_linear import gathers_float8, linear_layers
from codetitan.titan import logger, structured_logger
from codetitan.training import evaluations
from codetitan.training.console import count
from codetitan.training.trainer import CodeTrainer


def save_config(resolved: Resolved) -> Path:
    """Writes the resolved configuration to `dump_folder`/config.toml; one that differed is kept as config.N.toml.

    Raises:
        ConfigError: it can't be written.
    """
    path = Path(resolved.config.dump_folder) / "config.toml"
    text = (
        f"# codetitan {codetitan.__version__}, torch {torch.__version__}, {resolved.world_size} processes\n"
        + render(resolved)
    )
    try:
        if path.exists() and path.read_text(encoding="utf-8") != text:
            number = 1 + sum(1 for _ in path.parent.glob("config.*.toml"))
            path.rename(path.with_name(f"config.{number}.toml"))
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(
            f"{path} can't be written: {error.strerror}; make room, or choose another --dump_folder"
        ) from error
    return path


def _describe(trainer: CodeTrainer, resolved: Resolved) -> None:
    config, shape, dims = resolved.config, resolved.config.model.shape(), trainer.parallel_dims
    name = trainer.metrics_processor.device_memory_monitor.device_name
    degrees = {
        "replicate": dims.dp_replicate,
        "fsdp": dims.dp_shard,
        "tp": dims.tp,
        "cp": dims.cp,
        "pp": dims.pp,
    }
    mesh = " · ".join(f"{name} {degree}" for name, degree in degrees.items() if degree > 1) or "one process"
    training = config.training
    rows, tokens = training.global_batch_size, training.global_batch_size * training.seq_len
    logger.info("codetitan %s on %d × %s (%s)", codetitan.__version__, resolved.world_size, name, device.device_type())
    logger.info("model  %s: %.1fM parameters, seed %s", config.model.flavor, shape.n_params / 1e6, config.debug.seed)
    if config.float8.recipe != "none":
        layers = linear_layers(config.model_spec.model, config.float8)
        modules = {name: 2 if name.endswith("wkv") else 1 for name in layers}  # one config for wk and wv
        logger.info(
            "float8 %s%s: %d of %d linear layers%s; lm_head and what is too small stay in %s",
            config.float8.recipe, ", emulated" if config.float8.emulate else "", 
            sum(modules[name] for name, converted in layers.items() if converted), sum(modules.values()),
            ", gathered in FP8" if gathers_float8(trainer.model_parts) else "", config.training.mixed_precision_param,
        )  # fmt: skip
        if not config.float8.emulate and not (config.compile.enable and "model" in config.compile.components):
            logger.warning("float8.recipe without compile.enable = true is slower than bfloat16: casts are not fused")
    logger.info("mesh   %s; %s gradient accumulation steps", mesh, trainer.gradient_accumulation_steps)
    logger.info("data   %s", trainer.dataloader.summary())
    logger.info(
        "plan   %s steps × %s × %s = %s tokens a step, %s tokens in all",
        f"{training.steps:,}", rows, training.seq_len, f"{tokens:,}", count(training.steps * tokens),
    )  # fmt: skip
    if line := beginning(resolved):
        logger.info("start  %s", line)
    if trainer.validation is not None:
        logger.info("valid  %s", trainer.validation.summary())
    for line in notes(resolved):
        logger.warning("note   %s", line)
    if rows_without_token := data.unused_rows(config, trainer.tokenizer, shape.vocab_size):
        logger.warning("note   %s", rows_without_token)
    if why_not := resolved.adapted.get("training.disable_cuda_graphs"):
        logger.info("note   no CUDA graphs: %s", why_not.removeprefix("codetitan: "))
    logger.info("output %s", config.dump_folder)


def describe_served(served: Served) -> str:
    """Returns e.g. `389,120 tokens (python 97.0 %, json 3.0 %) and 2.1 % padding`; by source if there are several."""
    total = sum(served.sources.values())
    by = served.sources if len(served.sources) > 1 else served.languages
    shares = ", ".join(f"{name} {100 * tokens / max(1, total):.1f} %" for name, tokens in by.items())
    padding = 100 * served.padding / max(1, total + served.padding)
    return f"{total:,} tokens ({shares}) and {padding:.1f} % padding"


def run(resolved: Resolved) -> None:
    """Trains to the last step, from the last complete checkpoint where there is one.

    Raises:
        ConfigError: the corpus can't be used, or is not the one that the checkpoint belongs to.
    """
    config = resolved.config
    structured_logger.init_structured_logger(
        source="training", output_dir=config.dump_folder, enable=config.debug.enable_structured_logging
    )

    def before_first_step() -> None:
        if dist.get_rank() == 0:
            save_config(resolved)

    trainer: CodeTrainer = config.build(before_first_step=before_first_step, toml=render(resolved))
    try:
        if dist.get_rank() == 0:
            _describe(trainer, resolved)
        trainer.train()
        served = trainer.served()
        if dist.get_rank() == 0:
            logger.info("served %s", describe_served(served))
    finally:
        trainer.close()
    dist.barrier()
    dist.destroy_process_group()
    trainer.checkpointer.wait_for_exports()
    evaluations.finish(trainer)
    if trainer.ended_early:
        logger.info("ended after step %d: %s", trainer.step, trainer.ended_early)
    if trainer.stopped:
        goes_on = "the same command goes on"
        if config.checkpoint.load_step != -1:
            goes_on += ", without --checkpoint.load_step"
        if not trainer.stop_is_saved:
            goes_on = "nothing is saved, for checkpoint.enable = false or checkpoint.load_only = true"
        logger.info("stopped by %s after step %d; %s", trainer.stopped, trainer.step, goes_on)
        if (status := os.environ.get(stop.STATUS)) and os.environ.get("LOCAL_RANK") == "0":
            code = stop.EXIT_STOPPED if trainer.stop_is_saved else 128 + signal.SIGTERM
            Path(status).write_text(str(int(code)), encoding="utf-8")
