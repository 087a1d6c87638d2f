"""`codetitan prepare` on raw code in which it is known what must go: recall and precision by kind, of the whole command.

`pytest -s -m slow` shows the table. The secrets are held out (`planted/secrets.py`), and so are the ways in which
benchmarks are hidden: the floors are what the rules reached when they first met them.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from codetitan.cli import main
from codetitan.prepare.tables import rows
from tests.data.helpers import plain_grams
from tests.prepare.planted.corpus import Planted, plant

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Planted:
    return plant()


@pytest.fixture(scope="module")
def output(planted: Planted, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("planted")
    planted.write(folder / "raw")
    (folder / "prepare.toml").write_text(
        f'[prepare]\nshards = 2\n[[prepare.sources]]\ntype = "directory"\npath = "{folder / "raw"}"\nrepo_depth = 1\n'
    )
    assert main(["prepare", "--config", str(folder / "prepare.toml"), "--output", str(folder / "out")]) == 0
    return folder / "out"


@pytest.fixture(scope="module")
def corpus(output: Path) -> dict[str, str]:
    """Name → text of what is kept."""
    return {name: row["content"] for name, row in _rows(output / "corpus")}


@pytest.fixture(scope="module")
def dropped(output: Path) -> dict[str, dict[str, Any]]:
    """Name → row of what is not."""
    return dict(_rows(output / "dropped"))


def _rows(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    for path in sorted(folder.iterdir()):
        yield from ((f"{row['repo']}/{row['path']}", row) for row in rows(path))


def _share(part: int, whole: int) -> str:
    return f"{part:4} of {whole:4} {part / whole:6.1%}" if whole else "none"


def _by_kind(kinds: Iterable[str], found: Counter[str]) -> list[str]:
    return [f"    {kind:32} {_share(found[kind], n)}" for kind, n in Counter(kinds).items() if found[kind] < n]


def test_every_file_has_an_outcome(planted: Planted, corpus: dict[str, str], dropped: dict[str, Any]) -> None:
    code = {name for name in planted.files if name.endswith(".py")}
    assert code <= corpus.keys() | dropped.keys() and not corpus.keys() & dropped.keys()


def test_secrets(planted: Planted, corpus: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    """What goes is the secret and nothing beside it; in files that other rules drop, nothing is measured."""
    there = [each for each in planted.secrets if each[0] in corpus]
    found, gone = Counter[str](), Counter[str]()
    for name, kind, line, secret in there:
        found[kind] += max(secret.split("\n"), key=len) not in corpus[name]
        gone[kind] += line.partition(secret)[0] not in corpus[name]
    decoys = [each for each in planted.decoys if each[0] in corpus]
    wrong = Counter(kind for name, kind, line in decoys if line not in corpus[name])
    meant = {line for _, _, text, _ in planted.secrets for line in text.split("\n")}
    meant |= {line for _, _, text in planted.decoys for line in text.split("\n")}
    others = [
        line
        for name, text in corpus.items()
        for line in set(planted.files[name].split("\n")) - set(text.split("\n")) - meant
        if not re.search("@|uthor|ritten by", line)  # addresses and names of real people, which are to go
    ]
    n_wrong = wrong.total() + len(others)
    recall, precision = found.total() / len(there), found.total() / (found.total() + n_wrong)
    with capsys.disabled():
        print(f"\nsecrets: recall {_share(found.total(), len(there))}; with more than the secret: {dict(+gone)}")
        print(*_by_kind((kind for _, kind, _, _ in there), found), sep="\n")
        print(
            f"secrets: precision {precision:.1%}; of {len(decoys)} decoys gone: {dict(wrong)}; of real code: {others}"
        )
    assert len(there) >= 240 and len(decoys) >= 200
    assert recall >= 0.8 and precision >= 0.9 and gone.total() <= 0.1 * len(there)


def test_contaminated_files(
    planted: Planted, corpus: dict[str, str], dropped: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    by_rule = {name for name, row in dropped.items() if row["rule"] == "contamination"}
    there = {name: way for name, way in planted.contaminated.items() if name in corpus or name in by_rule}
    found = Counter(way for name, way in there.items() if name in by_rule)
    wrong = by_rule - there.keys()
    precision = found.total() / max(1, len(by_rule))
    with capsys.disabled():
        print(f"\ncontamination: recall {_share(found.total(), len(there))}; precision {precision:.1%}")
        print(
            *_by_kind(there.values(), found),
            *(f"    taken for one: {dropped[name]['value']}" for name in wrong),
            sep="\n",
        )
    assert len(there) >= 45 and found.total() >= 0.8 * len(there) and precision >= 0.96


def test_near_duplicates(
    planted: Planted, corpus: dict[str, str], dropped: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    """Of each drop, the similarity that is said is the true one, by words in Python's sets."""
    by_rule = {name: row for name, row in dropped.items() if row["rule"] == "near_duplicates"}
    pairs = {pair: s for pair, s in planted.pairs.items() if all(each in corpus or each in by_rule for each in pair)}
    lines, similar, found = [], 0, 0
    for low, high in ((0.5, 0.65), (0.65, 0.7), (0.7, 0.75), (0.75, 0.8), (0.8, 0.9), (0.9, 1)):
        inside = {pair: s for pair, s in pairs.items() if low <= s < high}
        went = sum(any(name in by_rule for name in pair) for pair in inside)
        expected = sum(1 - (1 - s**10) ** 25 for s in inside.values()) if low >= 0.7 else 0.0
        lines.append(f"    Jaccard {low:.2f} to {high:.2f} {_share(went, len(inside))}, {expected:.1f} by the bands")
        similar, found = similar + len(inside) * (low >= 0.7), found + went * (low >= 0.7)
    true = [_similarity(planted.files[name], planted.files[row["twin"]]) for name, row in by_rule.items()]
    right = sum(each >= 0.7 for each in true)
    with capsys.disabled():
        print(
            f"\nnear-duplicates: recall {_share(found, similar)}; precision {_share(right, len(true))}",
            *lines,
            sep="\n",
        )
    said = [row["similarity"] for row in by_rule.values()]
    assert all(abs(a - b) < 0.02 for a, b in zip(said, true, strict=True))  # secrets were redacted in between
    assert all(row["twin"] in corpus for row in by_rule.values())
    assert len(pairs) >= 95 and right == len(true) and found >= 0.85 * similar


def _similarity(one: str, other: str) -> float:
    a, b = plain_grams(one), plain_grams(other)
    return len(a & b) / len(a | b)


def test_copies(planted: Planted, corpus: dict[str, str], dropped: dict[str, Any]) -> None:
    for one, other in planted.copies:
        kept, gone = (one, other) if one in corpus else (other, one)
        if kept in corpus:  # no other rule has dropped both
            assert (dropped[gone]["rule"], dropped[gone]["twin"]) == ("exact_duplicates", kept)
    assert sum(one in corpus or other in corpus for one, other in planted.copies) >= 18


def test_copyleft(
    planted: Planted, corpus: dict[str, str], dropped: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    """Of a permissive repository: none that is vendored stays, and none of the others goes for it."""
    found = Counter(way for name, way in planted.copyleft.items() if name not in corpus)
    rules = Counter((way, dropped[name]["rule"]) for name, way in planted.copyleft.items() if name in dropped)
    wrong = [name for name in planted.permissive if name in dropped and dropped[name]["rule"] == "licences"]
    others = [name for name, row in dropped.items() if row["rule"] == "licences" and name not in planted.copyleft]
    n = len(planted.copyleft)
    precision = found.total() / (found.total() + len(others))
    with capsys.disabled():
        print(f"\ncopyleft: recall {_share(found.total(), n)}; precision {precision:.1%}", dict(rules))
    assert found.total() == n == 30 and not wrong and not others
    assert rules["vendored", "paths"] == 10 and rules["a folder with its COPYING", "licences"] == 10
