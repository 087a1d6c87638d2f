"""From a base model to an assistant on a laptop: what instruction tuning and preferences change, and what they cost.

    python benchmarks/assistant.py [--base-steps 1000] [--steps 300] [--json FILE]

trains debug_infill.toml, tunes it on generated instructions (each asks for a small Python function in words that the
held-out ones put together in other ways), with and without infilling rows among them, then on pairs of a right and a
wrong answer, and prints two tables: held-out response loss, greedy answers that are exactly right, and infilling of
held-out files of the standard library, after each stage; and the held-out pairs' loss, margin and accuracy.
"""

import argparse
import itertools
import json
import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).parent.parent
OPERATIONS = {
    "the sum": ("+", "-"), "the difference": ("-", "+"), "the product": ("*", "/"), "the quotient": ("/", "*"),
    "the remainder": ("%", "/"), "the larger one": ("max", "min"), "the smaller one": ("min", "max"),
}  # fmt: skip
NAMES = [
    "combine", "apply", "solve", "compute", "result", "answer", "value", "total", "score", "check", "update", "merge",
]  # fmt: skip
ARGUMENTS = [("a", "b"), ("x", "y"), ("left", "right"), ("first", "second"), ("n", "m"), ("old", "new")]
HELD_OUT = 60


def records() -> list[dict[str, str]]:
    """Returns every instruction with its right and its wrong answer, in a drawn order."""

    def body(operation: str, first: str, second: str) -> str:
        return f"{operation}({first}, {second})" if operation.isalpha() else f"{first} {operation} {second}"

    made = []
    for name, (first, second), what in itertools.product(NAMES, ARGUMENTS, OPERATIONS):
        head = f"def {name}({first}, {second}):\n    return "
        right, wrong = (head + body(operation, first, second) for operation in OPERATIONS[what])
        asked = f"Write a function {name} of {first} and {second} that returns {what}."
        made.append({"prompt": asked, "chosen": right, "rejected": wrong})
    random.Random(0).shuffle(made)
    return made


def write(folder: Path) -> list[dict[str, str]]:
    """Writes the files that are trained and measured on; returns the held-out records."""
    made = records()
    for name, part in (("held-out", made[:HELD_OUT]), ("train", made[HELD_OUT:])):
        answers = [{"instruction": record["prompt"], "output": record["chosen"]} for record in part]
        for kind, rows in (("sft", answers), ("dpo", part)):
            (folder / f"{name}-{kind}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return made[:HELD_OUT]


def call(*words: object) -> None:
    """Runs a command of the repository."""
    command = [str(word) for word in words]
    done = subprocess.run(command, env=os.environ | {"NGPU": "1"}, cwd=REPOSITORY, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")


def train(config: str, output: Path, settings: dict[str, object]) -> list[dict[str, Any]]:
    """Trains; returns the rounds of validation."""
    words = [word for key, value in settings.items() for word in (f"--{key}", str(value))]
    call(REPOSITORY / "run_train.sh", "--config", config, "--dump_folder", output, *words)
    lines = [json.loads(line) for line in (output / "metrics.jsonl").read_text().splitlines()]
    return [line for line in lines if line.get("kind") == "validation"]


def exact(model: Path, held_out: list[dict[str, str]]) -> float:
    """Returns the share of greedy answers that are exactly right."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer, network = AutoTokenizer.from_pretrained(model), AutoModelForCausalLM.from_pretrained(model)
    right = 0
    for record in held_out:
        if tokenizer.chat_template is None:  # of the base, which knows no chat: the instruction, as a comment
            ids = tokenizer(f"# {record['prompt']}\n", return_tensors="pt").input_ids
        else:
            messages = [{"role": "user", "content": record["prompt"]}]
            ids = tokenizer.apply_chat_template(
                messages, add_generation_prompt=True, return_tensors="pt", return_dict=False
            )
        with torch.no_grad():
            made = network.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=48, do_sample=False)
        right += tokenizer.decode(made[0, ids.shape[1] :], skip_special_tokens=True).strip() == record["chosen"]
    return right / len(held_out)


def infilling(model: Path, files: Path, output: Path) -> dict[str, float]:
    """Returns scores of infilling held-out files."""
    tasks = "infill-exact,bits-per-byte"
    data = [f"{task}={files}" for task in tasks.split(",")]
    call(sys.executable, "-m", "codetitan", "evaluate", "--model", model, "--output", output, "--order", "spm",
         "--tasks", tasks, "--data", *data)  # fmt: skip
    return {
        f"{task}/{metric}": value["value"]
        for task, found in json.loads((output / "results.json").read_text())["tasks"].items()
        for metric, value in found["scores"].items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--base-steps", type=int, default=1000)
    parser.add_argument("--steps", type=int, default=300, help="of instruction tuning")
    parser.add_argument("--dpo-steps", type=int, default=30)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        held_out = write(folder)
        base = folder / "base"
        config = str(REPOSITORY / "train_configs" / "debug_infill.toml")
        steps = {"training.steps": options.base_steps, "validation.interval": options.base_steps}
        train(config, base, steps | {"checkpoint.interval": options.base_steps})
        files = folder / "held-out.jsonl"
        call(sys.executable, "-m", "codetitan", "data", "held-out", "--config", base / "config.toml", "--output", files)

        def begin(where: Path, kind: str, n: int, lr: float) -> dict[str, object]:
            return {
                "checkpoint.initial_load_path": where / "checkpoint" / f"step-{n}",
                "tokenizer.chat": "alpaca", "objective.name": kind, "optimizer.lr": lr, "validation.share": 0,
                "validation.sources": f"jsonl:{folder / f'held-out-{kind}.jsonl'}", "validation.tokens": "20K",
                "dataloader.sources": f"jsonl:{folder / f'train-{kind}.jsonl'}",
            }  # fmt: skip

        results: dict[str, dict[str, Any]] = {}

        def measure(stage: str, run: Path, loss: float | None) -> None:
            model = folder / f"{run.name}-hf"
            call(sys.executable, "-m", "codetitan", "export", "--checkpoint", run, "--output", model)
            scores = infilling(model, files, folder / f"{run.name}-scores")
            results[stage] = {"loss": loss, "exact": exact(model, held_out), **scores}
            print(f"{stage}: {results[stage]}", file=sys.stderr, flush=True)

        tuned = {"training.steps": options.steps, "checkpoint.interval": options.steps}
        tuned["validation.interval"] = options.steps
        mixed = (
            f"[{{type = 'jsonl', path = '{folder / 'train-sft.jsonl'}', weight = 0.5}}, "
            f"{{type = 'python-stdlib', weight = 0.5}}]"
        )
        # At a learning rate of 0 a step of tuning measures the base.
        before = train(config, folder / "before", begin(base, "sft", options.base_steps, 1e-12) | {
            "training.steps": 1, "validation.interval": 1,
        })  # fmt: skip
        measure("base", base, before[-1]["validation/loss"])
        for stage, more in (("SFT", {}), ("SFT, half of the tokens infilling", {"dataloader.sources": mixed})):
            run = folder / ("sft" if not more else "mixed")
            rounds = train(config, run, begin(base, "sft", options.base_steps, 1e-3) | tuned | more)
            measure(stage, run, rounds[-1]["validation/loss"])
        preferences = train(config, folder / "dpo", begin(folder / "sft", "dpo", options.steps, 2e-5) | {
            "training.steps": options.dpo_steps, "validation.interval": 1, "checkpoint.interval": options.dpo_steps,
        })  # fmt: skip
        measure("SFT, then DPO", folder / "dpo", None)
    print("| stage | held-out response loss | exact answers | infilling: exact | syntax | bits per byte of code |")
    print("| --- | --: | --: | --: | --: | --: |")
    for stage, row in results.items():
        loss = "" if row["loss"] is None else f"{row['loss']:.3f}"
        cells = [
            f"{100 * row['exact']:.0f} %",
            *(f"{100 * row[f'infill-exact/{name}']:.1f} %" for name in ("exact", "syntax")),
        ]
        print(f"| {stage} | {loss} | {' | '.join(cells)} | {row['bits-per-byte/bits_per_byte']:.3f} |")
    print("\n| DPO, step | held-out loss | margin | accuracy |\n| --: | --: | --: | --: |")
    for line in (preferences[0], preferences[len(preferences) // 2], preferences[-1]):
        values = (f"{line[f'validation/{name}']:.3f}" for name in ("loss", "rewards/margin", "rewards/accuracy"))
        print(f"| {line['step']} | {' | '.join(values)} |")
    if options.json:
        done = {"options": vars(options) | {"json": None}, "stages": results, "dpo": preferences}
        options.json.write_text(json.dumps(done, indent=1) + "\n")


if __name__ == "__main__":
    main()
