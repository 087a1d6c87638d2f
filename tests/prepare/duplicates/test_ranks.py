"""The distribution sort: what is held at a time, and that every document gets the rank that sorting all would give."""

from pathlib import Path

import numpy as np
import pytest

from codetitan.prepare.duplicates.hashes import Text, hash_texts
from codetitan.prepare.duplicates.order import order_key
from codetitan.prepare.duplicates.ranks import Ranked, rank

SHARDS, EACH = 12, 3000


def text(number: int) -> Text:
    key = order_key(permissive=True, stars=number % 50, date=None, repo="o/n", path=f"{number:06}.py", source="s")
    return Text(key, (f"x = {number}",))


def hashed(folder: Path, n: int, memory: int) -> list[Path]:
    """Shards that are alike: each has what is in all of the order."""
    folders = [folder / f"{shard:02}" for shard in range(SHARDS)]
    for shard, out in enumerate(folders):
        out.mkdir(parents=True)
        hash_texts((text(i) for i in range(shard, n, SHARDS)), out, white_space=True, memory=memory)
    return folders


@pytest.mark.parametrize("n", [0, 1, 30, SHARDS * EACH])
def test_ranks(n: int, tmp_path: Path) -> None:
    memory, tasks = 2**20, 3
    folders = hashed(tmp_path / "hashed", n, memory)
    for task in range(tasks):
        (tmp_path / "ranked" / f"{task}").mkdir(parents=True)
        rank(folders, task, tasks, tmp_path / "ranked" / f"{task}", memory=memory)
    ranked = Ranked(sorted((tmp_path / "ranked").iterdir()))
    assert ranked.n == n
    expected = sorted(range(n), key=lambda number: text(number).key)
    shards, index = ranked.places(np.arange(n, dtype=np.uint64))
    assert (index.astype(int) * SHARDS + shards).tolist() == expected
    # What is held at a time is what the memory is for, though the shards' quantiles are the same.
    pieces = [np.fromfile(path, np.uint64).size for path in tmp_path.glob("ranked/*/ranked-*.places")]
    assert sum(pieces) == n and max(pieces, default=0) * 700 < 3 * memory
