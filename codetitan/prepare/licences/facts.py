"""What a repository says of its licences: gathered from a few of its files, by any number of tasks, in any order."""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

from codetitan.data.sources.repository import identified, is_licence, leaves_choice
from codetitan.prepare.licences.debian import PATH as DEBIAN
from codetitan.prepare.licences.debian import common, stanzas, texts
from codetitan.prepare.licences.metadata import describes, said
from codetitan.prepare.licences.notices import named
from codetitan.prepare.licences.spdx import both, normalised
from codetitan.prepare.licences.words import licence_of_words

Facts: TypeAlias = dict[str, dict[str, Any]]
"""JSON. `statements`: path → [{"kind", "covers": the folder that it speaks for, "licence": SPDX expression or None
where it is not known, "hash" of its text, …}]: one, but where a store has a path twice, with other words: then all
hold. `texts`: SHA-256 → licence and NOTICE texts, to be written with the corpus."""

_MAX_TEXT_CHARS = 400_000  # what the bundled licences of a large binary package come to
_KEPT = ("licence", "notice", "debian")
_NOTICE = re.compile(
    r"(?:notice|authors|copyright|patents)(?:\.(?:txt|md|rst))?"
    # what is bundled has licences of its own, which are not the licence of what bundles it
    r"|(?:licen[sc]es?|notices?)?[-_.]?(?:third|3rd|bundled|vendor|dependenc|external)[\w.-]*",
    re.IGNORECASE,
)
_FOLDER = re.compile(r"licen[sc]es?|copying|license_files", re.IGNORECASE)
_OF_FOLDER = re.compile(r"[\w.+ -]+?(?:\.(?:txt|md|rst))?")
_NO_TEXT = re.compile(
    r".*\.(?:[ch]|cc|cpp|cs|css|gif|go|hpp|html|java|js|json|kt|lua|mjs|php|pl|png|gz|zip|py[cix]?|rb|rs|sh|svg|swift|tsx?|vue|xml"
    r"|ya?ml)",
    re.IGNORECASE,
)
_POINTER_CHARS = 500  # "See COPYING", "Released under the MIT license.", "Either of LICENSE-MIT or LICENSE-APACHE"
# Words with which a text that is not known, or a description, may ask for more than a permissive licence does.
WEIGHTY = re.compile(
    r"gpl|gnu\b|affero|copyleft|commons clause|commercial|proprietary|eula|may not|must not|prohibit|confidential"
    r"|source code must|mozilla|eclipse|cc[- ]by[- ]|share ?alike",
    re.IGNORECASE,
)
_DUAL = re.compile(r"\b(?:either|dual|choose|choice|at your option|alternativ\w*)\b", re.IGNORECASE)
_PYTHON_CHARS = 4_000  # CWI's own, the one for examples, and a few words of who has taken it over
_RECORDS = {"RECORD": ".dist-info", "top_level.txt": ".egg-info"}


def is_interesting(path: str) -> bool:
    """Whether a file of a repository may say something of a licence: what `collect` is to be given the text of."""
    folder, _, name = path.rpartition("/")
    if _is_record(path) or _is_debian(path) or describes(name):
        return True
    return _is_text(folder, name) or (_NOTICE.fullmatch(name) is not None and not _NO_TEXT.fullmatch(name))


def collect(files: Iterable[tuple[str, str]]) -> Facts:
    """Returns what files of one repository say.

    Args:
        files: path inside the repository and text; those that are not `is_interesting` are passed over.
    """
    facts: Facts = {"statements": {}, "texts": {}}
    for path, text in sorted(files):
        statement = _statement(path, text)
        if statement is None:
            continue
        if statement["kind"] in _KEPT:
            text = text[:_MAX_TEXT_CHARS]
            statement["hash"] = hashlib.sha256(text.encode()).hexdigest()
            facts["texts"][statement["hash"]] = text
        facts["statements"][path] = _all_of(facts["statements"].get(path, []), [statement])
    return facts


def _all_of(one: list[dict[str, Any]], other: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The statements of both, each once, in an order of their own."""
    found = {json.dumps(statement, sort_keys=True): statement for statement in (*one, *other)}
    return [found[text] for text in sorted(found)]


def merge(one: Mapping[str, Mapping[str, Any]], other: Mapping[str, Mapping[str, Any]]) -> Facts:
    """Returns what both say, whatever their order; of two versions of one file, both are kept."""
    statements = dict(one["statements"])
    for path, found in other["statements"].items():
        statements[path] = _all_of(statements.get(path, []), found)
    texts = {**one["texts"], **other["texts"]}
    return {
        "statements": {path: statements[path] for path in sorted(statements)},
        "texts": {digest: texts[digest] for digest in sorted(texts)},
    }


def _statement(path: str, text: str) -> dict[str, Any] | None:
    folder, _, name = path.rpartition("/")
    if _is_debian(path):
        return {"kind": "debian", "covers": path[: -len(DEBIAN)].rstrip("/"), "licence": None, "stanzas": _debian(text)}
    if _is_record(path):
        return {"kind": "record", "covers": folder, "licence": None, "tops": _tops(folder, text)}
    if _is_text(folder, name):
        # Above that, it is a list of what a binary bundles: a licence is known by 0.3 MB/s.
        licence = (
            identified(text) or licence_of_words(text) or _of_python(text) if len(text) <= _MAX_TEXT_CHARS else None
        )
        short = licence is None and len(text) < _POINTER_CHARS
        return {
            "kind": "licence",
            "covers": _covered(folder),
            "licence": normalised(licence) if licence else None,
            "weighty": licence is None and WEIGHTY.search(text) is not None,
            "pointer": short,
            "choice": short and leaves_choice(text, []),
            "dual": licence is None and _DUAL.search(text) is not None,
        }
    if _NOTICE.fullmatch(name) and not _NO_TEXT.fullmatch(name):
        return {"kind": "notice", "covers": _covered(folder), "licence": None}
    words = said(name, text)
    if words is None:
        return None
    known = [licence_of_words(word) for word in words]
    licence = both(one for one in known if one) if all(known) else None
    return {"kind": "metadata", "covers": folder, "licence": licence, "words": "; ".join(words)}


def _of_text(text: str) -> str | None:
    return identified(text) or licence_of_words(text) or _of_python(text)


def _of_python(text: str) -> str | None:
    """Python's licence, which the classifier does not know as a whole: it tells its history, and of the GPL."""
    head, history, rest = text.partition("A. HISTORY OF THE SOFTWARE")
    _, last, tail = rest.partition("CWI LICENSE AGREEMENT FOR PYTHON")
    said_beside = f"{head}\n{tail}"
    is_it = history and last and len(said_beside) < _PYTHON_CHARS and WEIGHTY.search(said_beside) is None
    return "Python-2.0" if is_it else None


def _debian(text: str) -> list[list[Any]] | None:
    """Returns the patterns, words and licence of each paragraph; where the words are the maintainer's own, their text
    says which licence that is."""
    found, bodies = stanzas(text), texts(text)
    if found is None:
        return None
    return [[patterns, words, licence_of_words(words) or _of_body(bodies.get(words, ""))] for patterns, words in found]


def _of_body(text: str) -> str | None:
    licence = identified(text) if len(text) <= _MAX_TEXT_CHARS else None
    if licence is not None:
        return normalised(licence)
    notice = named(text)
    if notice is not None and notice.licence is not None:
        return notice.licence
    known = [licence_of_words(name) for name in common(text)]
    return both(one for one in known if one) if all(known) else None


def _covered(folder: str) -> str:
    """What a licence text speaks for: its folder; in LICENSES/, the one above."""
    parts = folder.split("/") if folder else []
    while parts and _FOLDER.fullmatch(parts[-1]):
        parts.pop()
    return "/".join(parts)


def _is_text(folder: str, name: str) -> bool:
    if _NO_TEXT.fullmatch(name) or _NOTICE.fullmatch(name):
        return False
    return is_licence(name) or (_FOLDER.fullmatch(folder.rpartition("/")[2]) and _OF_FOLDER.fullmatch(name)) is not None


def _is_debian(path: str) -> bool:
    return f"/{path}".endswith(f"/{DEBIAN}")


def _is_record(path: str) -> bool:
    folder, _, name = path.rpartition("/")
    return name in _RECORDS and folder.endswith(_RECORDS[name])


def _tops(folder: str, record: str) -> list[str]:
    """What was installed beside a dist-info or egg-info: the first parts of the paths in its list, as covered paths."""
    above = folder.rpartition("/")[0]
    tops = {line.partition(",")[0].strip().split("/")[0] for line in record.splitlines()}
    tops -= {folder.rpartition("/")[2], "..", "", "__pycache__", "bin"}
    tops |= {f"{top}.py" for top in tops if "." not in top}  # top_level.txt has modules without their suffix
    return sorted(f"{above}/{top}" if above else top for top in tops)
