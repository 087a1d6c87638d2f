"""What the parallelism degrees ask of each other, of the number of processes, of the model and of the batch.

Each rule raises ConfigError with the key, its value, the rule and a fix: the degrees that would work.
"""

from math import gcd, lcm, prod

from codetitan.config.data import global_rows
from codetitan.errors import ConfigError, did_you_mean
from codetitan.models.code.pipeline import is_looped, is_v_shaped
from codetitan.models.code.shape import Flavor
from codetitan.models.code.stages import blocks_per_stage, modules_per_stage
from codetitan.objectives.config import DPO
from codetitan.titan import ChunkedLossWrapper, SelectiveAC
from codetitan.training.trainer import CodeTrainer

Config = CodeTrainer.Config

_SCHEDULES = [
    "1F1B",
    "GPipe",
    "Interleaved1F1B",
    "InterleavedZeroBubble",
    "LoopedBFS",
    "ZBVZeroBubble",
    "DualPipeV",
]
_ZERO_BUBBLE = ("InterleavedZeroBubble", "ZBVZeroBubble", "DualPipeV")


def smallest_world_size(config: Config) -> int:
    """Returns the fewest processes that the degrees allow."""
    p = config.parallelism
    degrees = (
        p.data_parallel_replicate_degree,
        max(1, p.data_parallel_shard_degree),
        p.context_parallel_degree,
        p.tensor_parallel_degree,
        p.pipeline_parallel_degree,
    )
    return prod(max(1, degree) for degree in degrees)


def data_parallel_degree(config: Config, world_size: int) -> int:
    """Returns R = replicate × shard.

    Raises:
        ConfigError: the degrees do not multiply to the number of processes.
    """
    p = config.parallelism
    names = [
        "data_parallel_replicate_degree",
        "context_parallel_degree",
        "tensor_parallel_degree",
        "pipeline_parallel_degree",
    ]
    fixed = prod(getattr(p, name) for name in names)
    shard = p.data_parallel_shard_degree
    if shard == -1 and world_size % fixed == 0:
        return int(p.data_parallel_replicate_degree * (world_size // fixed))
    if shard != -1 and fixed * shard == world_size:
        return int(p.data_parallel_replicate_degree * shard)
    used = {name: getattr(p, name) for name in [*names, "data_parallel_shard_degree"]}
    shown = " · ".join(f"{name} {degree}" for name, degree in used.items() if degree not in (1, -1)) or "all 1"
    product = fixed * (shard if shard != -1 else 1)
    processes = "1 process" if world_size == 1 else f"{world_size} processes"
    need = f"must divide the {processes}" if shard == -1 else f"must be the {processes}"
    raise ConfigError(
        f"parallelism: the degrees ({shown}) multiply to {product}, which {need}; start NGPU={product} processes or "
        "change a degree (parallelism.data_parallel_shard_degree = -1 takes what is left)"
    )


def check_batch(config: Config, world_size: int) -> None:
    """The global batch splits into microbatches over the data-parallel ranks."""
    global_rows(config.training, data_parallel_degree(config, world_size))


def check_sequence(config: Config) -> None:
    """The sequence splits over context and tensor parallel ranks and into the loss's chunks."""
    p, seq_len = config.parallelism, config.training.seq_len
    cp, tp = p.context_parallel_degree, p.tensor_parallel_degree
    rule: list[str] = []
    divisor = 1
    if cp > 1:
        # torch splits a block mask at blocks of 128 (and the head-tail load balancer at 2·cp, which that includes).
        rule, divisor = [*rule, "128·cp"], divisor * 128 * cp
    if tp > 1 and p.enable_sequence_parallel:
        rule, divisor = [*rule, "tp"], lcm(divisor, (2 * cp if cp > 1 else 1) * tp)
    if seq_len % divisor:
        nearest = max(divisor, round(seq_len / divisor) * divisor)
        raise ConfigError(
            f"training.seq_len = {seq_len} must divide by {divisor} ({' and '.join(rule)}); nearest: {nearest}"
        )
    if isinstance(config.loss, ChunkedLossWrapper.Config) and (seq_len // cp) % config.loss.num_chunks:
        chunks = config.loss.num_chunks
        nearest = max(chunks * cp, round(seq_len / (chunks * cp)) * chunks * cp)
        raise ConfigError(
            f"training.seq_len = {seq_len} must divide by loss.num_chunks{'·cp' if cp > 1 else ''} = {chunks * cp}; "
            f"nearest: {nearest}; or loss.num_chunks = {gcd(seq_len // cp, chunks)}"
        )


def check_attention(config: Config) -> None:
    """Context parallelism splits the document mask of flex, in blocks of 128; others have none that could be split."""
    name, cp = config.model.attention, config.parallelism.context_parallel_degree
    if cp > 1 and name != "flex":
        raise ConfigError(
            f'model.attention = "{name}" does not work under parallelism.context_parallel_degree = {cp}; use "flex"'
        )


def _split(shape: Flavor) -> dict[str, int]:
    return {"n_heads": shape.n_heads, "ffn_dim": shape.ffn_dim, "vocab_size": shape.vocab_size}


def tensor_parallel_degrees(shape: Flavor) -> list[int]:
    """Returns the degrees over which a model splits; K/V heads split or are replicated, heads may have any width."""
    return [
        n
        for n in range(1, shape.n_heads + 1)
        if all(size % n == 0 for size in _split(shape).values())
        and (shape.n_kv_heads % n == 0 or n % shape.n_kv_heads == 0)
    ]


def check_tensor_parallel(config: Config) -> None:
    """The heads, the MLP's width and the vocabulary split over the ranks; K/V heads split or are replicated."""
    p, shape = config.parallelism, config.model.shape()
    tp, sizes, fitting = p.tensor_parallel_degree, _split(shape), tensor_parallel_degrees(shape)
    if tp not in fitting:
        name, size = next(((k, v) for k, v in sizes.items() if v % tp), ("n_kv_heads", shape.n_kv_heads))
        rule = "must divide" if size % tp and name != "n_kv_heads" else "must divide, or be a multiple of,"
        raise ConfigError(
            f"parallelism.tensor_parallel_degree = {tp} {rule} model.{name} = {size} of {config.model.flavor}; "
            f"fitting: {', '.join(map(str, fitting))}"
        )
    if tp == 1 and config.compile.enable_async_tensor_parallel:
        raise ConfigError(
            "compile.enable_async_tensor_parallel = true has no effect with parallelism.tensor_parallel_degree = 1; "
            "set it to false"
        )


def _stages(config: Config) -> int:
    """Returns the number of pipeline stages."""
    p = config.parallelism
    if p.module_fqns_per_model_part is not None:
        return len(p.module_fqns_per_model_part)
    if p.pipeline_parallel_layers_per_stage is not None:
        return -(-config.model.shape().n_layers // int(p.pipeline_parallel_layers_per_stage))
    return int(p.pipeline_parallel_degree) * (2 if is_looped(p.pipeline_parallel_schedule) else 1)


def pipeline_stages(config: Config) -> list[list[str]]:
    """Returns the names of each stage's modules, as written, else placed by cost; nothing without stages."""
    p = config.parallelism
    if p.pipeline_parallel_degree == 1:
        return []
    if p.module_fqns_per_model_part is not None:
        return list(p.module_fqns_per_model_part)
    return modules_per_stage(blocks_per_stage(config.model.shape(), config.training.seq_len, _stages(config)))


def check_pipeline_parallel(config: Config) -> None:
    """The schedule exists, its stages hold the whole model, none is empty, and the microbatches fill it."""
    p, shape = config.parallelism, config.model.shape()
    pp, schedule = p.pipeline_parallel_degree, p.pipeline_parallel_schedule
    if schedule not in _SCHEDULES:
        raise ConfigError(
            f'parallelism.pipeline_parallel_schedule = "{schedule}" must be one of {", ".join(_SCHEDULES)}'
            f"{did_you_mean(schedule, _SCHEDULES)}"
        )
    if pp == 1:
        return
    stages, looped, v_shaped = _stages(config), is_looped(schedule), is_v_shaped(schedule)
    per_rank = "2" if v_shaped else "2 or more" if looped else "1"
    if stages % pp or (stages // pp > 1) != looped or (v_shaped and stages != 2 * pp):
        key = "module_fqns_per_model_part" if p.module_fqns_per_model_part else "pipeline_parallel_layers_per_stage"
        shown = "" if p.module_fqns_per_model_part else f" = {p.pipeline_parallel_layers_per_stage}"
        raise ConfigError(
            f"parallelism.{key}{shown} makes {stages} stages; {schedule} on {pp} ranks needs {per_rank} a rank"
        )
    if p.module_fqns_per_model_part is not None:
        _check_modules(config)
    elif shape.n_layers < stages - 2:
        largest = (shape.n_layers + 2) // (stages // pp)
        raise ConfigError(
            f"parallelism.pipeline_parallel_degree = {pp} with {schedule} makes {stages} stages of the "
            f"{shape.n_layers} blocks, the embedding and the head of {config.model.flavor}: too many; "
            f"fitting: {', '.join(str(n) for n in range(2, largest + 1)) or 'none'}"
        )
    size = p.pipeline_parallel_microbatch_size
    if config.training.local_batch_size // size < stages:
        raise ConfigError(
            f"training.local_batch_size = {config.training.local_batch_size} makes fewer pipeline microbatches of "
            f"{size} than the {stages} stages of {schedule}; set it to {stages * size} or more"
        )
    microbatches = config.training.local_batch_size // size
    if schedule.startswith("Interleaved") and microbatches % (microbatches // pp):
        raise ConfigError(
            f"training.local_batch_size = {config.training.local_batch_size} makes {microbatches} pipeline microbatches"
            f", which {schedule} can't deal out to {pp} ranks in equal rounds; set it to "
            f"{microbatches // pp * pp * size}"
        )


def check_zero_bubble(config: Config) -> None:
    """Schedules that work out the gradients of inputs and of weights apart get them wrong, or fail, with some options.

    Measured on a CPU, torch 2.14.1: compiled blocks, and lm_head inside the loss, lose a part of the gradients (1e-3 of
    the first gradient norm, of preferences 8e-5); selective checkpointing raises.
    """
    schedule = config.parallelism.pipeline_parallel_schedule
    if config.parallelism.pipeline_parallel_degree == 1 or schedule not in _ZERO_BUBBLE:
        return
    chunked = isinstance(config.loss, ChunkedLossWrapper.Config)
    selective = isinstance(config.activation_checkpoint, SelectiveAC.Config)
    wrong = (
        (config.compile.enable, "compile.enable = true", "set it to false, or use"),
        (chunked, 'loss.name = "chunked-cross-entropy"', 'set it to "cross-entropy", or use'),
        (isinstance(config.objective, DPO), 'objective.name = "dpo"', "use"),  # it passes lm_head inside the loss, too
        (selective, 'activation_checkpoint.name = "selective"', 'set it to "full" or "none", or use'),
    )
    for is_set, setting, fix in wrong:
        if is_set:
            raise ConfigError(
                f"{setting} does not work with the schedule {schedule}, which splits the backward pass; {fix} "
                "Interleaved1F1B"
            )


def _check_modules(config: Config) -> None:
    """The stages that somebody wrote hold every module once, in order."""
    stages = config.parallelism.module_fqns_per_model_part
    written = [name for stage in stages for name in stage]
    expected = [name for stage in modules_per_stage([config.model.shape().n_layers]) for name in stage]
    for i, name in enumerate(expected):
        if i >= len(written) or written[i] != name:
            there = written[i] if i < len(written) else "the end"
            raise ConfigError(
                f"parallelism.module_fqns_per_model_part: {there} stands where {name} must; the stages together are "
                f"{', '.join(expected[:2])}, …, {', '.join(expected[-3:])}"
            )
    if len(written) > len(expected) or not all(stages):
        wrong = f"{written[len(expected)]} is no module" if len(written) > len(expected) else "a stage is empty"
        raise ConfigError(f"parallelism.module_fqns_per_model_part: {wrong}")
    if stages[-1] == ["lm_head"]:
        raise ConfigError("parallelism.module_fqns_per_model_part: norm must be on the stage of lm_head; move it there")


def check_gradient_sync(config: Config) -> None:
    """A choice that is written down is in force."""
    training, sync = config.training, config.training.gradient_sync
    if sync != "auto" and config.parallelism.pipeline_parallel_degree > 1:
        raise ConfigError(
            f'training.gradient_sync = "{sync}" has no effect with parallelism.pipeline_parallel_degree = '
            f"{config.parallelism.pipeline_parallel_degree}, which reduces once a step; remove it"
        )
    if sync == "last-microbatch" and not training.disable_cuda_graphs:
        raise ConfigError(
            'training.gradient_sync = "last-microbatch" does not work with training.disable_cuda_graphs = false: one '
            "graph stands for every microbatch; set one of them to its default"
        )


def check_spmd_backend(config: Config) -> None:
    """Only torchtitan's default backend knows our shardings over tensor-parallel ranks, and FP8 weights."""
    backend, tp = config.parallelism.spmd_backend, config.parallelism.tensor_parallel_degree
    if backend != "spmd_types" and (tp > 1 or config.float8.recipe != "none"):
        feature = (
            f"parallelism.tensor_parallel_degree = {tp}" if tp > 1 else f'float8.recipe = "{config.float8.recipe}"'
        )
        raise ConfigError(f'parallelism.spmd_backend = "{backend}" does not work with {feature}; use "spmd_types"')


def check(config: Config, world_size: int) -> None:
    """Runs the rules of the degrees."""
    check_batch(config, world_size)
    check_tensor_parallel(config)
    check_sequence(config)
    check_attention(config)
    check_spmd_backend(config)
    check_gradient_sync(config)
    check_pipeline_parallel(config)
    check_zero_bubble(config)
