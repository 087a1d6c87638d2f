"""Near-duplicates of this Python's site-packages beside plain Python: is what is dropped similar, and what was missed?

python benchmarks/prepare_duplicates_exactness.py
"""

import hashlib
import math
import re
import sysconfig
import tempfile
from collections import Counter
from pathlib import Path

from prepare_duplicates import files


def plain_grams(text: str) -> set[int]:
    """A text's word 5-grams, by Python alone."""
    words = re.findall(r"[0-9A-Za-z_\x80-\U0010ffff]+", text.lower())
    return {hash(tuple(words[i : i + 5])) for i in range(max(1, len(words) - 4))} if words else set()


def similar_pairs(grams: list[set[int]], least: float) -> dict[tuple[int, int], float]:
    """Returns all pairs that are so similar, and how similar: exact, as two such sets share one of the rarest grams of
    each (prefix filtering: Chaudhuri et al., ICDE 2006)."""
    often = Counter(gram for each in grams for gram in each)
    having: dict[int, list[int]] = {}
    found = {}
    for i, mine in enumerate(grams):
        rarest = sorted(mine, key=lambda gram: (often[gram], gram))[: len(mine) - math.ceil(least * len(mine)) + 1]
        for j in {j for gram in rarest for j in having.get(gram, ())}:
            both = len(mine & grams[j])
            if both >= least * (len(mine) + len(grams[j]) - both):
                found[j, i] = both / (len(mine) + len(grams[j]) - both)
        for gram in rarest:
            having.setdefault(gram, []).append(i)
    return found


def exactness(output: Path) -> None:
    """Of site-packages: 100 pairs that were dropped, drawn by a hash, and how similar they are; and all pairs of some
    packages, by brute force: which of them were missed."""
    from codetitan.prepare.duplicates.config import ExactDuplicates, NearDuplicates
    from codetitan.prepare.duplicates.hashes import Text
    from codetitan.prepare.duplicates.order import order_key
    from codetitan.prepare.duplicates.stages import find
    from codetitan.prepare.duplicates.work import Work

    texts = {path: text for path, text in files(Path(sysconfig.get_path("purelib")), 1) if len(text) < 200_000}

    def dropped(paths: list[str], folder: str) -> dict[str, tuple[str, str, float]]:
        """path → (rule, twin, similarity)"""
        keys = [order_key(permissive=True, stars=None, date=None, repo=None, path=p, source="") for p in paths]
        work = Work(read=lambda *_: (), shards=0, exact=ExactDuplicates(), near=NearDuplicates())
        shard = [Text(key, (texts[path],)) for key, path in zip(keys, paths, strict=True)]
        [drops] = find([shard], work, output / folder)
        return {paths[index]: (drop.rule, drop.twin, drop.similarity) for index, drop in drops.items()}

    every = dropped(sorted(texts), "all")
    near = {path: twin for path, (rule, twin, _) in every.items() if rule == "near_duplicates"}
    drawn = sorted(near, key=lambda path: hashlib.sha256(path.encode()).digest())[:100]
    true = []
    for path in drawn:
        one, other = plain_grams(texts[path]), plain_grams(texts[near[path]])
        true.append(len(one & other) / len(one | other))
    wrong = [path for path, similarity in zip(drawn, true, strict=True) if abs(every[path][2] - similarity) > 1e-9]
    print(
        f"{len(texts):,} files, {sum(map(len, texts.values())) / 1e6:.0f} MB: {len(near):,} near-duplicates dropped; "
        f"of {len(drawn)} drawn, {sum(each >= 0.7 for each in true)} are at 0.7 or above (least {min(true):.3f}), said "
        f"otherwise: {len(wrong)}",
        flush=True,
    )

    some = [p for p in sorted(texts) if hashlib.sha256(p.split("/")[0].encode()).digest()[0] < 64][:4000]
    gone = dropped(some, "some")
    left = [path for path in some if gone.get(path, ("",))[0] != "exact_duplicates"]
    pairs = similar_pairs([plain_grams(texts[path]) for path in left], 0.7)
    bands = {0.7: [0, 0, 0.0], 0.75: [0, 0, 0.0], 0.8: [0, 0, 0.0], 0.9: [0, 0, 0.0]}
    for pair, similarity in pairs.items():
        band = bands[max(least for least in bands if similarity >= least)]
        band[0] += 1
        band[1] += any(left[i] in gone for i in pair)
        band[2] += 1 - (1 - similarity**10) ** 25
    print(f"{len(left):,} files, {len(gone) - len(some) + len(left):,} near-duplicates dropped; all pairs of them:")
    for least, (n, met, expected) in bands.items():
        share = f"{met:,} of {n:,} with one that is gone ({met / max(1, n):.1%})"
        print(f"    from {least}: {share}; {expected:,.0f} share a band")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        exactness(Path(name))
