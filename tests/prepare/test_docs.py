"""What docs/prepare.md shows is true: its tables are configurations, its documents are kept by default."""

import json
import re
import tomllib
from pathlib import Path

import pytest

from codetitan.config.load import load
from codetitan.prepare.config import Prepare, Root
from codetitan.prepare.documents.pull_requests import PullRequests
from codetitan.prepare.run import open_sources, stages
from codetitan.prepare.tables import rows
from tests.conftest import REPOSITORY
from tests.prepare.stages.in_process import done

_BLOCKS = re.findall(
    r"^```(\w+)\n(.*?)^```$", (REPOSITORY / "docs" / "prepare.md").read_text(), re.DOTALL | re.MULTILINE
)


def blocks(kind: str) -> list[str]:
    found = [text for language, text in _BLOCKS if language == kind]
    assert found
    return found


@pytest.mark.parametrize("text", blocks("toml"), ids=lambda text: text.split("\n")[0])
def test_tables_are_configurations(tmp_path: Path, text: str) -> None:
    (tmp_path / "prepare.toml").write_text(text)
    config = Root.of(load(tmp_path / "prepare.toml")).prepare
    assert config != Prepare() and set(tomllib.loads(text)) == {"prepare"}


@pytest.mark.parametrize("text", blocks("json"), ids=lambda text: text[:20])
def test_documents_are_kept(tmp_path: Path, text: str) -> None:
    """By a pull request's own rules, and by all that look at each file."""
    row = json.loads(text)
    assert {"title", "files", "events"} <= set(row)  # else it is of another reader
    (tmp_path / "rows.jsonl").write_text(json.dumps(row) + "\n")
    config = Prepare(sources=[PullRequests(path=str(tmp_path / "rows.jsonl"))], shards=1)
    places = done(stages(config, open_sources(config))[:3], tmp_path / "out")
    (folder,) = places["judge"].outputs()
    left = [row["reason"] for place in ("read", "judge") for row in rows(places[place].task(0) / "dropped.parquet")]
    assert left == [] and [row["path"] for row in rows(folder / "files.parquet")] == [f"pull/{row['number']}"]
