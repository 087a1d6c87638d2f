"""What the data and the tokenizer ask of a configuration: a rule a function.

Each raises ConfigError with the key, its value, the rule and a fix, before a process group starts.
"""

import math
from collections.abc import Callable
from dataclasses import fields

from codetitan.data.language import LANGUAGES
from codetitan.data.rows.mixture import open_components
from codetitan.data.sources.open import HuggingFace
from codetitan.errors import ConfigError, did_you_mean
from codetitan.tokenizer.code_tokenizer import CodeTokenizer
from codetitan.training.trainer import CodeTrainer

Config = CodeTrainer.Config


def check_tokenizer(config: Config) -> None:
    """The tokenizer and the dialect exist, fit each other, and their ids fit the model's vocabulary."""
    tokenizer = CodeTokenizer(config.tokenizer, tokenizer_path=config.hf_assets_path)
    sentinels, vocab_size = tokenizer.sentinels, config.model.shape().vocab_size
    most = max([*sentinels.ids.values(), tokenizer.encoding.n_ids - 1])
    if most >= vocab_size:
        appended = (
            f" and the {len(sentinels.appended)} sentinels of {sentinels.dialect.name}" if sentinels.appended else ""
        )
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


def check_dataloader(config: Config) -> None:
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


def check_mixture(config: Config) -> None:
    """The sources' shares make sense together."""
    sources = config.dataloader.sources
    with_weight = [source.weight is not None for source in sources]
    if any(with_weight) and not all(with_weight):
        missing = with_weight.index(False)
        raise ConfigError(
            f"dataloader.sources.{missing}.weight: missing, but others have one; give every source a weight (its share "
            "of the tokens), or none (shares as the sources' sizes)"
        )
    for i, source in enumerate(sources):
        key = f"dataloader.sources.{i}"
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


def require_sources(config: Config) -> None:
    """A corpus is named."""
    if not config.dataloader.sources:
        raise ConfigError(
            "dataloader.sources: missing; name a corpus, for example --dataloader.sources python-stdlib or "
            "--dataloader.sources directory:PATH"
        )


def check_sources(config: Config) -> None:
    """There is a corpus, and all of it that has a share can be opened and used."""
    require_sources(config)
    open_components(config.dataloader.sources, together=1)


def check(config: Config) -> None:
    """Runs every rule that needs no corpus."""
    check_tokenizer(config)
    check_dataloader(config)
    check_mixture(config)


def _require(key: str, value: object, holds: bool, rule: str) -> None:
    if not holds:
        raise ConfigError(f"{key} = {value} {rule}")
