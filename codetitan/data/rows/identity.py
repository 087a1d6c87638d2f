"""What a loader's state belongs to: whatever of it changes between save and resume would serve other tokens."""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from codetitan.data.pieces.grammars import grammar_versions
from codetitan.data.rows.mixture import Component
from codetitan.errors import ConfigError
from codetitan.tokenizer.code_tokenizer import CodeTokenizer

if TYPE_CHECKING:
    from codetitan.data.rows.loader import CodeDataLoader

# Rises when the same configuration and corpus give other tokens than before (tests/data/rows/test_loader.py pins them).
VERSION = 2

_KEPT, _CORPUS = "kept", "the corpus"  # beside what is compared, and compared in parts


def describe(
    config: "CodeDataLoader.Config",
    components: Sequence[Component],
    tokenizer: CodeTokenizer,
    *,
    rows: int,
    seq_len: int,
) -> str:
    """Returns all that decides the tokens of a loader, as JSON: what changed → as a person would name it.

    Args:
        config: what is served.
        components: of the mixture; their sources' fingerprints stand for the corpus.
        tokenizer: and its dialect.
        rows: G.
        seq_len: L.
    """
    sources = {id(component.source): component.source for component in components}.values()
    digest = hashlib.sha256("".join(source.fingerprint for source in sources).encode()).hexdigest()
    count = sum(component.n_documents or 0 for component in components)
    syntax = config.fim.rate and config.fim.spans.syntax
    identity: dict[str, Any] = {
        "codetitan's data path": VERSION,
        **({"the grammars": grammar_versions()} if syntax else {}),
        _CORPUS: f"{count} documents ({digest[:12]})",
        **{
            f"dataloader.sources.{i}.{name}": getattr(source, name)
            for i, source in enumerate(config.sources)
            for name in ("weight", "epochs", "max_documents", "languages")
        },
        "dataloader.seed": config.seed,
        "training.global_batch_size": rows,
        "training.seq_len": seq_len,
        "the tokenizer": tokenizer.fingerprint,
        "tokenizer.dialect": tokenizer.sentinels.dialect.name,
        # Not where there are none: such a run goes on from checkpoints that know of no conversations.
        **({"tokenizer.chat": tokenizer.chat.name} if tokenizer.chat else {}),
        **({"objective.learn": config.conversations} if config.conversations else {}),
        "dataloader.packing": config.packing,
        "dataloader.block": config.block,
        **_flat("dataloader.metadata", asdict(config.metadata)),
        **_flat("dataloader.fim", asdict(config.fim)),
        # Not where nothing is held out: such a run goes on from checkpoints that know of no validation.
        **(_flat("validation", asdict(config.held_out)) if config.held_out.share else {}),
    }
    return json.dumps(identity)


def check(saved: str, here: str, corpus: Callable[[], str]) -> None:
    """Compares what a state was saved for with what there is now, both from `describe`.

    Args:
        saved: with the state.
        here: of this run.
        corpus: called where the corpus is another: how it differs in a way that can't be gone on with; "" for none.

    Raises:
        ConfigError: something has changed that would change the tokens; names it.
    """
    before, now = json.loads(saved), json.loads(here)
    changed = []
    for name in {**before, **now}:
        if name == _KEPT or before.get(name) == now.get(name):
            continue
        detail = corpus() if name == _CORPUS else None
        if detail != "":
            was = f"{name} was {before.get(name)}, is {now.get(name)}"
            changed.append(f"{was}: {detail}" if detail else was)
    if changed:
        raise ConfigError(
            f"the checkpoint's data can't be continued: {'; '.join(changed)}; restore it, set another dump_folder, "
            "or start the data from its beginning, this once, with --checkpoint.exclude_from_loading dataloader"
        )


def with_kept(here: str, kept: dict[str, Any]) -> str:
    """Returns what `describe` returned, with what is kept beside it and not compared."""
    return json.dumps(json.loads(here) | {_KEPT: kept})


def kept(saved: str) -> dict[str, Any]:
    """Returns what was kept beside an identity: nothing beside one of data path 1, which `check` refuses."""
    found: dict[str, Any] = json.loads(saved).get(_KEPT, {})
    return found


def _flat(prefix: str, table: dict[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in table.items():
        flat |= _flat(f"{prefix}.{name}", value) if isinstance(value, dict) else {f"{prefix}.{name}": value}
    return flat
