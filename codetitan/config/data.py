"""The data's part of a configuration, and what the data and the tokenizer ask of it: a rule a function.

The trainer's configuration has these fields among others (training/trainer.py). Needs no torchtitan. Each rule raises
ConfigError with the key, its value, the rule and a fix, before a process group starts.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from typing import Annotated, Protocol

from codetitan.config.choice import Choice
from codetitan.config.schema import HIDDEN
from codetitan.data.held_out import HeldOutConfig
from codetitan.data.language import LANGUAGES
from codetitan.data.pieces.chat import CHATS
from codetitan.data.rows.loader import CodeDataLoader
from codetitan.data.rows.selection import check_structure, open_sources, parts_of, select
from codetitan.data.sources.open import HuggingFace, SourceConfig
from codetitan.errors import ConfigError, did_you_mean
from codetitan.objectives.config import OBJECTIVES, NextToken, Objective, conversations
from codetitan.tokenizer.code_tokenizer import CodeTokenizer


@dataclass(kw_only=True)
class BatchConfig:
    """The keys of `training` that the data needs; their defaults hold for the trainer too."""

    seq_len: int = 2048
    """L, tokens a sample."""

    global_batch_size: int = -1
    """G, rows of a step; -1: local_batch_size · data-parallel degree."""

    local_batch_size: int = 8
    """B, rows a microbatch."""


@dataclass(kw_only=True)
class DataConfig:
    """All that decides which tokens are served, under the names of a configuration file."""

    dataloader: CodeDataLoader.Config = field(default_factory=CodeDataLoader.Config)
    tokenizer: CodeTokenizer.Config = field(default_factory=CodeTokenizer.Config)
    training: BatchConfig = field(default_factory=BatchConfig)
    validation: HeldOutConfig = field(default_factory=HeldOutConfig)
    objective: Annotated[Objective, Choice("name", OBJECTIVES)] = field(default_factory=NextToken)

    hf_assets_path: str = "code-32k"
    """The tokenizer: a folder with a tokenizer.json, a .json or .tiktoken file, a shipped name or tiktoken's."""


class HasData(Protocol):
    """A DataConfig, or the trainer's configuration."""

    @property
    def dataloader(self) -> CodeDataLoader.Config: ...
    @property
    def tokenizer(self) -> CodeTokenizer.Config: ...
    @property
    def training(self) -> BatchConfig: ...
    @property
    def objective(self) -> Objective: ...
    @property
    def hf_assets_path(self) -> str: ...


HIDDEN[CodeDataLoader.Config] = frozenset({"held_out", "conversations"})


def unused_rows(config: HasData, tokenizer: CodeTokenizer, vocab_size: int) -> str | None:
    """Returns a line where more than a twentieth of the model's vocabulary are rows that no token has, else None."""
    fitting = tokenizer.sentinels.vocab_size
    if vocab_size - fitting <= vocab_size // 20:
        return None
    return (
        f"model.vocab_size = {vocab_size}: {vocab_size - fitting:,} of the rows stand for no token, for the tokenizer "
        f"{config.hf_assets_path} has {tokenizer.encoding.n_ids:,} ids; they take memory and time, set it to {fitting}"
    )


def check_tokenizer(config: HasData, vocab_size: int | None) -> CodeTokenizer:
    """The tokenizer and the dialect exist, fit each other and the model's vocabulary; returns the tokenizer."""
    tokenizer = CodeTokenizer(config.tokenizer, tokenizer_path=config.hf_assets_path)
    sentinels = tokenizer.sentinels
    most = max([*sentinels.ids.values(), *sentinels.new.values(), tokenizer.encoding.n_ids - 1])
    if vocab_size is not None and most >= vocab_size:
        appended = (
            f" and the {len(sentinels.appended)} sentinels of {sentinels.dialect.name}" if sentinels.appended else ""
        )
        if sentinels.appended_kinds:
            appended += f" and the {len(sentinels.appended_kinds)} of structured documents"
        raise ConfigError(
            f"model.vocab_size = {vocab_size} must hold the {tokenizer.encoding.n_ids} ids of the tokenizer "
            f"{config.hf_assets_path}{appended}; set it to {sentinels.vocab_size}"
        )
    if config.dataloader.metadata.repository_level and not sentinels.dialect.repository_level:
        raise ConfigError(
            f"dataloader.metadata.repository_level = {config.dataloader.metadata.repository_level}: the dialect "
            f'"{sentinels.dialect.name}" has no layout for several files of a repository; set it to 0, or '
            'tokenizer.dialect = "starcoder2"'
        )
    return tokenizer


def check_batch(config: HasData) -> None:
    """The sizes of a batch lie in their ranges."""
    training = config.training
    _require("training.seq_len", training.seq_len, training.seq_len >= 2, "must be at least 2")
    _require(
        "training.local_batch_size", training.local_batch_size, training.local_batch_size >= 1, "must be at least 1"
    )
    rows = training.global_batch_size
    _require(
        "training.global_batch_size", rows, rows >= 1 or rows == -1, "must be at least 1, or -1 to have it worked out"
    )


def global_rows(training: BatchConfig, dp: int) -> int:
    """Returns G, the rows of the global batch, over `dp` data-parallel ranks.

    Raises:
        ConfigError: they do not split into the microbatches of the ranks.
    """
    local, rows = training.local_batch_size, training.global_batch_size
    step = local * dp
    if rows == -1:
        return step
    if rows % step:
        nearest = max(step, round(rows / step) * step)
        per_rank = f"; or training.local_batch_size = {math.gcd(rows // dp, local)}" if rows % dp == 0 else ""
        raise ConfigError(
            f"training.global_batch_size = {rows} must be a multiple of training.local_batch_size · data-parallel "
            f"degree = {local} · {dp} = {step}; nearest: {nearest}{per_rank}"
        )
    return rows


def check_dataloader(config: HasData) -> None:
    """Each number lies in its range."""
    data = config.dataloader
    shares: dict[str, float] = {
        "metadata.repo": data.metadata.repo,
        "metadata.path": data.metadata.path,
        "metadata.stars": data.metadata.stars,
        "metadata.repository_level": data.metadata.repository_level,
        "fim.rate": data.fim.rate,
        "fim.spm": data.fim.spm,
    }
    for key, value in shares.items():
        _require(f"dataloader.{key}", value, 0 <= value <= 1, "must lie between 0 and 1")
    counts = {
        "block": data.block,
        "prefetch": data.prefetch,
        "metadata.files_per_repository": data.metadata.files_per_repository,
    }
    for key, count in counts.items():
        _require(f"dataloader.{key}", count, count >= 1, "must be at least 1")
    _require("dataloader.workers", data.workers, data.workers >= 0, "must not be negative")
    weights = {field.name: getattr(data.fim.spans, field.name) for field in fields(data.fim.spans)}
    for name, weight in weights.items():
        _require(f"dataloader.fim.spans.{name}", weight, weight >= 0, "must not be negative")
    if not any(weights.values()):
        raise ConfigError(f"dataloader.fim.spans: one of {', '.join(weights)} must be above 0")


def check_mixture(sources: Sequence[SourceConfig], section: str = "dataloader") -> None:
    """The sources' shares make sense together."""
    with_weight = [source.weight is not None for source in sources]
    if any(with_weight) and not all(with_weight):
        missing = with_weight.index(False)
        raise ConfigError(
            f"{section}.sources.{missing}.weight: missing, but others have one; give every source a weight (its share "
            "of the tokens), or none (shares as the sources' sizes)"
        )
    labelled: dict[str, int] = {}
    for i, source in enumerate(sources):
        key = f"{section}.sources.{i}"
        if source.label is not None:
            _require(f"{key}.label", repr(source.label), _is_name(source.label), "must be a printable word or words")
            for name in sorted(parts_of(source.label, source)):
                if name in labelled:
                    raise ConfigError(
                        f'{key}.label = "{source.label}": "{name}" is counted for {section}.sources.{labelled[name]}, '
                        "too; give each source a label of its own"
                    )
                labelled[name] = i
        checks: list[tuple[str, float | None, Callable[[float], bool], str]] = [
            ("weight", source.weight, lambda x: 0 < x < math.inf, "must be above 0 and finite"),
            ("epochs", source.epochs, lambda x: x >= 1, "must be at least 1"),
            ("max_documents", source.max_documents, lambda x: x >= 1, "must be at least 1"),
        ]
        for name, value, holds, rule in checks:
            if value is not None:
                _require(f"{key}.{name}", value, holds(value), rule)
        for language, share in source.languages.items():
            if language not in LANGUAGES:
                hint = did_you_mean(language, LANGUAGES) or f"; there are {', '.join(LANGUAGES)}"
                raise ConfigError(f"{key}.languages.{language}: unknown language{hint}")
            is_number = isinstance(share, (int, float)) and not isinstance(share, bool)
            _require(
                f"{key}.languages.{language}", share, is_number and 0 < share < math.inf, "must be a number above 0"
            )
        if isinstance(source, HuggingFace) and source.streaming:
            set_ = [name for name in ("epochs", "max_documents", "languages") if getattr(source, name)]
            if set_:
                raise ConfigError(
                    f"{key}.{set_[0]}: not possible with streaming = true, which reads a corpus once, in its own "
                    "order; set streaming = false"
                )
            if len(sources) > 1 and source.weight is None:
                raise ConfigError(f"{key}.weight: missing; the size of a stream is not known, so give every source one")


def check_conversations(config: HasData) -> None:
    """Conversations have a format, an objective that takes them, and are never cut."""
    chat, taken = config.tokenizer.chat, conversations(config.objective)
    name = next(name for name, cls in OBJECTIVES.items() if type(config.objective) is cls)
    if taken is None and chat is not None:
        raise ConfigError(
            f'tokenizer.chat = "{chat}" has no effect with objective.name = "{name}", which takes no conversations; '
            'set objective.name = "sft", or remove it'
        )
    if taken is None:
        return
    if chat is None:
        raise ConfigError(
            f'objective.name = "{name}" needs a chat format: set tokenizer.chat to one of {", ".join(CHATS)}'
        )
    if config.dataloader.packing != "best-fit":
        raise ConfigError(
            f'dataloader.packing = "{config.dataloader.packing}" would cut conversations, which objective.name = '
            f'"{name}" learns whole; set it to "best-fit"'
        )
    if taken != "pairs":
        return
    for i, source in enumerate(config.dataloader.sources):
        if isinstance(source, HuggingFace) and source.streaming:
            raise ConfigError(
                f'dataloader.sources.{i}.streaming = true: objective.name = "{name}" reads its pairs twice, for the '
                "reference first; set it to false"
            )


def require_sources(config: HasData) -> None:
    """A corpus is named."""
    if not config.dataloader.sources:
        raise ConfigError(
            "dataloader.sources: missing; name a corpus, for example --dataloader.sources python-stdlib or "
            "--dataloader.sources directory:PATH"
        )


def check_sources(config: HasData) -> None:
    """There is a corpus, and all of it that has a share can be opened and used, with this tokenizer."""
    require_sources(config)
    sources = config.dataloader.sources
    opened = open_sources(sources)
    select(sources, opened, together=1)
    if any(source.structure for source in opened):
        check_structure(opened, CodeTokenizer(config.tokenizer, tokenizer_path=config.hf_assets_path))


def check(config: HasData, vocab_size: int | None = None) -> CodeTokenizer:
    """Runs every rule that needs no corpus; returns the tokenizer, for opening one takes a second.

    Args:
        config: of the data.
        vocab_size: the model's; None where there is no model.
    """
    check_batch(config)
    tokenizer = check_tokenizer(config, vocab_size)
    check_dataloader(config)
    check_mixture(config.dataloader.sources)
    check_conversations(config)
    return tokenizer


def _is_name(text: str) -> bool:
    return bool(text) and text.isprintable() and text == text.strip()


def _require(key: str, value: object, holds: bool, rule: str) -> None:
    if not holds:
        raise ConfigError(f"{key} = {value} {rule}")
