"""`codetitan evaluate --server`: refused before anything is asked, and what is done when the server goes is kept."""

import json
from pathlib import Path
from typing import Any

import pytest

from codetitan.cli import main
from codetitan.data.pieces.dialects import DIALECTS
from codetitan.hf import tokenizer
from tests.engine.double import Double, serving

HOLES = [{"prefix": f"def f{n}(a):\n    return", "suffix": "\n", "middle": f" a + {n}"} for n in range(4)]


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A model's folder without weights, beside a task."""
    folder = tmp_path / "model"
    folder.mkdir()
    tokenizer.write("code-32k", DIALECTS["starcoder"], folder, seq_len=96)
    (folder / "config.json").write_text('{"max_position_embeddings": 96}')
    (tmp_path / "own.jsonl").write_text("".join(json.dumps(hole) + "\n" for hole in HOLES))
    return folder


def evaluate(folder: Path, *words: str) -> int:
    asked = ["--output", str(folder / "out"), "--tasks", "own", "--data", str(folder / "own.jsonl")]
    return main(["evaluate", *asked, "--max-new-tokens", "8", *words])


def test_what_is_done_is_kept(tmp_path: Path, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with serving(Double(models=[{"id": "coder"}])) as double:
        ask = ["--server", double.url, "--model", str(model), "--concurrency", "1"]
        seen: list[Any] = []

        def goes(number: int, body: dict[str, Any]) -> int | None:
            if body["prompt"] not in seen and body["max_tokens"] == 8:
                seen.append(body["prompt"])
            return 500 if len(seen) > 3 else None

        double.fault = goes
        assert evaluate(tmp_path, *ask) == 2
        assert capsys.readouterr().err == (
            f"codetitan: error: --server {double.url}/v1/completions answers 500 (7 times): as asked; 3 of 4 prompts are "
            "done and kept\n"
        )
        double.fault = lambda number, body: None
        double.bodies.clear()
        assert evaluate(tmp_path, *ask) == 0
        assert [body["prompt"] for body in double.bodies if body["max_tokens"] == 8] == seen[3:]
        assert "prompts as token ids" in capsys.readouterr().out
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    assert results["tasks"]["own"]["problems"] == 4
    assert (results["engine"]["back_end"], results["engine"]["model"]) == ("server", "coder")


def test_what_is_refused(tmp_path: Path, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def line(*words: str) -> str:
        assert main(["evaluate", "--output", str(tmp_path / "out"), *words]) == 2
        return capsys.readouterr().err.removeprefix("codetitan: error: ").rstrip()

    own = ["--tasks", "own", "--data", str(tmp_path / "own.jsonl")]
    assert line(*own) == "--model: missing; codetitan evaluate --model PATH, or --server URL"
    assert line(*own, "--model", str(model), "--server-model", "x") == "--server-model x needs --server URL"
    assert line(*own, "--server", "http://x", "--dtype", "float32") == (
        "--dtype float32: is the server's to choose; leave it out, or --server"
    )
    with serving(Double("text")) as double:
        said = line("--tasks", "own,gold", *own[2:], "--server", double.url, "--model", str(model))
        assert "gives no log-probabilities of a prompt (logprobs with echo), which bits per byte need" in said
        assert all(body["max_tokens"] == 1 for body in double.bodies)
    assert line(*own, "--server", double.url, "--model", str(model)) == (
        f"--server {double.url}/v1 can't be reached, or cuts the connection: Connection refused"
    )
