"""lm-eval's tasks beside an export: what they hold, and that lm-eval's bits per byte are ours."""

import dataclasses
import json
import math
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import tokenizers
import torch

from codetitan.cli import main
from codetitan.data.pieces.dialects import DIALECTS
from codetitan.engine.local import Local
from codetitan.engine.model import load, open_prompts
from codetitan.evaluate import lm_eval
from codetitan.evaluate.protocols import PROTOCOLS
from codetitan.evaluate.scoring import windows_of
from codetitan.hf import tokenizer
from codetitan.hf.export import export
from codetitan.models.code.rope import RopeConfig
from tests.hf.conftest import Install
from tests.hf.kinds import GQA, built, checkpoint, described
from tests.tokenizer.small import written

CONTEXT = 1024
PROTOCOL = PROTOCOLS["bigcode"]
# lm-eval 0.4.13 and what it imports for this, beside what we have installed.
LM_EVAL = (
    "lm_eval==0.4.13", "accelerate", "psutil", "evaluate", "sacrebleu", "portalocker", "tabulate", "colorama", "lxml",
    "pytablewriter", "DataProperty", "mbstrdecoder", "pathvalidate", "tabledata", "tcolorpy", "typepy", "chardet",
)  # fmt: skip


def documents(folder: Path) -> Path:
    """Files: longer than the context, with other line ends and characters, with a sentinel, without text."""
    folder.mkdir()
    for name in ("textwrap", "this", "bisect"):
        shutil.copy(Path(os.__file__).parent / f"{name}.py", folder)
    (folder / "other.py").write_bytes("# é🙂 e\u0301\r\nx = 1\r\n\n\n".encode())
    (folder / "sentinel.py").write_text("x = '<fim_prefix>'\n")
    (folder / "empty.py").write_text("\n")
    return folder


def records(folder: Path, name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / f"{name}.jsonl").read_text().splitlines()]


def without_weights(folder: Path, path: str, context: int = CONTEXT, dialect: str = "starcoder") -> Path:
    folder.mkdir()
    tokenizer.write(path, DIALECTS[dialect], folder, seq_len=context)
    (folder / "config.json").write_text(json.dumps({"max_position_embeddings": context}))
    return folder


def test_what_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = without_weights(tmp_path / "m", "code-32k")
    data = documents(tmp_path / "data")
    assert main(["lm-eval", "--model", str(model), "--data", str(data), "--protocol", "deepseek"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "note: codetitan_documents: left out: 1 empty; 1 of 5 documents are left out: lm-eval takes a sentinel in "
        "their text for one",
        f"{model}/lm-eval: tasks for lm-eval; run them with",
        f"lm_eval --model hf --model_args pretrained={model},prefix_token_id=0 --include_path {model}/lm-eval "
        "--tasks codetitan_humaneval,codetitan_gold,codetitan_documents",
    ]
    folder = model / "lm-eval"
    texts = {record["id"].rpartition("/")[2]: record for record in records(folder, "documents")}
    assert texts.keys() == {"textwrap.py", "this.py", "bisect.py", "other.py"}
    assert all(record["text"].encode() == (data / name).read_bytes() for name, record in texts.items())
    assert all(record["bytes"] == len(record["text"].encode()) for record in texts.values())
    gold = records(folder, "gold")
    assert len(gold) == 164
    for record in gold:
        prompt, both = record["choices"]
        assert both.startswith(prompt) and record["bytes"] == len(both.encode()) - len(prompt.encode())
    yaml = (folder / "codetitan_humaneval.yaml").read_text()
    assert r'until: ["\ndef", "\nclass", "\nif", "\n#", "\nprint"]' in yaml and "max_gen_toks: 500" in yaml
    assert records(folder, "humaneval")[0]["prompt"].endswith('True\n    """')


@pytest.mark.parametrize("dialect", ["starcoder", "starcoder2"])
def test_what_is_asked_is_what_evaluate_asks(dialect: str, tmp_path: Path) -> None:
    """Also where something stands before each text: lm-eval makes the same ids of context and choices."""
    model = without_weights(tmp_path / "m", "code-32k", dialect=dialect)
    assert lm_eval.write(model, PROTOCOL).notes == []
    prompts, read = open_prompts(model), tokenizers.Tokenizer.from_file(str(model / "tokenizer.json"))
    ours = windows_of(lm_eval.humaneval.gold_task("gold"), prompts)
    for record, ((ids, n),) in zip(records(model / "lm-eval", "gold"), ours, strict=True):
        prompt, both = (read.encode(record["context"] + choice).ids for choice in record["choices"])
        assert (prompt, both) == (ids[:-n], ids)
        assert record["context"].startswith(DIALECTS[dialect].no_path)
        assert both[: len(read.encode(record["context"]).ids)] == read.encode(record["context"]).ids
    for record, problem in zip(
        records(model / "lm-eval", "humaneval"),
        lm_eval.humaneval.completion_task("humaneval", PROTOCOL).problems,
        strict=True,
    ):
        assert read.encode(record["prompt"]).ids == prompts.completion(problem.prefix, 4)


def test_another_tokenizer(tmp_path: Path) -> None:
    """GPT-2's pattern makes one token of a line end and the spaces behind it, in which the prompt ends."""
    model = without_weights(tmp_path / "m", written("gpt2", tmp_path / "t"))
    (note,) = lm_eval.write(model, PROTOCOL).notes
    assert re.fullmatch(
        r"codetitan_gold: lm-eval cuts 16\d of 164 solutions into other tokens than codetitan evaluate", note
    )


def test_what_is_longer_than_the_context(tmp_path: Path) -> None:
    model = without_weights(tmp_path / "m", "code-32k", context=256)
    (note,) = lm_eval.write(model, PROTOCOL).notes
    left = len(records(model / "lm-eval", "gold"))
    assert 0 < left < 164
    assert (
        note
        == f"codetitan_gold: {164 - left} of 164 solutions are left out: with their prompts longer than the context"
    )


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["lm-eval", "--model", "none"], "--model none has no config.json"),
        (["lm-eval", "--model", "m", "--data", "none"], "--data none: No such file or directory"),
        (["lm-eval", "--model", "m", "--data", "sentinels"],
         "--data sentinels: lm-eval would cut each document into other tokens than codetitan does"),
        (["lm-eval", "--model", "m", "--limit", "0"], "--limit 0 must be at least 1"),
        (["export", "--checkpoint", "c", "--output", "o", "--data", "data"], "--data data needs --lm-eval"),
        (["export", "--checkpoint", "c", "--output", "o", "--lm-eval", "--data", "none"],
         "--data none: No such file or directory"),
    ],
)  # fmt: skip
def test_what_is_refused(
    words: list[str], line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    if "m" in words:
        without_weights(tmp_path / "m", "code-32k")
    (tmp_path / "sentinels").mkdir()
    (tmp_path / "sentinels" / "a.py").write_text("x = '<fim_middle>'\n")
    assert main(words) == 2
    assert capsys.readouterr().err == f"codetitan: error: {line}\n"
    assert not (tmp_path / "o").exists()


def by_hand(model: Path, name: str, begin: int) -> float:
    """Bits per byte of a task's records, from transformers' logits: every token of a text once.

    A window predicts as many tokens as the context has; the last is filled up with what stands before it.
    """
    import transformers

    network = transformers.AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32)
    read = tokenizers.Tokenizer.from_file(str(model / "tokenizer.json"))
    nats, n_bytes = 0.0, 0
    for record in records(model / "lm-eval", name):
        if name == "documents":
            given, text = [begin], record["text"]
        else:
            prompt = record["context"] + record["choices"][0]
            given, text = read.encode(prompt).ids, (record["context"] + record["choices"][1]).removeprefix(prompt)
        ids = given + read.encode(text).ids
        n_bytes += record["bytes"]
        for start in range(len(given), len(ids), CONTEXT):
            stop = min(start + CONTEXT, len(ids))
            window = torch.tensor([ids[max(0, stop - CONTEXT - 1) : stop]])
            with torch.no_grad():
                log_p = network(window[:, :-1]).logits[0].double().log_softmax(-1)
            of_next = log_p.gather(-1, window[0, 1:, None])[:, 0]
            nats -= of_next[start - stop :].sum().item()
    return nats / math.log(2) / n_bytes


@pytest.mark.slow
@pytest.mark.parametrize("dialect", ["starcoder", "starcoder2"])
def test_lm_eval_measures_what_we_do(
    dialect: str, tmp_path: Path, install: Install, capsys: pytest.CaptureFixture[str]
) -> None:
    """lm-eval offline, on an export, beside `codetitan evaluate` and twenty lines of torch."""
    model, data, out = tmp_path / "m", documents(tmp_path / "data"), tmp_path / "out"
    shape = dataclasses.replace(GQA, vocab_size=32768 + 64)  # starcoder2's <file_sep> is appended
    description = dataclasses.replace(described(shape, RopeConfig()), seq_len=CONTEXT, dialect=dialect)
    saved = checkpoint(tmp_path / "c", built(shape, RopeConfig()), description)
    export(saved, model)
    (data / "sentinel.py").unlink()  # which lm-eval can't measure
    assert main(["lm-eval", "--model", str(model), "--data", str(data)]) == 0
    printed = capsys.readouterr().out.splitlines()[-1].split()
    assert printed[0] == "lm_eval"
    done = subprocess.run(
        [sys.executable, "-m", *printed, "--device", "cpu", "--output_path", str(out), "--log_samples",
         "--batch_size", "8", "--gen_kwargs", "max_gen_toks=4"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(install(*LM_EVAL)), "HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"},
        capture_output=True,
        text=True,
        timeout=1200,
    )  # fmt: skip
    assert not done.returncode, done.stderr[-2000:]
    (results,) = out.rglob("results*.json")
    theirs = json.loads(results.read_text())["results"]
    arguments = ["--model", str(model), "--output", str(tmp_path / "scores"), "--tasks", "gold,bits-per-byte"]
    assert main(["evaluate", *arguments, "--data", f"bits-per-byte={data}"]) == 0
    ours = json.loads((tmp_path / "scores" / "results.json").read_text())["tasks"]
    (begin,) = open_prompts(model).begin()
    for name, task in (("gold", "gold"), ("documents", "bits-per-byte")):
        measured = theirs[f"codetitan_{name}"]["bits_per_byte,none"]
        assert measured == pytest.approx(by_hand(model, name, begin), abs=1e-4)
        assert measured == pytest.approx(ours[task]["scores"]["bits_per_byte"]["value"], abs=1e-4)
    # What it generates is ours where nothing but the model decides: greedy, from the same prompts.
    (samples,) = out.rglob("samples_codetitan_humaneval*.jsonl")
    lines = [json.loads(line) for line in samples.read_text().splitlines()]
    assert len(lines) == 164 and {len(line["resps"]) for line in lines} == {1}
    engine, prompts = Local(load(model)), open_prompts(model)
    task = lm_eval.humaneval.completion_task("humaneval", PROTOCOL)
    from codetitan.engine import Sampling

    asked = [prompts.completion(problem.prefix, 4) for problem in task.problems[:8]]
    for index, (completion,) in engine.complete(asked, Sampling(max_new_tokens=4, stops=task.stops)):
        assert lines[index]["doc"]["task_id"] == task.problems[index].id
        assert lines[index]["resps"][0][0] == completion.text
