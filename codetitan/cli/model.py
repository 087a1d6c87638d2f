"""`codetitan export`, `import`, `complete` and `infill`."""

import io
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from codetitan.cli.options import at_least_one
from codetitan.errors import ConfigError

if TYPE_CHECKING:
    from codetitan.engine.model import Model
    from codetitan.engine.stream import Writing


@dataclass
class ExportCommand:
    """Write a checkpoint as a folder that transformers, vLLM and llama.cpp load: config, safetensors, tokenizer."""

    checkpoint: Path
    """A checkpoint of any mesh, such as outputs/debug/checkpoint/step-100; of a run's folder, the last."""

    output: Path
    """The folder to write; must be new."""

    dtype: Literal["float32", "bfloat16", "float16"] | None = None
    """Of the tensors; default: the checkpoint's."""

    tokenizer: str | None = None
    """Where the tokenizer is now, if not where it was when the model was trained."""

    max_shard_gb: float = 5.0
    """Size of a safetensors file, and the most memory that is used."""

    lm_eval: bool = False
    """Write tasks for lm-eval into it, as codetitan lm-eval does."""

    data: Path | None = None
    """With --lm-eval: files whose bits per byte are to be measured; a folder, a file, JSON Lines or Parquet."""

    def run(self, overrides: Sequence[str]) -> None:
        from codetitan.hf.export import export

        if not 0 < self.max_shard_gb < math.inf:
            raise ConfigError(f"--max-shard-gb {self.max_shard_gb} must be above 0")
        if self.data is not None and not self.lm_eval:
            raise ConfigError(f"--data {self.data} needs --lm-eval")
        if self.lm_eval:
            from codetitan.evaluate import lm_eval

            lm_eval.check(self.data)
        taken = export(
            self.checkpoint, self.output, dtype=self.dtype, tokenizer_path=self.tokenizer,
            max_shard_bytes=int(self.max_shard_gb * 1e9),
        )  # fmt: skip
        n_bytes = sum(file.stat().st_size for file in self.output.iterdir())
        print(f"{self.output}: {taken} in Hugging Face form, {n_bytes / 1e6:,.1f} MB")
        if self.lm_eval:
            LmEvalCommand(self.output, self.data).run(())


@dataclass
class LmEvalCommand:
    """Write tasks for lm-eval beside an export: HumanEval, its solutions' bits per byte, and those of files."""

    model: Path
    """A folder that `codetitan export` wrote; the tasks are its folder lm-eval."""

    data: Path | None = None
    """Files whose bits per byte are to be measured: a folder, a file, JSON Lines or Parquet; default: no such task."""

    protocol: Literal["bigcode", "evalplus", "deepseek"] = "bigcode"
    """Prompt's end, stops and length of HumanEval's completions."""

    limit: int | None = None
    """Files, drawn as codetitan evaluate draws them; default: 500."""

    def run(self, overrides: Sequence[str]) -> None:
        from codetitan.evaluate.lm_eval import write
        from codetitan.evaluate.protocols import PROTOCOLS

        at_least_one("--limit", self.limit)
        written = write(self.model, PROTOCOLS[self.protocol], self.data, self.limit)
        for note in written.notes:
            print(f"note: {note}")
        print(f"{written.folder}: tasks for lm-eval; run them with")
        print(written.command(self.model))


@dataclass
class ImportCommand:
    """Write a model in Hugging Face form as a checkpoint, and a TOML file that goes on training it."""

    model: Path
    """Its folder: config.json, safetensors, tokenizer.json."""

    output: Path
    """The folder to write; must be new."""

    dialect: str | None = None
    """Token family; default: the one whose sentinels the tokenizer has, else starcoder, whose are then added."""

    structured_documents: bool = False
    """Add the sentinels of issues, commits, notebooks and pull requests that the tokenizer lacks, too."""

    def run(self, overrides: Sequence[str]) -> None:
        from codetitan.hf.importing import import_model

        shape = import_model(self.model, self.output, dialect=self.dialect, structured=self.structured_documents)
        print(f"{self.output}: {shape.n_params / 1e6:,.1f}M parameters; go on training with")
        print(f"./run_train.sh --config {self.output / 'train.toml'} --dataloader.sources directory:PATH")


@dataclass
class _Generate:
    model: Path
    """A folder that `codetitan export` wrote, or a checkpoint."""

    prefix_file: Path | None = None
    """What stands before; - is standard input."""

    file: Path | None = None
    """Instead: a file with a cursor in it."""

    cursor: str | None = None
    """LINE:COLUMN in the file, from 1 as editors count: 3:1 is before the third line's first character."""

    temperature: float = 0.2
    """0 takes the likeliest token each time."""

    top_p: float = 0.95
    """Draw from the likeliest tokens that have this probability together."""

    samples: int = 1
    """How many to write."""

    max_new_tokens: int = 128
    """Tokens of one, at most."""

    max_lines: int | None = None
    """Lines of one, at most; 1 fills in or completes a single line."""

    seed: int = 0
    """Of the draws."""

    tokenizer: str | None = None
    """Of a checkpoint: where the tokenizer is now, if not where it was when the model was trained."""

    def _writing(self, sample: int) -> "Writing":
        from codetitan.engine.stream import Writing

        return Writing(
            temperature=self.temperature,
            top_p=self.top_p,
            max_new_tokens=self.max_new_tokens,
            max_lines=self.max_lines,
            seed=self.seed + sample,
        )

    def _check(self) -> None:
        at_least_one("--samples", self.samples)
        at_least_one("--max-new-tokens", self.max_new_tokens)
        at_least_one("--max-lines", self.max_lines)
        if not (self.temperature == 0 or 0.01 <= self.temperature < math.inf):
            raise ConfigError(f"--temperature {self.temperature} must be 0, or a number from 0.01 on")
        if not 0 <= self.seed < 1 << 31:
            raise ConfigError(f"--seed {self.seed} must be a whole number from 0 to {(1 << 31) - 1}")
        if not 0 < self.top_p <= 1:
            raise ConfigError(f"--top-p {self.top_p} must lie above 0 and up to 1")
        if (self.prefix_file is None) == (self.file is None):
            raise ConfigError("give either --prefix-file or --file")
        if self.cursor is not None and self.file is None:
            raise ConfigError("--cursor needs --file")

    def _at_cursor(self, default: str | None = None) -> tuple[str, str]:
        from codetitan.engine.cursor import cursor

        assert self.file is not None
        text = _text("--file", self.file)
        if self.cursor is None and default is None:
            raise ConfigError("--file needs --cursor LINE:COLUMN")
        if self.cursor is None:
            return text, ""
        line, colon, column = self.cursor.partition(":")
        if not (colon and line.isdecimal() and column.isdecimal()):
            raise ConfigError(f'--cursor "{self.cursor}" must be LINE:COLUMN, such as 3:1')
        return cursor(text, int(line), int(column))


@dataclass
class CompleteCommand(_Generate):
    """Write what follows a text, as it comes; up to the cursor, where there is one."""

    def run(self, overrides: Sequence[str]) -> None:
        self._check()
        prefix = self._at_cursor("the end")[0] if self.file else _text("--prefix-file", self.prefix_file)
        from codetitan.engine.model import opened

        with opened(self.model, self.tokenizer) as model:
            prompt = model.prompts.completion(prefix, self.max_new_tokens)
            _print_samples(model, prompt, [self._writing(i) for i in range(self.samples)])


@dataclass
class InfillCommand(_Generate):
    """Write what stands between two texts, as it comes."""

    suffix_file: Path | None = None
    """What stands behind."""

    order: Literal["psm", "spm"] = "psm"
    """Prefix, suffix, middle; or suffix, prefix, middle, for a model trained with it (dataloader.fim.spm)."""

    def run(self, overrides: Sequence[str]) -> None:
        self._check()
        if (self.prefix_file is None) != (self.suffix_file is None):
            raise ConfigError("--prefix-file and --suffix-file belong together; of a single file give --file, --cursor")
        if str(self.prefix_file) == str(self.suffix_file) == "-":
            raise ConfigError("--prefix-file - --suffix-file -: only one of them can be standard input")
        if self.file:
            prefix, suffix = self._at_cursor()
        else:
            prefix, suffix = _text("--prefix-file", self.prefix_file), _text("--suffix-file", self.suffix_file)
        from codetitan.engine.model import opened

        with opened(self.model, self.tokenizer) as model:
            prompt = model.prompts.infill(prefix, suffix, self.order, self.max_new_tokens)
            _print_samples(model, prompt, [self._writing(i) for i in range(self.samples)])


def _print_samples(model: "Model", prompt: list[int], writings: "list[Writing]") -> None:
    from codetitan.engine.stream import stream

    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal may have fewer characters than a model
    for number, writing in enumerate(writings, start=1):
        if len(writings) > 1:
            print(f"--- {number} of {len(writings)}", flush=True)
        stream(model, prompt, writing, sys.stdout)
        print(flush=True)


def _text(option: str, file: Path | None) -> str:
    assert file is not None
    try:
        data = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
        return data.decode("utf-8-sig")  # without a byte order mark, as in training
    except OSError as error:
        raise ConfigError(f"{option} {file}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{option} {file}: is no UTF-8") from None
