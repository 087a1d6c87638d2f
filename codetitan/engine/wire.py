"""Requests to an OpenAI-compatible server: many at once, retried, every failure one line.

The client library is `openai`. Its event loop runs in a thread of its own, so requests go on while what came is used,
and an interrupt never waits for an answer.
"""

import asyncio
import contextlib
import json
import os
import queue
import threading
from collections.abc import Coroutine, Iterator, Sequence
from typing import Any, TypeVar
from urllib.parse import urlsplit

from codetitan.errors import ConfigError, one_line

Body = dict[str, Any]
T = TypeVar("T")

_REFUSED = 400, 404, 405, 422, 500, 501
"""What servers answer to a field or a value that they don't know; of llama-cpp-python and llama.cpp it is 500."""


class WireError(ConfigError):
    """A request that failed for good.

    Attributes:
        status: the HTTP status; None where none came.
    """

    def __init__(self, text: str, status: int | None = None) -> None:
        super().__init__(text)
        self.status = status

    @property
    def refused(self) -> bool:
        """Whether the server is there and did not want what was asked."""
        return self.status in _REFUSED


def base_url(url: str) -> str:
    """Returns a server's address as clients want it: with /v1, without what stands behind.

    Raises:
        ConfigError: it is no http address.
    """
    try:
        parts = urlsplit(url)
        is_one = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is none, a bracket that is not closed
        is_one = False
    if not is_one:
        raise ConfigError(f'--server "{url}" must be an address such as http://localhost:8000/v1')
    path = parts.path.rstrip("/")
    for end in ("/completions", "/chat", "/models"):
        path = path.removesuffix(end)
    return f"{parts.scheme}://{parts.netloc}{path or '/v1'}"


class Wire:
    """A connection to a server.

    Args:
        url: as a person gives it.
        concurrency: requests at once.
        timeout_s: for an answer.
        retries: of a request after 408, 409, 429, 5xx, a cut connection or a time-out, 0.5 to 8 s apart, or as long as
            the server says.

    Raises:
        ConfigError: the address is none, or the package openai is missing.
    """

    def __init__(self, url: str, *, concurrency: int, timeout_s: float, retries: int) -> None:
        self.url, self._concurrency, self._retries, self._timeout_s = base_url(url), concurrency, retries, timeout_s
        try:
            import openai
        except ImportError:
            raise ConfigError("--server needs the package openai: pip install -e '.[evaluate]'") from None
        self._openai = openai
        self._loop = asyncio.new_event_loop()
        # Daemon: a request that hangs must not keep the interpreter from ending.
        self._thread = threading.Thread(target=self._loop.run_forever, name="server", daemon=True)
        self._thread.start()
        self._client = self._wait(self._connect())
        self._patient = self._client.with_options(max_retries=retries)

    async def _connect(self) -> Any:
        # The key as every client of such servers takes it; most of them want none.
        key = os.environ.get("OPENAI_API_KEY") or "none"
        return self._openai.AsyncOpenAI(base_url=self.url, api_key=key, timeout=self._timeout_s, max_retries=0)

    def _wait(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def models(self) -> list[Body]:
        """Returns what the server serves, as it describes it.

        Raises:
            WireError: it is down, or no such server.
        """
        try:
            contents = self._wait(
                self._send(None, "models", patient=False)
            )  # of one that is down the line comes at once
        except WireError as error:
            if error.status not in (429, 503):  # it is busy, or loads
                raise
            contents = self._wait(self._send(None, "models", patient=True))
        entries = contents.get("data")
        if not isinstance(entries, list) or not all(
            isinstance(e, dict) and isinstance(e.get("id"), str) for e in entries
        ):
            raise WireError(f"--server {self.url} is no OpenAI-compatible server: {self.url}/models lists no models")
        return entries

    def ask(self, body: Body, *, patient: bool = True) -> Body:
        """Returns the answer to one request to /completions; `patient`: after retries, where need be.

        Raises:
            WireError: it failed for good.
        """
        return self._wait(self._send(body, "completions", patient=patient))

    def ask_all(self, bodies: Sequence[tuple[T, Body]]) -> Iterator[tuple[T, Body]]:
        """Yields (key, answer) of requests to /completions, as they come.

        Raises:
            WireError: of the first that failed for good; what was under way is waited for and given before.
        """
        todo = iter(bodies)
        done: queue.SimpleQueue[tuple[T, Body] | BaseException | None] = queue.SimpleQueue()
        failed = False

        async def work() -> None:
            nonlocal failed
            for key, body in todo:
                try:
                    done.put((key, await self._send(body, "completions", patient=True)))
                except BaseException as error:
                    failed = True
                    done.put(error)
                if failed:
                    return

        async def all_of_them() -> None:
            try:
                await asyncio.gather(*(work() for _ in range(self._concurrency)))
            finally:
                done.put(None)

        running = asyncio.run_coroutine_threadsafe(all_of_them(), self._loop)
        try:
            error = None
            while (got := done.get()) is not None:
                if isinstance(got, BaseException):
                    error = error or got
                else:
                    yield got
            if error is not None:
                raise error
        finally:
            running.cancel()

    async def _send(self, body: Body | None, what: str, *, patient: bool) -> Body:
        client, openai = self._patient if patient else self._client, self._openai
        where, tried = f"--server {self.url}", f" ({self._retries + 1} times)" if patient and self._retries else ""
        try:
            if body is None:
                raw = await client.models.with_raw_response.list()
            else:
                known = {name: body[name] for name in ("model", "prompt")}
                rest = {name: value for name, value in body.items() if name not in known}
                raw = await client.completions.with_raw_response.create(**known, extra_body=rest)
        except openai.APITimeoutError:
            raise WireError(f"{where}: no answer within {self._timeout_s:g} s{tried}") from None
        except openai.APIConnectionError as error:
            raise WireError(f"{where} can't be reached, or cuts the connection{tried}: {_cause(error)}") from None
        except openai.APIStatusError as error:
            status, said = error.status_code, _message(error.response.text)
            tried = tried if status in (408, 409, 429) or status >= 500 else ""
            raise WireError(f"{where}/{what} answers {status}{tried}: {said}", status) from None
        try:
            contents = json.loads(raw.content)
        except ValueError:
            contents = None
        if not isinstance(contents, dict):
            raise WireError(f"{where}/{what} answers no JSON object: {_short(raw.text)}")
        return contents

    def close(self) -> None:
        """Closes the connections; twice does no harm."""
        if not self._loop.is_running():
            return
        with contextlib.suppress(TimeoutError):
            asyncio.run_coroutine_threadsafe(self._client.close(), self._loop).result(timeout=5)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=5)


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= 160 else text[:159] + "…"


def _cause(error: BaseException) -> str:
    """Returns what the system says of a connection that failed, else what is said last of all."""
    while not (isinstance(error, OSError) and error.strerror):
        below = error.__cause__ or error.__context__
        if below is None:
            break
        error = below
    if isinstance(error, OSError) and error.errno is not None and error.errno > 0:
        return os.strerror(error.errno)  # asyncio writes "Connect call failed" over it
    return error.strerror if isinstance(error, OSError) and error.strerror else one_line(error)


def _message(text: str) -> str:
    """Returns what an error's body says: its message where it is JSON of a known form, else its beginning."""
    try:
        said = json.loads(text)
    except ValueError:
        return _short(text) or "nothing"
    for name in ("error", "message", "detail"):
        said = said.get(name, said) if isinstance(said, dict) else said
    return _short(said if isinstance(said, str) else json.dumps(said))
