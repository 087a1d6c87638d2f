"""Whole repositories that are copies, whose files are spread over tasks."""

import json
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from codetitan.data.sources.open import Jsonl
from codetitan.prepare.config import Prepare
from codetitan.prepare.duplicates.config import ExactDuplicates, NearDuplicates, RepositoryDuplicates
from codetitan.prepare.readers import served
from codetitan.prepare.report.why import sentence
from codetitan.prepare.run import stages
from codetitan.prepare.secrets import Secrets
from codetitan.prepare.stages.read import LEFT_OUT
from codetitan.prepare.stages.shards import CORPUS
from codetitan.prepare.tables import rows
from tests.prepare.stages.in_process import done
from tests.prepare.test_run import code

# repository → its files' numbers; more stars first. "fork" has what "origin" has, and a file more; "apart" has a third.
REPOS = {"origin": [*range(8)], "fork": [*range(8), 100], "mirror": [*range(8)], "apart": [0, 1, 50, 51, 52, 53]}
STARS = {"origin": 50, "fork": 5, "mirror": 7, "apart": 1}
ON = RepositoryDuplicates(enable=True)
FILES_OFF = {"exact_duplicates": ExactDuplicates(enable=False), "near_duplicates": NearDuplicates(enable=False)}


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Rows in no order of repositories; one file is of none."""
    lines: list[Mapping[str, Any]] = [{"content": code(0), "path": "lone.py", "license": "MIT"}]
    for repo, numbers in REPOS.items():
        row = {"repo": repo, "stars": STARS[repo], "license": "MIT"}
        lines += [{**row, "content": code(number), "path": f"f{number}.py"} for number in numbers]
    folder = tmp_path_factory.mktemp("raw")
    for seed in range(2):
        random.Random(seed).shuffle(lines)
        (folder / f"{seed}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


@pytest.fixture(autouse=True)
def small_units(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that the files of a repository are in several tasks."""
    monkeypatch.setattr(served, "UNIT", 9)


def outcome(rows_of: Path, folder: Path, **options: Any) -> tuple[list[str], list[str]]:
    """Returns the files that stay, and why the others do not."""
    config = Prepare(sources=[Jsonl(path=str(rows_of))], shards=2, secrets=Secrets(enable=False), **options)
    by_name = done(stages(config), folder)
    place = by_name["write"]
    assert by_name["judge"].stage.tasks == 4
    kept = [f"{row['repo']}/{row['path']}" for part in place.outputs() for row in rows(part / f"{CORPUS}.parquet")]
    dropped = [sentence(row) for part in place.outputs() for row in rows(part / LEFT_OUT)]
    return sorted(kept), sorted(dropped)


def files(*repos: str) -> list[str]:
    return [f"{repo}/f{number}.py" for repo in repos for number in REPOS[repo]]


@pytest.mark.slow
def test_all_files_of_a_copy_go(raw: Path, tmp_path: Path) -> None:
    """Also the file that only the fork has; and what another repository shares with the origin stays."""
    kept, dropped = outcome(raw / "0.jsonl", tmp_path / "out", repository_duplicates=ON, **FILES_OFF)
    assert kept == sorted([*files("origin", "apart"), "None/lone.py"])
    assert dropped == sorted([
        *(f"{name}: dropped by repository_duplicates: its repository is the same as another: origin is kept, "
          "Jaccard similarity 1.00" for name in files("mirror")),
        *(f"{name}: dropped by repository_duplicates: its repository is nearly another: origin is kept, "
          "Jaccard similarity 0.89" for name in files("fork")),
    ])  # fmt: skip


@pytest.mark.slow
def test_no_file_goes_for_one_that_goes_with_its_repository(raw: Path, tmp_path: Path) -> None:
    """Then files are compared, of what is left; in any order of the rows."""
    kept, dropped = outcome(raw / "0.jsonl", tmp_path / "out", repository_duplicates=ON)
    assert kept == sorted([*files("origin"), *(f"apart/f{number}.py" for number in (50, 51, 52, 53))])
    twins = {line.partition(": dropped")[0]: line.rpartition(": ")[2] for line in dropped if "the same text" in line}
    assert twins == {
        name: f"origin/f{name[-4]}.py is kept, Jaccard similarity 1.00"
        for name in ("apart/f0.py", "apart/f1.py")
    } | {"lone.py": "origin/f0.py is kept, Jaccard similarity 1.00"}  # fmt: skip
    assert outcome(raw / "1.jsonl", tmp_path / "turned", repository_duplicates=ON) == (kept, dropped)


def test_off_there_are_no_stages(raw: Path) -> None:
    config = Prepare(sources=[Jsonl(path=str(raw / "0.jsonl"))])
    assert not [stage.name for stage in stages(config) if "repositories" in stage.name]
