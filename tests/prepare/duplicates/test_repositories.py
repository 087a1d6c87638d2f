"""Repositories that are compared and dropped as a whole."""

import random
from datetime import UTC, datetime
from pathlib import Path

import pytest

from codetitan.prepare.duplicates.config import ExactDuplicates, NearDuplicates
from codetitan.prepare.duplicates.order import name_of, order_key
from codetitan.prepare.duplicates.repositories import Member, by_repository, files_of
from codetitan.prepare.duplicates.stages import find
from codetitan.prepare.duplicates.work import Work
from tests.prepare.duplicates.corpora import words

STARS = {"fork": 1, "origin": 100, "other": 5, "copy": 3}


def member(repo: str, text: str, permissive: bool = True, date: datetime | None = None) -> Member:
    return Member(f"s:{repo}", repo, text, permissive, STARS.get(repo), date, "s")


def test_a_fork_is_dropped_with_all_its_files(tmp_path: Path) -> None:
    rng = random.Random(0)
    a, b, c = (" ".join(words(rng, 200)) for _ in range(3))
    files = [
        *(member("fork", text) for text in (a, "only here", b + " more")),
        *(member("origin", text) for text in (a, b)),
        *(member("copy", text) for text in (b, a)),
        *(member("other", text) for text in (a, c, c.upper() + " end")),
    ]
    texts = list(by_repository(files))
    assert [name_of(text.key) for text in texts] == ["fork", "origin", "copy", "other"]
    work = Work(read=lambda *_: (), shards=0, exact=ExactDuplicates(), near=NearDuplicates(bands=50, rows=4))
    [drops] = find([texts], work, tmp_path)
    found = [(file.text, drop.rule, drop.twin) for file, drop in files_of(drops.items(), files, lambda file: file.root)]
    assert found == [
        *((text, "near_duplicates", "origin") for text in (a, "only here", b + " more")),
        *((text, "exact_duplicates", "origin") for text in (b, a)),
    ]


def test_a_repository_is_what_its_files_are() -> None:
    """Of all its files: permissive, the most stars, the latest date; two archives of a project are two."""
    old, new = datetime(2020, 1, 1, tzinfo=UTC), datetime(2024, 1, 1, tzinfo=UTC)
    mixed, plain, archive = by_repository([
        member("a/b", "1", date=old), member("a/b", "2", permissive=False, date=new), member("a/b", "3"),
        Member("src:", None, "4", True, None, None, "src"),
        Member("src:dir/demo-1.2.tgz", "demo", "5", True, None, None, "src"),
    ])  # fmt: skip
    assert mixed.key == order_key(permissive=False, stars=None, date=new, repo="a/b", path="", source="s")
    assert mixed.texts == ("1", "2", "3")
    assert [name_of(each.key) for each in (mixed, plain, archive)] == ["a/b", "src", "demo/dir/demo-1.2.tgz"]


def test_files_that_are_not_together() -> None:
    files = [member("a", "1"), member("b", "2"), member("a", "3")]
    with pytest.raises(ValueError, match="the files of s:a are not together"):
        list(by_repository(files))
