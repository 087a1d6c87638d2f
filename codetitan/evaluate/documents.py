"""Tasks of held-out files: holes that are filled exactly, and bits per byte. Which files and which holes is a draw by
a seed of its own, the same for every model, tokenizer and --seed."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from codetitan.data.document import Document
from codetitan.data.language import language_of
from codetitan.data.order import key, permute, uniform
from codetitan.data.pieces.fim import Span, line_span, random_span, syntax_span
from codetitan.data.sources.open import Directory, Jsonl, Parquet, Source, open_source
from codetitan.data.sources.records import NAME_IT
from codetitan.errors import ConfigError
from codetitan.evaluate.problems import Problem, Task, sha256

DOCUMENTS = 500
"""Of a larger set so many are looked at, where --limit does not say otherwise."""
KINDS = ("single-line", "random", "syntax")
MOST_BYTES = MAX_NEW_TOKENS = 256
"""A middle is at most so long: a token is a byte at least, so one of any tokenizer can be written."""
_TRIES = 20
SEED = 0
"""Of what is asked, not of how it is answered: the same for every evaluation."""


def _open(name: str, path: Path) -> tuple[Source | None, dict[str, str]]:
    """Opens files; None for a single one, which is no source."""
    called = f"--data {name}={path}"
    suffixes = "".join(path.suffixes[-2:])
    options: Jsonl | Parquet | Directory
    try:
        if ".jsonl" in suffixes:
            options = Jsonl(path=str(path))
        elif path.suffix == ".parquet":
            options = Parquet(path=str(path))
        elif path.is_file():
            return None, {"name": path.name, "sha256": sha256(path.read_bytes())}
        else:
            options = Directory(path=str(path))
        source = open_source(options)
    except OSError as error:
        raise ConfigError(f"{called}: {error.strerror}") from None
    except ConfigError as error:
        text = str(error).removeprefix("dataloader.sources: ")
        raise ConfigError(f"{called}: {text.partition(NAME_IT)[0]}") from None
    return source, {"name": path.name, "sha256": source.fingerprint}


def drawn(name: str, path: Path) -> tuple[Iterator[Document], dict[str, str]]:
    """Returns the documents that can be read, in an order drawn by SEED, and name and fingerprint of the data.

    Raises:
        ConfigError: there are none.
    """
    source, data = _open(name, path)
    if source is None:
        text = path.read_bytes().decode("utf-8-sig", errors="replace")
        return iter([Document(name, path.name, text, language=language_of(path.name, text))]), data

    def read() -> Iterator[Document]:
        for index in range(len(source)):
            document = source.read(permute(index, len(source), key(SEED, "documents")))
            if isinstance(document, Document) and document.text.strip():
                yield document

    return read(), data


def _draw_hole(data: bytes, language: str, kind: str, draw_key: int) -> Span | None:
    """Draws a middle that is not blank, not the whole text and at most MOST_BYTES long; None: there is none."""
    draw = partial(uniform, draw_key)
    for number in range(0, 2 * _TRIES, 2):
        a, b = draw(number), draw(number + 1)
        if kind == "single-line":
            span: Span | None = line_span(data, a, 0.0)
        elif kind == "random":
            # A random stretch of a random length: between two characters of a long file there would be too much.
            length = int(1 + MOST_BYTES * b)
            start, stop = random_span(data, a, min(1.0 - 2.0**-53, a + length / (len(data) + 1)))
            span = start, stop
        else:
            span = syntax_span(data, language, a, b)
        if span and data[slice(*span)].strip() and span[1] - span[0] <= min(MOST_BYTES, len(data) - 1):
            return span
    return None


def _name(document: Document) -> str:
    return document.path if document.repo is None else f"{document.repo}/{document.path}"


def holes(document: Document) -> list[Problem]:
    """Returns a hole of each kind that a document has."""
    data = document.text.encode()
    found = []
    for kind in KINDS:
        span = _draw_hole(data, document.language, kind, key(SEED, "holes", document.path, sha256(data), kind))
        if span is not None:
            start, stop = span
            found.append(
                Problem(
                    id=f"{_name(document)}#{kind}",
                    prefix=data[:start].decode(),
                    suffix=data[stop:].decode(),
                    solution=data[start:stop].decode(),
                    lead=data[:start].decode(),
                    language=document.language,
                    kind=kind,
                )
            )
    return found


def infill_task(name: str, path: Path, limit: int | None) -> Task:
    """Returns holes in files, to be filled exactly: SantaCoder's measure, arXiv 2301.03988 §5.2.

    Raises:
        ConfigError: no file has a hole.
    """
    documents, data = drawn(name, path)
    problems: dict[str, Problem] = {}
    most = limit or len(KINDS) * DOCUMENTS
    for document in documents:
        for problem in holes(document):
            problems.setdefault(problem.id, problem)
        if len(problems) >= most:
            break
    if not problems:
        raise ConfigError(f"--data {name}={path}: no file there has a line to leave out")
    return Task(
        name=name,
        judged="exact",
        problems=list(problems.values())[:most],
        data=data,
        asked={"compared": "strip()"},
        max_new_tokens=MAX_NEW_TOKENS,
    )


def bits_task(name: str, path: Path, limit: int | None) -> Task:
    """Returns whole files, to be scored.

    Raises:
        ConfigError: no document there has text.
    """
    documents, data = drawn(name, path)
    problems: dict[str, Problem] = {}
    for document in documents:
        number = _name(document)
        problems.setdefault(number, Problem(id=number, prefix="", solution=document.text, language=document.language))
        if len(problems) >= (limit or DOCUMENTS):
            break
    if not problems:
        raise ConfigError(f"--data {name}={path}: no document there has text that can be read")
    return Task(name=name, judged="bits", problems=list(problems.values()), data=data)
