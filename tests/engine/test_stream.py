"""Completion and infilling: what is asked, where it stops, what is printed."""

import dataclasses
import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from codetitan.cli import main
from codetitan.data.document import Document
from codetitan.data.pieces.dialects import DIALECTS, resolve
from codetitan.data.pieces.fim import FimConfig, SpanConfig
from codetitan.data.pieces.maker import PieceMaker
from codetitan.data.pieces.metadata import MetadataConfig
from codetitan.data.pieces.piece import Role
from codetitan.engine.cursor import cursor
from codetitan.engine.model import Model, load
from codetitan.engine.prompts import Prompts
from codetitan.engine.stream import Printer, Writing, stream
from codetitan.errors import ConfigError
from codetitan.hf.export import export
from codetitan.models.code.rope import RopeConfig
from codetitan.tokenizer.encoding import Encoding, open_encoding
from tests.conftest import REPOSITORY, codetitan
from tests.hf.conftest import TRANSFORMERS_4, Exported, Install
from tests.hf.kinds import GQA, SEQ_LEN, built, checkpoint, described


@pytest.fixture(scope="module")
def model(exports: dict[str, Exported]) -> Model:
    return load(exports["grouped-query"].folder)


@pytest.fixture
def prompts(model: Model) -> Prompts:
    return Prompts(model.prompts.encoding, model.prompts.sentinels, SEQ_LEN)


def ids_of(encoding: Encoding, text: str) -> list[int]:
    return encoding.encode(text).tolist()


def test_prompts_are_laid_out_as_in_training(prompts: Prompts) -> None:
    before, after = ids_of(prompts.encoding, "def f():\n    "), ids_of(prompts.encoding, "\n\nf()\n")
    ids = prompts.sentinels.ids
    prefix, suffix, middle = ids["<fim_prefix>"], ids["<fim_suffix>"], ids["<fim_middle>"]
    asked = prompts.infill("def f():\n    ", "\n\nf()\n", "psm", 16)
    assert asked == [prefix, *before, suffix, *after, middle]
    asked = prompts.infill("def f():\n    ", "\n\nf()\n", "spm", 16)
    assert asked == [prefix, suffix, *after, middle, *before]
    assert prompts.completion("def f():\n    ", 16) == before


def test_the_loader_serves_what_is_asked() -> None:
    """A document with a hole, as PieceMaker makes it, begins with the prompt of its parts."""
    encoding, text = open_encoding("code-32k"), "def f(x):\n    y = x + 1\n    return y\n"
    sentinels = resolve(DIALECTS["starcoder"], encoding)
    prompts = Prompts(encoding, sentinels, 1000)
    orders = set()
    for index in range(20):
        fim = FimConfig(rate=1.0, spm=0.5, spans=SpanConfig(random=0.0, line=1.0))
        maker = PieceMaker(encoding, sentinels, MetadataConfig(), fim, seq_len=512, seed=0)
        document = Document("test", "f.py", text, None, "python", licence=None, stars=None)
        (piece,) = maker.pieces(document, epoch=0, source=0, index=index)
        order = "psm" if piece.holes[0].startswith("psm") else "spm"
        orders.add(order)
        of_role = {role: piece.ids[piece.role_of_each() == role] for role in Role}
        prefix, suffix = (encoding.decode_bytes(of_role[role]).decode() for role in (Role.PREFIX, Role.SUFFIX))
        asked = prompts.infill(prefix, suffix, order, 8)
        assert piece.ids[: len(asked)].tolist() == asked
        middle = piece.ids[len(asked) :].tolist()
        assert middle == [*of_role[Role.MIDDLE].tolist(), sentinels.fim_end]
    assert orders == {"psm", "spm"}


def test_a_dialect_without_path_begins_as_in_training() -> None:
    encoding = open_encoding("code-32k")
    prompts = Prompts(encoding, resolve(DIALECTS["starcoder2"], encoding), 1000)
    assert prompts.completion("x", 8) == [prompts.sentinels.ids["<file_sep>"], *ids_of(encoding, "x")]
    prompts.context = 64
    for n in range(28, 36):  # the head takes one of the 32
        n_kept = len(prompts.completion(" a" * n, 32)) - 1
        assert prompts.fits(" a" * n, None, 32) == (n_kept == n) == (n <= 31)


def test_an_empty_text_begins_a_document(model: Model, prompts: Prompts) -> None:
    assert prompts.completion("", 16) == [prompts.sentinels.end]
    assert stream(model, [prompts.sentinels.end], Writing(temperature=1.0, max_new_tokens=8), io.StringIO())


def test_a_text_that_can_not_be_encoded(prompts: Prompts) -> None:
    with pytest.raises(ConfigError, match=r"^the tokenizer model-\d can't encode the text$"):
        prompts.completion(" " * 1_000_000, 16)


def test_a_context_without_room(prompts: Prompts) -> None:
    prompts.context = 4
    with pytest.raises(ConfigError, match=r"^the model's context of 4 tokens leaves no room for a text$"):
        prompts.infill("x", "y", "psm", 2)


def test_rows_without_a_token_are_never_drawn(tmp_path: Path) -> None:
    shape = dataclasses.replace(GQA, vocab_size=33024)
    export(checkpoint(tmp_path / "c", built(shape, RopeConfig()), described(shape, RopeConfig())), tmp_path / "m")
    model = load(tmp_path / "m")
    with torch.no_grad():
        model.network.lm_head.weight[32768:] *= 50  # the likeliest by far
    assert stream(model, model.prompts.completion("x", 16), Writing(temperature=1.0, max_new_tokens=16), io.StringIO())


def test_a_folder_that_lacks_a_tensor(exports: dict[str, Exported], tmp_path: Path) -> None:
    folder = shutil.copytree(exports["grouped-query"].folder, tmp_path / "m")
    tensors = load_file(folder / "model.safetensors")
    lost = tensors.pop("model.layers.0.mlp.up_proj.weight")
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ConfigError, match=r"m is damaged: it lacks model\.layers\.0\.mlp\.up_proj\.weight$"):
        load(folder)
    save_file(tensors | {"model.layers.0.mlp.up_proj.weight": lost[:9]}, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(ConfigError, match=r"m is damaged: it has another size of .*up_proj"):
        load(folder)


def test_a_folders_own_end(exports: dict[str, Exported], tmp_path: Path) -> None:
    expected = exports["grouped-query"].expected
    folder = shutil.copytree(exports["grouped-query"].folder, tmp_path / "m")
    (folder / "generation_config.json").write_text(json.dumps({"eos_token_id": expected.greedy[3], "num_beams": 4}))
    model = load(folder)
    text = stream(model, expected.ids[0].tolist(), Writing(temperature=0, max_new_tokens=9), io.StringIO())
    assert text == model.prompts.encoding.decode_bytes(expected.greedy[:4]).decode(errors="replace")


def test_text_injects_no_sentinel(prompts: Prompts) -> None:
    asked = prompts.infill("<fim_middle>", "<|endoftext|>", "psm", 16)
    assert sum(number in prompts.sentinels.ids.values() for number in asked) == 3


def test_long_texts_keep_what_is_next_to_the_hole(prompts: Prompts) -> None:
    before, after = ids_of(prompts.encoding, "a = 1\n" * 99), ids_of(prompts.encoding, "b = 2\n" * 99)
    ids, room = prompts.sentinels.ids, SEQ_LEN - 16 - 3
    prefix, suffix, middle = ids["<fim_prefix>"], ids["<fim_suffix>"], ids["<fim_middle>"]
    asked = prompts.infill("a = 1\n" * 99, "b = 2\n" * 99, "psm", 16)
    half = room // 2
    assert asked == [prefix, *before[-(room - half) :], suffix, *after[:half], middle]
    assert len(asked) + 16 == SEQ_LEN
    assert not prompts.fits("a = 1\n" * 99, "b = 2\n" * 99, 16) and prompts.fits("a = 1\n", "b = 2\n", 16)
    asked = prompts.infill("x", "b = 2\n" * 99, "psm", 16)
    assert asked == [prefix, *ids_of(prompts.encoding, "x"), suffix, *after[: room - 1], middle]
    asked = prompts.infill("a = 1\n" * 99, "", "spm", 16)
    assert asked == [prefix, suffix, middle, *before[-room:]]
    assert prompts.completion("a = 1\n" * 99, 16) == before[-(SEQ_LEN - 16) :]
    with pytest.raises(
        ConfigError, match=r"^--max-new-tokens 49 must leave the prompt half of the model's 96 tokens: "
    ):
        prompts.completion("x", 49)


def test_greedy_text_is_the_models(exports: dict[str, Exported], model: Model, prompts: Prompts) -> None:
    expected = exports["grouped-query"].expected
    to = io.StringIO()
    text = stream(model, expected.ids[0].tolist(), Writing(temperature=0, max_new_tokens=len(expected.greedy)), to)
    assert text == to.getvalue() == prompts.encoding.decode_bytes(expected.greedy).decode(errors="replace")


def test_seeds(model: Model, prompts: Prompts) -> None:
    prompt = prompts.completion("def f():", 12)
    texts = [
        stream(model, prompt, Writing(temperature=1.0, top_p=1.0, max_new_tokens=12, seed=seed), io.StringIO())
        for seed in (1, 1, 2)
    ]
    assert texts[0] == texts[1] != texts[2]


def test_it_stops_at_a_sentinel(model: Model, prompts: Prompts, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a model that says `return x`, then the end, then goes on."""
    says = iter([*ids_of(prompts.encoding, "return x"), prompts.sentinels.end, *ids_of(prompts.encoding, "more")])
    forward = model.network.forward

    def speaks(*arguments: object, **options: object) -> object:
        out = forward(*arguments, **options)
        out.logits[:, -1] = -1e9
        out.logits[:, -1, next(says)] = 1e9
        return out

    monkeypatch.setattr(model.network, "forward", speaks)
    assert stream(model, [5, 6], Writing(max_new_tokens=30), io.StringIO()) == "return x"


def printed(prompts: Prompts, ids: list[int], max_lines: int | None = None) -> list[str]:
    """What the terminal shows after each token."""
    to = io.StringIO()
    printer = Printer(prompts.encoding, prompts.sentinels, max_lines, to)
    printer.put(torch.tensor([[1, 2, 3]]))  # the prompt
    shown = []
    for number in ids:
        printer.put(torch.tensor([number]))
        shown.append(to.getvalue())
    printer.end()
    return [*shown, to.getvalue()]


def test_characters_come_whole(prompts: Prompts) -> None:
    ids = ids_of(prompts.encoding, "a🙂b")
    assert len(ids) > 3, "the character is of several tokens"
    shown = printed(prompts, ids)
    assert shown[0] == "a" and shown[-1] == "a🙂b" and not any("\ufffd" in text for text in shown)
    assert printed(prompts, ids[:2])[-1] == "a\ufffd"  # cut off: said so at the end


def test_lines(prompts: Prompts) -> None:
    ids = ids_of(prompts.encoding, "one\ntwo\n\nthree")
    assert printed(prompts, ids, max_lines=1)[-1] == "one"
    assert printed(prompts, ids, max_lines=2)[-1] == "one\ntwo"
    assert printed(prompts, ids, max_lines=9)[-1] == "one\ntwo\n\nthree"
    for end in ("\r\n", "\r"):
        ids = [number for part in f"one\u2028{end}two{end}{end}three" for number in ids_of(prompts.encoding, part)]
        for most, expected in ((1, "one\u2028"), (2, f"one\u2028{end}two"), (3, f"one\u2028{end}two{end}")):
            assert printed(prompts, ids, max_lines=most)[-1] == expected


@pytest.mark.parametrize(
    ("text", "line", "column", "before"),
    [("ab\ncd\n", 1, 1, ""), ("ab\ncd\n", 2, 3, "ab\ncd"), ("ab\ncd\n", 3, 1, "ab\ncd\n"), ("", 1, 1, ""),
     ("ab\r\ncd", 1, 3, "ab"), ("a\n\f\nb\u2028\nc", 3, 1, "a\n\f\n"), ("é🙂x", 1, 3, "é🙂"),
     ("a\rb\r\r\nc", 4, 1, "a\rb\r\r\n"), ("e\u0301x", 1, 3, "e\u0301")],
)  # fmt: skip
def test_cursor(text: str, line: int, column: int, before: str) -> None:
    assert cursor(text, line, column) == (before, text[len(before) :])


def test_a_hole_stands_between_characters(prompts: Prompts) -> None:
    with pytest.raises(ConfigError, match=r"^--cursor 2:3 stands inside a character of several .* begins at column 2$"):
        cursor("x\nae\u0301x", 2, 3)
    for prefix, suffix in (("x = 1\r", "\ny"), ("e", "\u0301"), ("👩\u200d", "👧")):
        with pytest.raises(ConfigError, match=r"^the hole stands inside a character of several"):
            prompts.infill(prefix, suffix, "psm", 8)


@pytest.mark.parametrize("unit", ["🙂", "\r\n", "e\u0301", "👩\u200d👧"])
def test_long_texts_are_cut_between_characters(prompts: Prompts, unit: str) -> None:
    decode = prompts.encoding.decode_bytes
    middle = prompts.sentinels.ids["<fim_suffix>"]
    for n in range(8):
        text = "x" * n + unit * 300
        assert set(decode(prompts.completion(text, 16)).decode().split(unit)) == {""}
        prompt = prompts.infill(unit * 300, text, "psm", 16)[1:-1]
        before, after = prompt[: prompt.index(middle)], prompt[prompt.index(middle) + 1 :]
        assert set(decode(before).decode().split(unit)) == {""}
        assert set(decode(after).decode().removeprefix("x" * n).split(unit)) == {""}


def test_a_model_that_was_not_trained_to_infill(tmp_path: Path) -> None:
    """A folder of others', whose tokenizer has no sentinels."""
    from tests.hf.test_importing import saved
    from tests.tokenizer.small import written

    folder = saved(tmp_path / "m", written("gpt2", tmp_path / "t"), vocab_size=900, dtype=torch.float32)
    model = load(folder)
    assert stream(model, model.prompts.completion("def f", 8), Writing(max_new_tokens=8), io.StringIO())
    with pytest.raises(ConfigError, match=r"was not trained to infill; use codetitan complete$"):
        model.prompts.infill("a", "b", "psm", 8)


def test_commands(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkpoint and its export write the same; several samples are told apart."""
    monkeypatch.chdir(tmp_path)
    saved_at = checkpoint(Path("checkpoint"), built(GQA, RopeConfig()), described(GQA, RopeConfig()))
    export(saved_at, Path("model"))
    Path("f.py").write_text("def f(x):\n    \n    return x\n")
    ask = ["--file", "f.py", "--cursor", "2:5", "--max-new-tokens", "12", "--temperature", "1", "--seed", "3"]
    outputs = []
    for model in ("model", "checkpoint"):
        assert main(["infill", "--model", model, *ask]) == 0
        outputs.append(capsys.readouterr().out)
    assert outputs[0] == outputs[1] != "\n"
    assert main(["infill", "--model", "model", *ask, "--samples", "2"]) == 0
    first, second = capsys.readouterr().out.removeprefix("--- 1 of 2\n").split("--- 2 of 2\n")
    assert first != second
    Path("before").write_text("def f(x):\n    ")
    Path("after").write_text("\n    return x\n")
    by_files = ["--prefix-file", "before", "--suffix-file", "after", *ask[4:]]
    assert main(["infill", "--model", "model", *by_files]) == 0
    assert capsys.readouterr().out == outputs[0]
    assert main(["complete", "--model", "model", "--prefix-file", "before", *ask[4:]]) == 0
    completed = capsys.readouterr().out
    assert main(["complete", "--model", "model", *ask]) == 0
    assert capsys.readouterr().out == completed != outputs[0]
    config = json.loads(Path("model/tokenizer_config.json").read_text())
    Path("model/tokenizer_config.json").write_text(json.dumps(config | {"dialect": "starcoder9"}))
    assert main(["infill", "--model", "model", *ask]) == 2
    assert 'dialect = "starcoder9" must be one of starcoder, ' in capsys.readouterr().err


@pytest.mark.slow
def test_transformers_4(exports: dict[str, Exported], tmp_path: Path, install: Install) -> None:
    """The command on the older transformers writes what the newer does."""
    (tmp_path / "before").write_text("def f(x):\n    ")
    arguments = ["complete", "--model", str(exports["YaRN"].folder), "--prefix-file", "before"]
    arguments += ["--temperature", "0", "--max-new-tokens", "12"]
    older = subprocess.run(
        [sys.executable, "-m", "codetitan.cli", *arguments],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(install(*TRANSFORMERS_4)), str(REPOSITORY)])},
        capture_output=True,
        text=True,
    )
    newer = codetitan(*arguments, cwd=tmp_path)
    assert (older.returncode, newer.returncode) == (0, 0), older.stderr + newer.stderr
    assert older.stdout == newer.stdout != "\n"
