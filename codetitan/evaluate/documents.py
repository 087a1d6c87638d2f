"""Tasks of held-out files: holes that are filled exactly, and bits per byte. Which files and which holes is a draw by
a seed of its own, the same for every model, tokenizer and --seed."""

import itertools
import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

from codetitan.data.document import Document, Dropped
from codetitan.data.language import language_of
from codetitan.data.order import key, permute, uniform
from codetitan.data.pieces.fim import Span, line_span, random_span, syntax_span
from codetitan.data.sources.open import Directory, Jsonl, Parquet, open_source
from codetitan.data.sources.packed import PACKED
from codetitan.data.sources.records import NAME_IT, columns_of, to_document
from codetitan.errors import ConfigError
from codetitan.evaluate.problems import Problem, Task, counts, sha256, sha256_of

DOCUMENTS = 500
"""Of a larger set so many are looked at, where --limit does not say otherwise."""
KINDS = ("single-line", "random", "syntax")
MOST_BYTES = MAX_NEW_TOKENS = 256
"""A middle is at most so long: a token is a byte at least, so one of any tokenizer can be written."""
_TRIES = 20
SEED = 0
"""Of what is asked, not of how it is answered: the same for every evaluation."""


_Read = Callable[[int], Document | Dropped]


def _open(name: str, path: Path) -> tuple[int, _Read, Counter[str]]:
    """Returns how many documents there may be, what reads one, and what was left out when they were listed."""
    called = f"--data {name}={path}"
    options: Jsonl | Parquet | Directory
    try:
        if path.is_file() and path.suffix != ".parquet" and not _is_lines(path):
            documents = _of_file(name, path)
            return len(documents), documents.__getitem__, Counter()
        if path.suffix == ".parquet":
            options = Parquet(path=str(path))
        elif path.is_file() or ".jsonl" in path.suffixes[-2:]:
            options = Jsonl(path=str(path))
        else:
            options = Directory(path=str(path))
        source = open_source(options)
    except OSError as error:
        raise ConfigError(f"{called}: {error.strerror}") from None
    except ConfigError as error:
        text = str(error).removeprefix("dataloader.sources: ")
        raise ConfigError(f"{called}: {text.partition(NAME_IT)[0]}") from None
    return len(source), source.read, source.dropped


def _is_lines(path: Path) -> bool:
    """Whether a file is JSON Lines: by its name, or a .json whose first two lines are an object each.

    A JSON document has one value, so that its second line, where its first is a whole one, is blank.
    """
    ends = path.suffixes[-2:]
    if ".jsonl" in ends or ".ndjson" in ends or (ends[:1] == [".json"] and ends[-1] in PACKED):
        return True
    if path.suffix != ".json":
        return False
    with path.open("rb") as file:
        lines = list(itertools.islice((line for line in file if line.strip()), 2))
    return len(lines) == 2 and all(isinstance(_json(line), dict) for line in lines)


def _json(data: bytes) -> object:
    """Returns what JSON says; None where it is none."""
    try:
        return json.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        return None


def _of_file(name: str, path: Path) -> list[Document | Dropped]:
    """Returns the document that a file is, or those of a JSON array of records: objects that all have a text."""
    data = path.read_bytes()
    records = _json(data) if path.suffix == ".json" else None
    if isinstance(records, list) and records and all(isinstance(record, dict) for record in records):
        columns = [columns_of(record, {}) for record in records]
        if all(columns) and not any(of_record.converses for of_record in columns if of_record):
            return [
                to_document(name, f"{path.name}:{number}", record, of_record, Jsonl(path="").max_bytes)
                for number, (record, of_record) in enumerate(zip(records, columns, strict=True), start=1)
            ]
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return [Dropped(name, path.name, "not UTF-8")]
    return [Document(name, path.name, text, language=language_of(path.name, text))]


def drawn(name: str, path: Path) -> tuple[Iterator[tuple[str, Document]], Counter[str]]:
    """Returns the documents that can be read, each text once, in an order drawn by SEED, with names that differ; and
    what was left out: reason → how many, of what has been read so far.

    Raises:
        ConfigError: they can't be opened.
    """
    n, read, listed = _open(name, path)
    left_out = Counter(listed)

    def documents() -> Iterator[tuple[str, Document]]:
        texts: set[str] = set()
        names: set[str] = set()
        for index in range(n):
            document = read(permute(index, n, key(SEED, "documents")))
            digest = sha256(document.text.encode()) if isinstance(document, Document) else ""
            if isinstance(document, Dropped):
                left_out[document.reason] += 1
            elif document.turns:
                left_out["a conversation"] += 1
            elif not document.text.strip():
                left_out["empty"] += 1
            elif digest in texts:
                left_out["same text as another"] += 1
            else:
                plain = _name(document)
                choices = (plain, f"{plain}@{digest[:8]}", f"{plain}@{digest}")
                called = next(choice for choice in choices if choice not in names)
                texts.add(digest)
                names.add(called)
                yield called, document

    return documents(), left_out


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


def _file(called: str, document: Document) -> str:
    """Returns the file that a document is, or is a function of: without a repository the path alone tells none."""
    return called if document.repo is None or not document.has_path else _name(document)


def holes(called: str, document: Document) -> list[Problem]:
    """Returns a hole of each kind that a document has."""
    data = document.text.encode()
    found = []
    for kind in KINDS:
        span = _draw_hole(data, document.language, kind, key(SEED, "holes", document.path, sha256(data), kind))
        if span is not None:
            start, stop = span
            found.append(
                Problem(
                    id=f"{called}#{kind}",
                    prefix=data[:start].decode(),
                    suffix=data[stop:].decode(),
                    solution=data[start:stop].decode(),
                    lead=data[:start].decode(),
                    language=document.language,
                    kind=kind,
                    of=_file(called, document),
                )
            )
    return found


def infill_task(name: str, path: Path, limit: int | None) -> Task:
    """Returns holes in files, to be filled exactly: SantaCoder's measure, arXiv 2301.03988 §5.2.

    Raises:
        ConfigError: no file has a hole.
    """
    documents, left_out = drawn(name, path)
    most = limit or len(KINDS) * DOCUMENTS
    problems = list(itertools.islice((hole for each in documents for hole in holes(*each)), most))
    task = _task(name, path, problems, left_out, "no file there has a line to leave out")
    return replace(task, judged="exact", asked={"compared": "strip()"}, max_new_tokens=MAX_NEW_TOKENS)


def bits_task(name: str, path: Path, limit: int | None) -> Task:
    """Returns whole files, to be scored.

    Raises:
        ConfigError: no document there has text.
    """
    documents, left_out = drawn(name, path)
    problems = [
        Problem(
            id=called,
            prefix="",
            solution=document.text,
            language=document.language,
            of=_file(called, document),
        )
        for called, document in itertools.islice(documents, limit or DOCUMENTS)
    ]
    return _task(name, path, problems, left_out, "no document there has text that can be read")


def _task(name: str, path: Path, problems: list[Problem], left_out: Counter[str], none: str) -> Task:
    if not problems:
        raise ConfigError(f"--data {name}={path}: {none}{f' ({counts(left_out)})' if left_out else ''}")
    return Task(
        name=name,
        judged="bits",
        problems=problems,
        # Of what is asked: what a source calls its fingerprint sees a part of its bytes.
        data={"name": path.name, "sha256": sha256_of(problems)},
        left_out=left_out,
    )
