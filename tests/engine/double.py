"""A small server that speaks /v1/completions as documented, in the forms of several servers, and fails as asked.

Its model: what follows a text is `TEXT`, over and over; the log-probability of a token is a function of its id.
"""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal

from codetitan.tokenizer.encoding import open_encoding

ENCODING = open_encoding("code-32k")
TEXT = " first + sécond 🙂\n\n\ndef next(x):\n    return 1\n"
Form = Literal["vllm", "sglang", "llama.cpp", "openai", "text"]

# What OpenAI's schema has; a strict server refuses the rest.
_KNOWN = {"model", "prompt", "max_tokens", "temperature", "top_p", "n", "logprobs", "echo", "stop", "seed"}


def log_probability(number: int) -> float:
    return -0.25 - number % 97 / 16


@dataclass
class Double:
    """What the server is told, and what it saw.

    Attributes:
        form: whose form it speaks.
        text: what the model writes.
        models: what /v1/models lists.
        wrong: log-probabilities of prompts are others than those with which it generates, as llama-cpp-python's.
        begins: tokens that it puts before a text.
        loads: how often it says that it still loads.
        fault: called with (the number of the request, its body); what it returns is sent instead of an answer: a
            status, with or without headers; bytes, as the body; or None, and "cut" ends the connection.
        bodies: of the requests to /completions.
        most: requests that were answered at once.
    """

    form: Form = "vllm"
    text: str = TEXT
    models: list[dict[str, Any]] = field(default_factory=lambda: [{"id": "m", "max_model_len": 90}])
    wrong: bool = False
    begins: int = 0
    loads: int = 0
    fault: Callable[[int, dict[str, Any]], Any] = lambda number, body: None
    bodies: list[dict[str, Any]] = field(default_factory=list)
    most: int = 0
    url: str = ""

    def answer(self, body: dict[str, Any]) -> dict[str, Any] | int:
        """Returns an answer, or the status with which it is refused."""
        prompt, logprobs, stops = body["prompt"], body.get("logprobs"), body.get("stop") or []
        strict = self.form in ("openai", "text")
        if strict and (body.keys() - _KNOWN or len(stops) > 4):
            return 400
        if self.form == "text" and not isinstance(prompt, str):
            return 422
        if self.form == "llama.cpp" and body.get("echo"):
            return 500
        asked = ENCODING.encode(prompt).tolist() if isinstance(prompt, str) else prompt
        asked = [0] * self.begins * isinstance(prompt, str) + asked
        endless = ENCODING.encode(self.text * 20).tolist()
        ids, finish, stopped_by = endless[: body["max_tokens"]], "length", None
        text = ENCODING.decode_bytes(ids).decode(errors="replace")
        kept = (
            body.get("include_stop_str_in_output")
            if self.form == "vllm"
            else self.form == "sglang" and body.get("no_stop_trim")
        )
        found = [(text.find(stop) + len(stop), stop) for stop in stops if stop in text]
        if found:  # the one that is whole first, as token follows token
            end, stop = min(found)
            finish, stopped_by, n = "stop", stop, 1
            while len(ENCODING.decode_bytes(ids[:n]).decode(errors="ignore")) < end:
                n += 1
            ids, text = ids[:n], text[: end if kept else end - len(stop)]
        if self.form == "llama.cpp" and stopped_by:
            ids = ids[: -len(ENCODING.encode(stopped_by))]
        ends = set(body.get("stop_token_ids", ())) & set(ids)
        if self.form == "vllm" and ends:
            ids = ids[: 1 + min(map(ids.index, ends))]
            text, finish = ENCODING.decode_bytes(ids[:-1]).decode(), "stop"
        written, given = ids, [log_probability(number) for number in ids]
        if body.get("echo"):
            of_prompt = [None, *(log_probability(number) - 1.5 * self.wrong for number in asked[1:])]
            written, ids, given = ids, asked + ids, of_prompt + given
            text = ENCODING.decode_bytes(asked).decode(errors="replace") + text
        choice: dict[str, Any] = {"index": 0, "text": text, "finish_reason": finish, "logprobs": None}
        if logprobs is not None and self.form != "text":
            texts = [ENCODING.decode_bytes([number]).decode(errors="replace") for number in ids]
            if self.form == "vllm":
                texts = [f"token_id:{number}" for number in ids]
            choice["logprobs"] = {"tokens": texts, "token_logprobs": given, "top_logprobs": None}
            if self.form == "llama.cpp":
                content = zip(ids, texts, given, strict=True)
                choice["logprobs"] = {"content": [{"id": i, "token": t, "logprob": p} for i, t, p in content]}
        if self.form == "vllm":
            choice |= {"token_ids": written if body.get("return_token_ids") else None}
            choice |= {"stop_reason": stopped_by}
        if self.form == "sglang":
            choice |= {"matched_stop": stopped_by}
        usage = {"prompt_tokens": len(asked), "completion_tokens": len(ids)}
        return {"object": "text_completion", "choices": [choice], **({} if self.form == "text" else {"usage": usage})}


@contextmanager
def serving(double: Double) -> Iterator[Double]:
    """Serves on loopback."""
    lock, at_once, number = threading.Lock(), 0, 0

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None: ...

        def send(self, contents: bytes, status: int = 200, headers: tuple[tuple[str, str], ...] = ()) -> None:
            self.send_response(status)
            for name, value in (("content-type", "application/json"), ("content-length", str(len(contents))), *headers):
                self.send_header(name, value)
            self._headers_buffer.append(b"\r\n" + contents)  # in one packet: a second one waits for the first's receipt
            self.flush_headers()

        def do_GET(self) -> None:
            if double.loads:
                double.loads -= 1
                self.send(b'{"error": {"message": "Loading model"}}', 503, (("retry-after-ms", "10"),))
                return
            contents = {"object": "list", "data": double.models}
            found = self.path == "/v1/models"
            self.send(json.dumps(contents if found else {"error": "no such page"}).encode(), 200 if found else 404)

        def do_POST(self) -> None:
            nonlocal at_once, number
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            with lock:
                at_once, number, mine = at_once + 1, number + 1, number
                double.most = max(double.most, at_once)
                double.bodies.append(body)
            try:
                fault = double.fault(mine, body)
                if fault == "cut":
                    self.close_connection = True
                    self.connection.shutdown(2)
                elif isinstance(fault, bytes):
                    self.send(fault)
                elif isinstance(fault, int):
                    # A delay that clients heed: tests must not wait for half a second and more.
                    self.send(b'{"error": {"message": "as asked"}}', fault, (("retry-after-ms", "10"),))
                else:
                    answer = double.answer(body)
                    if isinstance(answer, int):
                        self.send(b'{"error": {"message": "unknown field"}}', answer)
                    else:
                        self.send(json.dumps(answer).encode())
            finally:
                with lock:
                    at_once -= 1

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    double.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield double
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
