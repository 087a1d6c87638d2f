"""The engine in this process: its tokens are the model's, whatever the batch; where a completion ends."""

import dataclasses
import io
import itertools
import math
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch

from codetitan.data.order import uniform
from codetitan.engine import Completion, Engine, Sampling
from codetitan.engine.draws import choose
from codetitan.engine.local import Local
from codetitan.engine.model import Model, fingerprint, load
from codetitan.engine.stream import Writing, stream
from codetitan.engine.text import Growing
from codetitan.errors import ConfigError
from codetitan.hf.export import export
from codetitan.models.code.rope import RopeConfig
from codetitan.tokenizer.encoding import open_encoding
from tests.hf.conftest import Exported
from tests.hf.kinds import GQA, SEQ_LEN, built, checkpoint, described

LENGTHS = (1, 3, 40, 17, 90, 8, 41, 40)
NEW = 8


@pytest.fixture(scope="module")
def model(exports: dict[str, Exported]) -> Model:
    return load(exports["grouped-query"].folder)


@pytest.fixture(scope="module")
def prompts() -> list[list[int]]:
    generator = torch.Generator().manual_seed(3)
    return [torch.randint(20, 32768, (length,), generator=generator).tolist() for length in LENGTHS]


def completed(engine: Engine, prompts: Sequence[Sequence[int]], sampling: Sampling) -> list[list[Completion]]:
    found = dict(engine.complete(prompts, sampling))
    assert sorted(found) == list(range(len(prompts)))
    return [found[index] for index in range(len(prompts))]


def test_greedy_tokens_are_those_of_transformers(model: Model, prompts: list[list[int]]) -> None:
    of_engine = completed(Local(model), prompts, Sampling(max_new_tokens=NEW))
    for prompt, (completion,) in zip(prompts, of_engine, strict=True):
        most = min(NEW, model.prompts.context - len(prompt))
        ids = torch.tensor([prompt])
        alone = model.network.generate(
            ids, attention_mask=torch.ones_like(ids), max_new_tokens=most, do_sample=False,
            eos_token_id=list(model.ends), pad_token_id=0,
        )[0, len(prompt) :].tolist()  # fmt: skip
        assert completion.ids == alone[: len(completion.ids)]
        assert alone[len(completion.ids) :] in ([], [number for number in alone[-1:] if number in model.ends])


@pytest.mark.parametrize(
    "sampling",
    [Sampling(max_new_tokens=NEW), Sampling(temperature=0.9, top_p=0.8, max_new_tokens=NEW, n=2, seed=5)],
)
def test_batches_change_nothing(model: Model, prompts: list[list[int]], sampling: Sampling) -> None:
    width = max(LENGTHS) + NEW
    one, *others = (completed(Local(model, batch_tokens=rows * width), prompts, sampling) for rows in (1, 3, 8))
    assert {completion.ended for of_prompt in one for completion in of_prompt} == {"length"}
    for other in others:
        for expected, found in zip(one, other, strict=True):
            assert [c.ids for c in found] == [c.ids for c in expected]
            for a, b in zip(found, expected, strict=True):
                assert a.log_probabilities == pytest.approx(b.log_probabilities, abs=1e-4)
    alone = completed(Local(model), [prompts[2]], sampling)
    assert [c.ids for c in alone[0]] == [c.ids for c in one[2]]


def test_draws_are_counted(model: Model, prompts: list[list[int]]) -> None:
    """Another seed draws others; a prompt's first draws do not depend on how many there are."""
    engine, sampling = Local(model), Sampling(temperature=1.0, max_new_tokens=NEW, n=2, seed=1)
    two = completed(engine, prompts[:3], sampling)
    assert all(a.ids != b.ids for a, b in two)
    four = completed(engine, prompts[:3], dataclasses.replace(sampling, n=4))
    assert [of_prompt[:2] for of_prompt in four] == two
    assert completed(engine, prompts[:3], dataclasses.replace(sampling, seed=2)) != two
    greedy = completed(engine, prompts[:3], Sampling(max_new_tokens=NEW, n=2))
    assert all(a == b for a, b in greedy)


def test_log_probabilities_are_the_models(model: Model, prompts: list[list[int]]) -> None:
    """Of a draw at temperature 0.5 those of temperature 1, and the same as `score` gives."""
    engine = Local(model)
    sampling = Sampling(temperature=0.5, top_p=0.5, max_new_tokens=NEW, n=2)
    for prompt, of_prompt in zip(prompts, completed(engine, prompts, sampling), strict=True):
        sequences = [[*prompt, *completion.ids] for completion in of_prompt]
        logits = model.network(torch.tensor(sequences[0])[None]).logits[0].log_softmax(-1)
        expected = [logits[i, number].item() for i, number in enumerate(sequences[0][1:])]
        scores = dict(engine.score(sequences))
        assert scores[0] == pytest.approx(expected, abs=1e-4)
        for i, completion in enumerate(of_prompt):
            assert scores[i][len(prompt) - 1 :] == pytest.approx(completion.log_probabilities, abs=1e-4)


def test_scores_in_parts(model: Model, prompts: list[list[int]], monkeypatch: pytest.MonkeyPatch) -> None:
    """Many batches, and each in pieces of a few tokens, give the same."""
    whole = dict(Local(model).score([*prompts, [7]]))
    assert [len(whole[i]) for i in range(len(prompts) + 1)] == [*(n - 1 for n in LENGTHS), 0]
    monkeypatch.setattr("codetitan.engine.local._SCORED_LOGITS", 32768 * 7)
    parts = dict(Local(model, batch_tokens=100).score([*prompts, [7]]))
    for i in whole:
        assert parts[i] == pytest.approx(whole[i], abs=1e-4)


def test_the_context_is_the_end(model: Model, prompts: list[list[int]]) -> None:
    context = model.prompts.context
    engine = Local(model)
    long = (prompts[4] * context)[: context - 5]
    ((completion,),) = completed(engine, [long], Sampling(max_new_tokens=NEW))
    assert (len(completion.ids), completion.ended) == (5, "length")
    assert len(dict(engine.score([(long * 2)[: context + 1]]))[0]) == context
    with pytest.raises(ConfigError, match=r"^a prompt of \d+ tokens leaves no room in the model's context of \d+$"):
        next(engine.complete([[5], [5] * context], Sampling()))
    with pytest.raises(ConfigError, match=r"^a sequence of \d+ tokens is longer than the model's context of \d+ and"):
        next(engine.score([[5] * (context + 2)]))


def growing(text: str, *stops: str) -> tuple[Growing, list[int]]:
    encoding = open_encoding("code-32k")
    from codetitan.data.pieces.dialects import DIALECTS, resolve

    grown = Growing(encoding, resolve(DIALECTS["starcoder"], encoding), tuple(stop.encode() for stop in stops))
    return grown, encoding.encode(text).tolist()


@pytest.mark.parametrize(
    ("text", "stops", "expected"),
    [
        ("return x\n\ndef f", ("\ndef", "\nclass"), "return x\n"),
        ("return x\nclass A:\n    pass\ndef f", ("\ndef", "\nclass"), "return x"),  # the earliest, not the first named
        ("x = 1\n# é🙂 done", ("🙂",), "x = 1\n# é"),  # of several tokens
        ("\ndef f", ("\ndef",), ""),
        ("xdef", ("def",), "x"),  # inside a token
    ],
)
def test_a_stop_ends_a_text(text: str, stops: tuple[str, ...], expected: str) -> None:
    grown, ids = growing(text, *stops)
    stopped = [grown.add(number, -float(i)) for i, number in enumerate(ids)]
    assert any(stopped)
    grown, ids = growing(text, *stops)
    for i, number in enumerate(ids):
        if grown.add(number, -float(i)):
            break
    completion = grown.done("stop")
    assert completion.text == expected
    decode = open_encoding("code-32k").decode_bytes
    assert decode(completion.ids).startswith(expected.encode())
    assert len(decode(completion.ids[:-1])) <= len(expected.encode()) < len(decode(completion.ids))
    assert completion.log_probabilities == [-float(i) for i in range(len(completion.ids))]


def test_a_character_that_is_cut_off_is_replaced() -> None:
    grown, ids = growing("a🙂")
    assert len(ids) > 2
    for number in ids[:2]:
        assert not grown.add(number, 0.0)
    assert grown.done("length").text == "a\ufffd"


def test_a_sentinel_ends_a_completion(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two prompts the model says different things; the one that ends first leaves the other as it is.

    The model here takes its words from a table: what follows a token.
    """
    encode, end = model.prompts.encode, model.prompts.sentinels.ids["<fim_prefix>"]
    after = {}
    for first, text in ((5, "return x"), (6, "while True: print(count)")):
        words = [first, *encode(text), end]
        after |= dict(itertools.pairwise(words))
    forward = model.network.forward

    def speaks(*arguments: object, **options: torch.Tensor) -> object:
        out = forward(*arguments, **options)
        out.logits[:] = -1e9
        for row, last in enumerate(options["input_ids"][:, -1].tolist()):
            out.logits[row, -1, after.get(last, 99)] = 1e9
        return out

    monkeypatch.setattr(model.network, "forward", speaks)
    (short,), (long,) = completed(Local(model), [[7, 5], [7, 6]], Sampling(max_new_tokens=40))
    assert (short.text, short.ended) == ("return x", "end") and end not in short.ids
    assert (long.text, long.ended) == ("while True: print(count)", "end")
    stops = Sampling(max_new_tokens=40, stops=("urn",))
    (stopped,), (other,) = completed(Local(model), [[7, 5], [7, 6]], stops)
    assert (stopped.text, stopped.ended, other) == ("ret", "stop", long)


def test_rows_without_a_token_are_never_drawn(tmp_path: Path) -> None:
    shape = dataclasses.replace(GQA, vocab_size=33024)
    export(checkpoint(tmp_path / "c", built(shape, RopeConfig()), described(shape, RopeConfig())), tmp_path / "m")
    model = load(tmp_path / "m")
    with torch.no_grad():
        model.network.lm_head.weight[32768:] *= 50  # the likeliest by far
    for temperature in (0.0, 1.0):
        ((completion,),) = completed(Local(model), [[5, 6]], Sampling(temperature=temperature, max_new_tokens=16))
        assert completion.ids and max(completion.ids) < 32768
        assert completion.text


def test_nucleus_and_temperature() -> None:
    """The share of each token among many draws is its probability in the nucleus."""
    logits = torch.log(torch.tensor([[0.1, 0.5, 0.0, 0.3, 0.1]]))
    draws = [uniform(9, i) for i in range(4000)]

    def shares(sampling: Sampling) -> list[float]:
        chosen = choose(logits.expand(len(draws), -1), sampling, draws)
        return (torch.bincount(chosen, minlength=5) / len(draws)).tolist()

    assert shares(Sampling(temperature=1.0)) == pytest.approx([0.1, 0.5, 0, 0.3, 0.1], abs=0.02)
    assert shares(Sampling(temperature=1.0, top_p=0.7)) == pytest.approx([0, 5 / 8, 0, 3 / 8, 0], abs=0.02)
    assert shares(Sampling(temperature=1.0, top_p=0.5)) == [0, 1, 0, 0, 0]
    squares = [0.01, 0.25, 0, 0.09, 0.01]
    expected = [square / math.fsum(squares) for square in squares]
    assert shares(Sampling(temperature=0.5)) == pytest.approx(expected, abs=0.02)
    flat = torch.zeros(1, 4096)  # more tokens than are looked at first
    chosen = choose(flat.expand(len(draws), -1), Sampling(temperature=1.0, top_p=0.5), draws)
    assert len(set(chosen.tolist())) > 1000 and int(chosen.max()) < 2048
    highest = choose(logits, Sampling(temperature=1.0), [1 - 2.0**-53])
    assert highest.tolist() == [4]


def test_what_a_nucleus_keeps_does_not_depend_on_the_rows_beside_it() -> None:
    """Of tokens that are as likely as one another, which half-precision logits often are, the lower ids are kept."""
    logits = torch.zeros(1, 4096)
    logits[0, 2000], logits[0, 1::2] = math.log(1000), -torch.inf
    sampling, draws = Sampling(temperature=1.0, top_p=0.345), [i / 4000 for i in range(4000)]
    expected = {2000, *range(0, 104, 2)}  # 1000 and 51 of 3047 are less than top_p
    for beside in (logits, torch.zeros(1, 4096)):  # a flat row has all of them sorted
        rows = torch.cat([logits.expand(len(draws), -1), beside])
        assert set(choose(rows, sampling, [*draws, 0.5])[:-1].tolist()) == expected


@pytest.mark.parametrize("sampling", [Sampling(), Sampling(temperature=0.8, n=2), Sampling(temperature=0.8, top_p=0.9)])
def test_weights_that_are_not_finite(
    model: Model, prompts: list[list[int]], monkeypatch: pytest.MonkeyPatch, sampling: Sampling
) -> None:
    """A run that has diverged has no score, and no completions."""
    line = r"^--model: its log-probabilities are not finite \((nan|-inf)\): the training has diverged; take an earlier "
    forward = model.network.forward
    for value in (math.nan, -math.inf):

        def speaks(*arguments: object, value: float = value, **options: torch.Tensor) -> object:
            out = forward(*arguments, **options)
            out.logits[-1, ...] = value
            return out

        monkeypatch.setattr(model.network, "forward", speaks)
        with pytest.raises(ConfigError, match=line):
            list(Local(model).complete(prompts, dataclasses.replace(sampling, max_new_tokens=4)))
        with pytest.raises(ConfigError, match=line):
            list(Local(model).score(prompts))
        with pytest.raises(ConfigError, match=line):
            stream(model, prompts[2], Writing(temperature=sampling.temperature), io.StringIO())


def test_a_fingerprint_is_of_the_weights(exports: dict[str, Exported], tmp_path: Path) -> None:
    folder = exports["grouped-query"].folder
    shape = built(GQA, RopeConfig())
    again = checkpoint(tmp_path / "c", shape, described(GQA, RopeConfig()))
    export(again, tmp_path / "again")
    export(again, tmp_path / "half", dtype="bfloat16")
    assert fingerprint(folder) == fingerprint(tmp_path / "again") != fingerprint(tmp_path / "half")
    assert load(folder).prompts.context == SEQ_LEN


def test_out_of_memory_names_the_option(
    model: Model, prompts: list[list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 9 GiB")

    monkeypatch.setattr(model.network, "forward", fails)
    with pytest.raises(ConfigError, match=r"^--batch-tokens 8192 does not fit .*; --batch-tokens 4096 takes half$"):
        next(Local(model).complete(prompts, Sampling()))
    with pytest.raises(ConfigError, match=r"^--batch-tokens 8192 does not fit"):
        next(Local(model).score(prompts[1:]))
