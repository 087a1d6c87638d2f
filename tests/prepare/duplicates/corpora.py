"""Made corpora, and a plain twin of deduplication that compares all pairs in memory."""

import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from codetitan.data.minhash import band_hashes
from codetitan.data.shingles import similarity, word_grams
from codetitan.prepare.duplicates.config import ExactDuplicates, NearDuplicates
from codetitan.prepare.duplicates.hashes import Text
from codetitan.prepare.duplicates.order import order_key
from codetitan.prepare.duplicates.stages import find
from codetitan.prepare.duplicates.work import Work
from codetitan.prepare.file import Drop


def text(path: str, content: str, stars: int | None = None, repo: str = "a/b", permissive: bool = True) -> Text:
    """Returns a file to compare."""
    return Text(order_key(permissive=permissive, stars=stars, date=None, repo=repo, path=path, source="s"), (content,))


def words(rng: random.Random, n: int) -> list[str]:
    """Returns words that no other call returns."""
    return [f"w{rng.getrandbits(48):x}" for _ in range(n)]


def families(seed: int, n: int) -> list[Text]:
    """Returns documents of a few families, members of which are as similar as 0.5 to 1; some are exact copies."""
    rng = random.Random(seed)
    bases = [words(rng, rng.choice((3, 8, 60, 150))) for _ in range(max(2, n // 12))]
    texts = []
    for i in range(n):
        base = list(rng.choice(bases))
        for _ in range(rng.choice((0, 0, 1, 1, 2, 4, 6))):
            place = rng.randrange(len(base) + 1)
            base[place : place + rng.randrange(3)] = words(rng, rng.randrange(3))
        texts.append(text(f"f{i}", rng.choice((" ", " ", "\n")).join(base), stars=rng.choice((None, 0, 5, 100))))
        if rng.random() < 0.3:  # goes on from what there is: chains
            bases[rng.randrange(len(bases))] = base or ["x"]
    return texts


def outcome(
    texts: Sequence[Text],
    folder: Path,
    *,
    exact: ExactDuplicates | None = None,
    near: NearDuplicates | None = None,
    shards: int = 2,
    tasks: int = 2,
    memory_mb: float = 64,
) -> dict[bytes, Drop]:
    """Returns why documents are dropped, by key."""
    cut = [list(texts[i::shards]) for i in range(shards)]
    work = Work(
        read=lambda folder, shard: [],
        shards=0,
        exact=exact or ExactDuplicates(),
        near=near or NearDuplicates(),
        tasks=tasks,
        memory_mb=memory_mb,
    )
    found = find(cut, work, folder)
    return {cut[s][index].key: drop for s in range(shards) for index, drop in found[s].items()}


def plain(texts: Sequence[Text], near: NearDuplicates, all_pairs: bool = False) -> dict[bytes, tuple[bytes, float]]:
    """Returns dropped → (kept, similarity), by key: greedy in the total order over all pairs that share a band."""
    ordered = sorted(texts)
    grams = [np.unique(np.concatenate([word_grams(file) for file in each.texts])) for each in ordered]
    has_words = [i for i, found in enumerate(grams) if len(found)]
    hashed = band_hashes([grams[i] for i in has_words], near.bands, near.rows)
    bands = {i: set(row) for i, row in zip(has_words, hashed.tolist(), strict=True)}
    kept: list[int] = []
    dropped: dict[bytes, tuple[bytes, float]] = {}
    first: dict[tuple[str, ...], int] = {}
    for i, each in enumerate(ordered):
        if each.texts in first:  # an exact copy is none of the documents that are compared
            continue
        first[each.texts] = i
        for j in kept:
            if i in bands and j in bands and (all_pairs or bands[i] & bands[j]):
                alike = similarity(grams[i], grams[j])
                if alike >= near.similarity:
                    dropped[each.key] = (ordered[j].key, alike)
                    break
        else:
            kept.append(i)
    for each in ordered:
        twin = ordered[first[each.texts]].key
        if twin != each.key:
            dropped[each.key] = dropped.get(twin, (twin, 1.0))
    return dropped
