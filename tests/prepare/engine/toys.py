"""Two stages, each small enough to see through, that can be told to misbehave; and a command that runs them.

python -m tests.prepare.engine.toys CORPUS OUTPUT '{"min_length": 3}' '{"workers": 2}'
"""

import json
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from codetitan.errors import ConfigError, fail
from codetitan.prepare.engine.run import execute
from codetitan.prepare.engine.stage import earlier
from codetitan.prepare.engine.tables import How, Local
from codetitan.prepare.engine.task import reading


def misbehave(corpus: Path, stage: str, task: int) -> None:
    """Does what CORPUS/trap.json says of a stage's task; it is no input, as a full disk and a killer are none."""
    trap = corpus / "trap.json"
    match (json.loads(trap.read_text()) if trap.exists() else {}).get(f"{stage} {task}"):
        case "refuse":
            raise ConfigError("a\nline")
        case "fail":
            raise ZeroDivisionError("of 1 by 0")
        case "fill":
            with Path("/dev/full").open("w") as file:
                file.write("x" * 100_000)
        case "die":
            os.kill(os.getpid(), signal.SIGKILL)
        case "crash":
            print("something went wrong in C", file=sys.stderr, flush=True)
            os.kill(os.getpid(), signal.SIGSEGV)
        case "bar":
            list(tqdm(range(3)))
        case "hang":
            (corpus / f"hangs-{os.getpid()}").touch()
            time.sleep(600)


@dataclass
class Count:
    """Counts the words of every `tasks`-th file, and leaves out short ones."""

    corpus: Path
    min_length: int = 3
    tasks: int = 5
    sleep_s: float = 0.0
    name: str = "count"

    def inputs(self) -> Mapping[str, Any]:
        return {"min_length": self.min_length, "files": sorted(path.name for path in self.corpus.glob("*.txt"))}

    def run(self, task: int, folder: Path) -> Mapping[str, Any]:
        words, n_bytes = Counter[str](), 0
        (folder / "log").mkdir()
        paths = sorted(self.corpus.glob("*.txt"))[task :: self.tasks]
        for path in paths:
            time.sleep(self.sleep_s)
            with reading(path.name):
                misbehave(self.corpus, self.name, task)
                text = path.read_text(encoding="utf-8")
            (folder / "log" / path.name).write_text(str(len(text)))
            words.update(word for word in text.split() if len(word) >= self.min_length)
            n_bytes += len(text.encode())
        (folder / "words.json").write_text(json.dumps(words, sort_keys=True))
        return {
            "n_bytes": n_bytes,
            "words": {"kept": sum(words.values())},
            "share": 0.1,
            "files": [p.name for p in paths],
        }


@dataclass
class Most:
    """The words that `count` found most often, by their first letters' share of the tasks."""

    corpus: Path
    at_least: int = 2
    tasks: int = 3
    name: str = "most"
    after: tuple[str, ...] = ("count",)

    def inputs(self) -> Mapping[str, Any]:
        return {"at_least": self.at_least}

    def run(self, task: int, folder: Path) -> Mapping[str, Any]:
        misbehave(self.corpus, self.name, task)
        words = Counter[str]()
        for path in earlier(folder, "count"):
            for word, n in json.loads((path / "words.json").read_text()).items():
                if ord(word[0]) % self.tasks == task:
                    words[word] += n
        kept = {word: n for word, n in sorted(words.items()) if n >= self.at_least}
        (folder / "most.json").write_text(json.dumps(kept))
        return {"words": len(kept)}


def make(corpus: Path, n_files: int = 20) -> None:
    """Writes files of words that differ."""
    corpus.mkdir()
    stems = ["ab", "cde", "fghi", "jklmn"]
    for i in range(n_files):
        words = [f"{stems[(i * j) % 4]}{(i + j * j) % 7}" for j in range(50)]
        (corpus / f"{i:03}.txt").write_text(" ".join(words), encoding="utf-8")


def expected(corpus: Path, min_length: int = 3, at_least: int = 2) -> dict[str, int]:
    """What the two stages come to, without an engine."""
    words = Counter(
        word for path in corpus.glob("*.txt") for word in path.read_text().split() if len(word) >= min_length
    )
    return {word: n for word, n in sorted(words.items()) if n >= at_least}


def run(
    corpus: Path, output: Path, how: How | None = None, **options: Any
) -> tuple[list[Mapping[str, Any]], list[str]]:
    """Runs both; returns the statistics and what was said."""
    most = {key: options.pop(key) for key in ("at_least",) if key in options}
    remove_old, said = options.pop("remove_old", False), list[str]()
    stages = [Count(corpus, **options), Most(corpus, **most)]
    found = execute(stages, output, how or Local(workers=2), said.append, remove_old=remove_old)
    return found, said


def snapshot(output: Path) -> dict[str, bytes]:
    """Every file that tasks wrote, by its path."""
    return {
        str(path.relative_to(output)): path.read_bytes()
        for path in sorted(output.glob("stages/*/tasks/**/*"))
        if path.is_file()
    }


def found(output: Path) -> dict[str, int]:
    """What the last stage wrote: of one command alone."""
    words: dict[str, int] = {}
    for path in output.glob("stages/most-*/tasks/*/most.json"):
        words |= json.loads(path.read_text())
    return dict(sorted(words.items()))


if __name__ == "__main__":
    _corpus, _output, _options, _how = sys.argv[1:]
    try:
        _stages = [Count(Path(_corpus), **json.loads(_options)), Most(Path(_corpus))]
        print(json.dumps(execute(_stages, Path(_output), Local(**json.loads(_how)))))
    except ConfigError as error:
        sys.exit(fail(error))
