"""What is counted adds up, and is what the tables have."""

from collections import Counter
from pathlib import Path

import pytest

from codetitan.data.sources.open import Directory
from codetitan.errors import ConfigError
from codetitan.prepare import run
from codetitan.prepare.config import Prepare
from codetitan.prepare.engine.state import statistics
from codetitan.prepare.engine.totals import total
from codetitan.prepare.readers.open import open_reader
from codetitan.prepare.report.tally import Tally
from codetitan.prepare.rules.copyright import Copyright
from codetitan.prepare.stages.read import Read
from codetitan.prepare.tables import rows
from tests.prepare.stages.in_process import done
from tests.prepare.test_run import _MIT, code

_HEAD = "# Copyright 2020 Somebody\n# All rights reserved.\n\n"


def _raw(root: Path) -> Prepare:
    files = {
        "a/LICENSE": _MIT, "a/one.py": _HEAD + code(1), "a/same.py": _HEAD + "value = other\n" * 60,
        "a/short.py": _HEAD + "x = 1\n", "a/vendor/x.py": code(2), "b/none.py": _HEAD + code(3), "a/copy.py": code(1),
    }  # fmt: skip
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return Prepare(sources=[Directory(path=str(root), repo_depth=1)], shards=2, copyright=Copyright(enable=True))


def test_dropped_rows_are_what_is_counted(tmp_path: Path) -> None:
    """Files and bytes by rule, also of files whose header was taken off before rules looked at them."""
    places = done(run.stages(_raw(tmp_path / "raw")), tmp_path / "out")
    tally = Tally(total(total(statistics(place)).get("counts", {}) for place in places.values()))
    files, n_bytes = Counter[str](), Counter[str]()
    for folder in places["write"].outputs():
        for row in rows(folder / "dropped.parquet"):
            if row["rule"] != "read":
                files[row["rule"]] += 1
                n_bytes[row["rule"]] += row["n_bytes"]
    counted = {rule.name: rule.dropped for rule in tally.rules() if rule.dropped[0]}
    assert counted == {name: (files[name], n_bytes[name]) for name in files}
    assert {"licences", "short_files", "paths", "exact_duplicates"} <= set(files)
    assert tally.read[0] == tally.kept[0] + files.total()
    # Of the two with the same code, the one with a header has lost it before they were compared.
    assert tally.read[1] - tally.kept[1] - n_bytes.total() == len(_HEAD)


def test_a_source_that_changes_while_it_is_read(tmp_path: Path) -> None:
    """Units are numbers of what was listed: of another list, files would be read twice, and others never."""
    config = _raw(tmp_path / "raw")
    read = Read.of(config, [open_reader(source) for source in config.sources])
    (tmp_path / "raw" / "a" / "another.py").write_text(code(9))
    with pytest.raises(
        ConfigError, match="has changed since this command began; the same command reads it as it is now"
    ):
        read.run(0, tmp_path)


def test_a_kill_leaves_no_files_of_two_outcomes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the new tables get their names, nothing is left of the old ones and their report."""
    all_stages = run.stages(_raw(tmp_path / "raw"))
    output = tmp_path / "out"
    done(all_stages, output)
    for name in ("corpus", "dropped", "licences"):
        (output / name).mkdir()
        (output / name / "old").touch()
    for name in (run.REPORT, run.PAGE, run.TALLY):
        (output / name).write_text("old")

    def killed(_path: Path, _target: Path) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Path, "rename", killed)
        run._publish(output, all_stages, "parquet")
    assert sorted(path.name for path in output.iterdir()) == [".partial", "stages", "state.json"]
    run._publish(output, all_stages, "parquet")
    assert sorted(path.name for path in output.iterdir()) == ["corpus", "dropped", "licences", "stages", "state.json"]
