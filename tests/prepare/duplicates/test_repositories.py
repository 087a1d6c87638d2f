"""Repositories that are compared and dropped as a whole."""

import random
from pathlib import Path

import pytest

from codetitan.prepare.duplicates.config import ExactDuplicates, NearDuplicates
from codetitan.prepare.duplicates.order import name_of, order_key
from codetitan.prepare.duplicates.parts import Work
from codetitan.prepare.duplicates.repositories import by_repository, files_of
from codetitan.prepare.duplicates.stages import find
from tests.prepare.duplicates.corpora import words

STARS = {"fork": 1, "origin": 100, "other": 5, "copy": 3}


def key(repo: str | None, path: str = "") -> bytes:
    return order_key(permissive=True, stars=STARS.get(repo or ""), date=None, repo=repo, path=path, source="s")


def test_a_fork_is_dropped_with_all_its_files(tmp_path: Path) -> None:
    rng = random.Random(0)
    a, b, c = (" ".join(words(rng, 200)) for _ in range(3))
    files = [
        *(("fork", path, text) for path, text in (("a", a), ("new", "only here"), ("moved/b", b + " more"))),
        *((None, path, text) for path, text in (("1", a), ("2", "alone"), ("3", "alone"))),
        *(("origin", path, text) for path, text in (("a", a), ("b", b))),
        *(("copy", path, text) for path, text in (("b", b), ("a", a))),
        *(("other", path, text) for path, text in (("a", a), ("c", c), ("d", c.upper() + " end"))),
    ]
    texts = list(by_repository(((repo, key(repo, path), text) for repo, path, text in files), key))
    assert [name_of(text.key) for text in texts] == ["fork", "1", "2", "3", "origin", "copy", "other"]
    work = Work(read=lambda *_: (), shards=0, exact=ExactDuplicates(), near=NearDuplicates(bands=50, rows=4))
    [drops] = find([texts], work, tmp_path)
    found = dict(files_of(drops.items(), [repo for repo, _, _ in files]))
    assert {files[index][:2]: (drop.rule, drop.twin) for index, drop in found.items()} == {
        **{("fork", path): ("near_duplicates", "origin") for path in ("a", "new", "moved/b")},
        **{("copy", path): ("exact_duplicates", "origin") for path in ("a", "b")},
        (None, "3"): ("exact_duplicates", "2"),
    }


def test_files_that_are_not_together() -> None:
    files = [("a", b"1", ""), ("b", b"2", ""), ("a", b"3", "")]
    with pytest.raises(ValueError, match="the files of repository a are not together"):
        list(by_repository(files, str.encode))
