"""Real servers on loopback, with a model of ours: `transformers serve`, and llama.cpp's llama-server."""

import dataclasses
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from codetitan.engine import Engine, Sampling
from codetitan.engine.local import Local
from codetitan.engine.model import load
from codetitan.engine.server import Server
from codetitan.errors import ConfigError
from tests.engine.double import ENCODING
from tests.hf.conftest import Exported

# What real servers are asked: code, a hole, and a prompt that is a single token.
ASKED = ["def f(x):\n    return", "# é 🙂\n", "x"]


@pytest.fixture(scope="module")
def local(exports: dict[str, Exported]) -> Iterator[Local]:
    """The engine of this process, with the model that real servers serve."""
    engine = Local(load(exports["grouped-query"].folder))
    yield engine
    engine.close()


def asked(engine: Engine) -> list[list[int]]:
    ids, prefix = engine.sentinels.ids, ENCODING.encode("def f(").tolist()
    hole = [ids["<fim_prefix>"], *prefix, ids["<fim_suffix>"], *prefix, ids["<fim_middle>"]]
    return [*(ENCODING.encode(text).tolist() for text in ASKED), hole]


@pytest.fixture(scope="module")
def transformers_url(local: Local) -> Iterator[str]:
    """`transformers serve` on loopback, in a thread: its own class for that, which the command makes, too."""
    from transformers.cli.serve import Serve

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    serve = Serve(force_model=local.name, device="cpu", dtype="float32", host="127.0.0.1", port=port, log_level="error",
                  non_blocking=True)  # fmt: skip
    while not serve.server.started:
        time.sleep(0.01)
    yield f"http://127.0.0.1:{port}"
    serve.kill_server()


def test_transformers_serves_what_we_compute(transformers_url: str, local: Local) -> None:
    """It takes text and gives text; the model's folder is the one that it says it serves."""
    server = Server(transformers_url)
    assert server.facts["model"] == local.name and server.context == local.context
    assert str(server.abilities) == "prompts as text, sentinels as text; no log-probabilities"
    expected = dict(local.complete(asked(local), Sampling(max_new_tokens=12)))
    served = dict(server.complete(asked(local), Sampling(max_new_tokens=12)))
    for index, (completion,) in expected.items():
        assert (served[index][0].text, served[index][0].ended) == (completion.text, completion.ended)
        stops = ("never", completion.text[5:9])
        ((_, (cut,)),) = server.complete([asked(local)[index]], Sampling(max_new_tokens=12, stops=stops))
        assert (cut.text, cut.ended) == (completion.text.partition(stops[1])[0], "stop")
    drawn = Sampling(max_new_tokens=12, temperature=1.0, seed=3)
    first, again, other = (
        next(server.complete(asked(local)[:1], dataclasses.replace(drawn, seed=seed)))[1][0].text for seed in (3, 3, 4)
    )
    assert first == again != other and first != expected[0][0].text
    server.close()


# As its pre-tokenizer llama.cpp takes what it knows by a hash of a vocabulary: ours is Qwen2's on another vocabulary.
CONVERT = """
import sys
sys.path[:0] = [sys.argv[1], sys.argv[1] + "/gguf-py"]
import conversion.base, convert_hf_to_gguf
for kind in vars(conversion.base).values():
    if hasattr(kind, "get_vocab_base_pre"):
        kind.get_vocab_base_pre = lambda self, tokenizer: "qwen2"
sys.argv[1:] = [sys.argv[2], "--outfile", sys.argv[3], "--outtype", "f32"]
convert_hf_to_gguf.main()
"""


@pytest.mark.slow
@pytest.mark.skipif("LLAMA_CPP" not in os.environ, reason="LLAMA_CPP names no llama.cpp with build/bin/llama-server")
def test_llama_server_serves_what_we_compute(local: Local, tmp_path: Path) -> None:
    """Ids and log-probabilities of another implementation: docs/interoperation.md says how it is built."""
    source, gguf, log = Path(os.environ["LLAMA_CPP"]), tmp_path / "model.gguf", tmp_path / "log"
    subprocess.run([sys.executable, "-c", CONVERT, str(source), local.name, str(gguf)], check=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    command = [str(source / "build" / "bin" / "llama-server"), "-m", str(gguf), "--port", port]
    # Its cache is in half precision by default.
    command += ["-c", str(local.context), "-np", "1", "-t", "1", "-ctk", "f32", "-ctv", "f32", "--no-warmup"]
    with log.open("w") as output, subprocess.Popen(command, stdout=output, stderr=output) as process:
        try:
            server = None
            while server is None:
                assert process.poll() is None, log.read_text()
                try:
                    server = Server(f"http://127.0.0.1:{port}", Path(local.name))
                except ConfigError as error:  # it loads
                    assert "can't be reached" in str(error), error
                    time.sleep(0.1)
            assert str(server.abilities) == "prompts as token ids; log-probabilities, none of prompts"
            expected = dict(local.complete(asked(local), Sampling(max_new_tokens=12)))
            for index, (completion,) in server.complete(asked(local), Sampling(max_new_tokens=12)):
                ours = expected[index][0]
                assert (completion.ids, completion.text, completion.ended) == (ours.ids, ours.text, ours.ended)
                assert completion.log_probabilities == pytest.approx(ours.log_probabilities, abs=5e-3)
                stops = ("never", ours.text[5:9])
                ((_, (cut,)),) = server.complete([asked(local)[index]], Sampling(max_new_tokens=12, stops=stops))
                assert (cut.text, cut.ended) == (ours.text.partition(stops[1])[0], "stop")
            drawn = Sampling(max_new_tokens=12, temperature=1.0, top_p=0.9, n=2)
            texts = [
                {index: [c.text for c in completions] for index, completions in server.complete(asked(local), drawn)}
                for _ in range(2)
            ]
            assert texts[0] == texts[1] and len({tuple(two) for two in texts[0].values()}) == len(ASKED) + 1
            server.close()
        finally:
            process.terminate()
