"""Served models: a double that speaks and fails as servers do."""

import dataclasses
import functools
import json
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from codetitan.data.pieces.dialects import DIALECTS
from codetitan.engine import Sampling
from codetitan.engine.model import fingerprint, open_prompts
from codetitan.engine.server import Server
from codetitan.errors import ConfigError
from codetitan.hf import tokenizer
from tests.engine.double import ENCODING, TEXT, Double, Form, log_probability, serving

PROMPTS = [ENCODING.encode(text).tolist() for text in ("def add(first, second):\n    return", "# é\n", "x")]
GREEDY = Sampling(max_new_tokens=8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model's folder without weights."""
    folder = tmp_path_factory.mktemp("model")
    tokenizer.write("code-32k", DIALECTS["starcoder"], folder, seq_len=96)
    (folder / "config.json").write_text('{"max_position_embeddings": 96, "eos_token_id": 0}')
    return folder


@pytest.fixture(scope="module", autouse=True)
def tokenizer_once() -> Iterator[None]:
    """Opening a tokenizer takes half a second of CPU, and there is one folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("codetitan.engine.server.open_prompts", functools.cache(open_prompts))
        yield


@contextmanager
def opened(folder: Path, double: Double, **options: Any) -> Iterator[Server]:
    with serving(double):
        server = Server(double.url, folder, **options)
        double.bodies.clear()
        try:
            yield server
        finally:
            server.close()


@pytest.mark.parametrize(
    ("form", "says"),
    [
        ("vllm", "prompts as token ids; log-probabilities, of prompts too"),
        ("sglang", "prompts as token ids; log-probabilities, of prompts too"),
        ("llama.cpp", "prompts as token ids; log-probabilities, none of prompts"),
        ("openai", "prompts as token ids; log-probabilities, of prompts too"),
        ("text", "prompts as text, sentinels as text; no log-probabilities"),
    ],
)
def test_every_form_gives_the_same_completions(folder: Path, form: Form, says: str) -> None:
    with opened(folder, Double(form)) as server:
        assert str(server.abilities) == says and says in server.name
        expected = ENCODING.encode(TEXT * 3).tolist()
        for n in range(1, 14):  # also inside the character of several tokens
            for index, (completion,) in server.complete(PROMPTS, Sampling(max_new_tokens=n)):
                assert completion.ended == "length"
                text = ENCODING.decode_bytes(expected[:n]).decode(errors="replace")
                assert completion.text == text
                if "\ufffd" in text and form in ("sglang", "openai", "text"):
                    continue  # of texts alone, a part of a character has no id
                assert completion.ids == expected[:n], (n, index)
                given = [log_probability(number) for number in expected[:n]] if form != "text" else []
                assert completion.log_probabilities == given
        assert dict(server.complete(PROMPTS, GREEDY)).keys() == {0, 1, 2}
        stops = ("\ndef ", "never", "\n\n\ndef", "a", "b", "c d")
        (_, (stopped,)) = next(server.complete(PROMPTS[:1], Sampling(max_new_tokens=60, stops=stops)))
        assert (stopped.text, stopped.ended) == (" first + sécond 🙂", "stop")
        covering = ENCODING.decode_bytes(stopped.ids).decode()
        assert covering.startswith(stopped.text)
        if form == "vllm":  # with the token in which the stop begins
            assert len(ENCODING.decode_bytes(stopped.ids[:-1])) <= len(stopped.text.encode()) < len(covering.encode())
            assert len(stopped.log_probabilities) == len(stopped.ids)


@pytest.mark.parametrize("form", ["vllm", "sglang", "openai"])
def test_scores(folder: Path, form: Form) -> None:
    with opened(folder, Double(form)) as server:
        longest = ENCODING.encode("x = 1\n" * 99).tolist()[: server.scored_context + 1]
        sequences = [[0, *PROMPTS[0]], [5], longest]
        scores = dict(server.score(sequences))
        assert scores == {i: [log_probability(number) for number in ids[1:]] for i, ids in enumerate(sequences)}
        assert (server.context, server.scored_context) == (90, 88), "a prompt and its completion have all of it"
        with pytest.raises(ConfigError, match=r"^a sequence of 90 tokens is longer than the context of 88 and one$"):
            list(server.score([[1] * 90]))


def test_what_tells_its_weights(folder: Path, tmp_path: Path) -> None:
    """The folder's fingerprint, and the log-probabilities of a text: as many as the server gives."""
    for form, n in (("vllm", 13), ("llama.cpp", 1), ("text", 0)):
        with opened(folder, Double(form)) as server:  # type: ignore[arg-type]
            assert (server.facts["fingerprint"], len(server.facts["probe"])) == (None, n)  # type: ignore[arg-type]
    for contents in (b"1", b"2"):
        with_weights = shutil.copytree(folder, tmp_path / "m", dirs_exist_ok=True)
        (with_weights / "model.safetensors").write_bytes(contents)
        with opened(with_weights, Double()) as server:
            assert server.facts["fingerprint"] == fingerprint(with_weights)


@pytest.mark.parametrize("double", [Double("llama.cpp"), Double("text"), Double("sglang", wrong=True)])
def test_a_server_that_can_not_score(folder: Path, double: Double) -> None:
    with (
        opened(folder, double) as server,
        pytest.raises(
            ConfigError,
            match=r"^--server http://127.* gives no log-probabilities of a prompt \(logprobs with echo\), which",
        ),
    ):
        list(server.score([[1, 2, 3]]))


def test_what_is_asked(folder: Path) -> None:
    """Fields that switch off what servers do by themselves; seeds of the prompt and the completion's number alone."""
    drawn = Sampling(temperature=0.8, top_p=0.95, n=3, seed=7, max_new_tokens=5, stops=("\n\n",))
    double = Double()
    with opened(folder, double) as server:
        assert [len(completions) for _, completions in server.complete(PROMPTS, drawn)] == [3, 3, 3]
        body = double.bodies[0]
        assert (body["top_k"], body["min_p"], body["repetition_penalty"], body["top_p"]) == (-1, 0, 1, 0.95)
        assert body["stop"] == ["\n\n"] and set(body["stop_token_ids"]) >= {0, 1, 2, 3}
        seeds = {(tuple(body["prompt"]), body["seed"]) for body in double.bodies}
        assert len(seeds) == 9 and all(0 <= seed < 1 << 31 for _, seed in seeds)
        double.bodies.clear()
        list(server.complete(PROMPTS[1:2], drawn))
        assert {(tuple(body["prompt"]), body["seed"]) for body in double.bodies} < seeds
        double.bodies.clear()
        ((_, same),) = server.complete(PROMPTS[:1], dataclasses.replace(GREEDY, n=3))
        assert len(same) == 3 and len(double.bodies) == 1


def test_sentinels_end_a_completion(folder: Path) -> None:
    """As ids, which vLLM gives, and as text, where a server writes them."""
    for form in ("vllm", "text"):
        double = Double(form)
        with opened(folder, double) as server:
            ids = [*ENCODING.encode("return x").tolist(), server.sentinels.ids["<fim_prefix>"], 77]
            double.text = "return x<fim_prefix>more"
            if form == "vllm":
                double.answer = lambda body, ids=ids: {  # type: ignore[method-assign]
                    "choices": [{"text": "return xmore", "finish_reason": "length", "token_ids": ids}]
                }
            ((_, (completion,)),) = server.complete(PROMPTS[:1], GREEDY)
            assert (completion.text, completion.ended, completion.ids) == ("return x", "end", ids[:2])


def test_prompts_as_text(folder: Path) -> None:
    double = Double("text")
    with opened(folder, double) as server:
        ids = server.sentinels.ids
        hole = [ids["<fim_prefix>"], *PROMPTS[0], ids["<fim_suffix>"], 77, ids["<fim_middle>"]]
        list(server.complete([hole], GREEDY))
        sent = double.bodies[-1]["prompt"]
        assert sent.startswith("<fim_prefix>def add(") and sent.endswith("<fim_middle>")
        for wrong, why in (
            (ENCODING.encode("x = '<fim_middle>'").tolist(), r"its text has a sentinel in it \(<fim_middle>\)$"),
            (ENCODING.encode("🙂").tolist()[:1], "it begins or ends inside a character$"),
        ):
            double.bodies.clear()
            with pytest.raises(
                ConfigError, match=rf"^prompt 1 can't be sent to --server .*, which takes text only: {why}"
            ):
                list(server.complete([PROMPTS[0], wrong], GREEDY))
            assert double.bodies == []
    with opened(folder, Double("openai", begins=1)) as server:
        assert str(server.abilities).startswith("prompts as token ids;")


def test_requests_at_once_and_results_as_they_come(folder: Path) -> None:
    gate = threading.Event()
    double = Double()
    with opened(folder, double, concurrency=2) as server:
        double.most = 0
        double.fault = lambda number, body: gate.wait(10) and None if body["prompt"] == PROMPTS[0] else None
        done = server.complete([*PROMPTS, *PROMPTS[1:]], GREEDY)
        assert sorted(next(done)[0] for _ in range(4)) == [1, 2, 3, 4]
        gate.set()
        assert [index for index, _ in done] == [0]
        assert double.most == 2


def test_an_interrupt_waits_for_nothing(folder: Path) -> None:
    gate = threading.Event()
    double = Double()
    with opened(folder, double, concurrency=2) as server:
        double.fault = lambda number, body: gate.wait(10) and None if body["prompt"] == PROMPTS[0] else None
        done = server.complete(PROMPTS, GREEDY)
        next(done)
        before = time.monotonic()
        done.close()  # as KeyboardInterrupt does
        server.close()
        server.close()
        assert time.monotonic() - before < 2
        gate.set()


@pytest.mark.parametrize("fault", [429, 500, 503, "cut"])
def test_what_passes_is_tried_again(folder: Path, fault: object) -> None:
    double = Double()
    with opened(folder, double) as server:
        failed: set[int] = set()

        def once(number: int, body: dict[str, Any]) -> object:
            first = len(body["prompt"]) not in failed
            failed.add(len(body["prompt"]))
            return fault if first else None

        double.fault = once
        assert {index for index, _ in server.complete(PROMPTS, GREEDY)} == {0, 1, 2}
        assert len(double.bodies) == 6


@pytest.mark.parametrize(
    ("fault", "line"),
    [
        (500, "/v1/completions answers 500 (2 times): as asked"),
        ("cut", "/v1 can't be reached, or cuts the connection (2 times): Server disconnected without sending a"),
        (400, "/v1/completions answers 400: as asked"),
        (b"<html>busy", "/v1/completions answers no JSON object: <html>busy"),
        (b"[]", "/v1/completions answers no JSON object: []"),
        (b"{}", "/v1 answers what can't be used: it has no choices with one text"),
        (b'{"choices": [{"text": 3}]}', "/v1 answers what can't be used: its text is no text"),
        (b'{"choices": [{"text": "", "token_ids": ["a"]}]}',
         "/v1 answers what can't be used: its token ids are no numbers"),
        (b'{"choices": [{"text": "", "logprobs": {"content": [1]}}]}',
         "/v1 answers what can't be used: its logprobs have an unknown form"),
    ],
)  # fmt: skip
def test_what_does_not_pass_is_one_line_and_what_is_done_is_given(folder: Path, fault: object, line: str) -> None:
    double = Double()
    with opened(folder, double, concurrency=1, retries=1) as server:
        double.fault = lambda number, body: fault if body["prompt"] == PROMPTS[2] else None
        done = []
        with pytest.raises(ConfigError) as caught:
            for index, _ in server.complete(PROMPTS, GREEDY):
                done.append(index)
        said = str(caught.value)
        assert said.startswith(f"--server {double.url}{line}") and said.endswith("; 2 of 3 prompts are done and kept")
        assert done == [0, 1]


def refused(folder: Path | None, url: str, **options: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        Server(url, folder, retries=0, **options)
    return str(caught.value).replace(url, "URL")


def test_what_is_no_server(folder: Path) -> None:
    assert refused(folder, "localhost:8000") == '--server "URL" must be an address such as http://URL/v1'
    for url in ("http://localhost:99999/v1", "http://localhost:abc/v1", "http://[::1", "ftp://x", "http://:80"):
        assert refused(folder, url) == '--server "URL" must be an address such as http://localhost:8000/v1'
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    assert refused(folder, url).startswith("--server URL/v1 can't be reached, or cuts the connection: ")
    with serving(Double()) as double:
        assert refused(folder, f"{double.url}/other") == "--server URL/models answers 404: no such page"
    for contents, line in (
        (b"hello", "URL/v1/models answers no JSON object: hello"),
        (b'{"data": [3]}', "URL/v1 is no OpenAI-compatible server: URL/v1/models lists no models"),
    ):
        with serving(Double()) as double, pytest.MonkeyPatch.context() as patch:
            patch.setattr(json, "dumps", lambda *_, contents=contents: contents.decode())
            said = refused(folder, double.url)
        assert said == f"--server {line}"


def test_which_model(folder: Path, tmp_path: Path) -> None:
    with serving(Double(models=[])) as double:
        assert refused(folder, double.url) == "--server URL/v1 serves no model"
        double.models = [{"id": "coder-small"}, {"id": "coder-large"}]
        assert refused(folder, double.url) == (
            "--server URL/v1 serves several models (coder-small, coder-large); say which with --server-model NAME"
        )
        assert refused(folder, double.url, model="coder-smal") == (
            '--server-model "coder-smal": URL/v1 serves coder-small, coder-large; did you mean "coder-small"?'
        )
        with ExitStack() as stack:
            server = Server(double.url, folder, model="coder-large")
            stack.callback(server.close)
            assert double.bodies[-1]["model"] == "coder-large"
            assert (server.context, server.facts["model"]) == (96, "coder-large")
        double.models, double.loads = [{"id": "m"}], 2
        assert refused(folder, double.url) == "--server URL/v1/models answers 503: Loading model"
        double.loads = 2
        Server(double.url, folder).close()
        assert refused(None, double.url).startswith("--server URL/v1 needs --model FOLDER beside it: ")
        assert refused(tmp_path, double.url) == f"--model {tmp_path} has no config.json"
        double.models = [{"id": "m", "root": str(folder)}]  # as vLLM says where it read the model
        Server(double.url).close()
        double.begins = 3
        assert refused(folder, double.url).startswith("--server URL/v1: its tokenizer is not --model's: of a text of ")
        double.begins, double.fault = 0, lambda number, body: 404
        assert refused(folder, double.url) == "--server URL/v1/completions answers 404: as asked"
