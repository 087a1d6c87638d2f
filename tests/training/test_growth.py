"""A run whose corpus grew goes on in the trainer, on several ranks as on one."""

import shutil
from pathlib import Path

import pytest

from tests.conftest import metrics, run_train


@pytest.mark.slow
def test_a_run_goes_on_with_more_documents(tiny: Path, tmp_path: Path) -> None:
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    for i in range(30):
        (corpus / f"m{i:02}.py").write_text("".join(f"value_{i} = {j}\n" for j in range(4 + i % 5)))
    source = ["--dataloader.sources", f"directory:{corpus}", "--lr_scheduler.total_steps", "9"]
    source += ["--validation.share", "0.2", "--validation.interval", "3", "--validation.tokens", "2000"]
    first = run_train(tiny, *source, "--training.steps", "3")
    assert first.returncode == 0, first.stderr
    for i in range(30):
        (corpus / f"a{i:02}.py").write_text("".join(f"added_{i} = {j}\n" for j in range(4 + i % 5)))
    refused = run_train(tiny, *source, "--training.steps", "9")
    assert refused.returncode == 2 and refused.stderr.count("\n") == 1
    assert "added a00.py, a01.py, a02.py and 27 more; --dataloader.on_growth extend serves" in refused.stderr
    folders = []
    for nproc in (1, 2):
        folders.append(tmp_path / f"run-{nproc}")
        shutil.copytree(tmp_path / "run", folders[-1])
        grown = ["--dump_folder", str(folders[-1]), "--dataloader.on_growth", "extend", "--training.steps"]
        # Once more, from a checkpoint that knows of the growth.
        for steps in ("6", "9"):
            done = run_train(tiny, *source, *grown, steps, nproc=nproc)
            assert done.returncode == 0, done.stderr
        log = (folders[-1] / "logs" / "rank-0.log").read_text()
        assert f"data: directory:{corpus} has 30 documents more than when it was saved: served from its" in log
        # Some of what came is held out as well: what is measured has grown, which is said once.
        assert log.count("validation: other tokens than before (set ") == 1
    one, two = folders
    for a, b in zip(metrics(one), metrics(two), strict=True):
        if a.get("kind") == "validation":
            assert a["validation/set"] == b["validation/set"]
            assert a["validation/loss"] == pytest.approx(b["validation/loss"], rel=1e-5)
        else:
            assert a["loss"] == pytest.approx(b["loss"], rel=1e-5)
            assert {k: v for k, v in a.items() if "/" in k or k == "padding"} == {
                k: v for k, v in b.items() if "/" in k or k == "padding"
            }
    assert [a["step"] for a in metrics(one) if "kind" in a] == [3, 6, 9]
    assert [a["step"] for a in metrics(one) if "kind" not in a] == list(range(1, 10))
