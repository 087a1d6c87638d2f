"""What a package's own description says its licence is: pyproject.toml, setup.cfg, setup.py, PKG-INFO, package.json,
Cargo.toml, pom.xml. A description that says nothing is no statement, and the next folder upwards is asked.
"""

import configparser
import json
import re
import tomllib
from collections.abc import Callable, Iterable
from email.parser import HeaderParser
from typing import Any

_SETUP_PY = re.compile(r"""\blicen[sc]e\s*=\s*(["'])([^"'\n]{2,200})\1""")
_POM = re.compile(r"<license>.*?<name>\s*([^<]+?)\s*</name>.*?</license>", re.DOTALL)
_CLASSIFIER = re.compile(r"License\s*::\s*(.+)")
_APPROVED = "OSI Approved"
_MAX_WORDS = 200  # characters: more is the licence's text


def said(name: str, text: str) -> list[str] | None:
    """Returns the words that a package's description has for its licence, all of which hold; None where it has none.

    Args:
        name: of the file, without its folder.
        text: its content; what can't be read says nothing.
    """
    read = _READERS.get(name)
    if read is None:
        return None
    try:
        words = [word.strip() for word in read(text) if isinstance(word, str)]
    except (ValueError, configparser.Error, RecursionError):  # also of JSON and TOML: somebody's broken file
        return None
    return list(dict.fromkeys(word for word in words if word and len(word) <= _MAX_WORDS)) or None


def describes(name: str) -> bool:
    """Whether a file of that name is a package's description."""
    return name in _READERS


def _classifiers(lines: Iterable[Any]) -> list[str]:
    """`License :: OSI Approved :: MIT License` → "MIT License"; more of them than one are all meant."""
    found = []
    for line in lines:
        match = _CLASSIFIER.fullmatch(line.strip()) if isinstance(line, str) else None
        if match and (words := match[1].split("::")[-1].strip()) != _APPROVED:
            found.append(words)
    return found


def _or_classifiers(licence: Any, classifiers: Iterable[Any]) -> list[str]:
    """A licence field says more than classifiers, which know families ("BSD License"); "UNKNOWN" is setuptools'."""
    if isinstance(licence, str) and licence.strip() and len(licence) <= _MAX_WORDS and licence.strip() != "UNKNOWN":
        return [licence]
    return _classifiers(classifiers)


def _table(value: Any, *keys: str) -> Any:
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _pyproject(text: str) -> list[Any]:
    data = tomllib.loads(text)
    project, poetry = _table(data, "project") or {}, _table(data, "tool", "poetry") or {}
    licence = _table(project, "license")
    licence = _table(licence, "text") if isinstance(licence, dict) else licence
    classifiers = _table(project, "classifiers") or _table(poetry, "classifiers")
    return _or_classifiers(licence or _table(poetry, "license"), classifiers if isinstance(classifiers, list) else [])


def _setup_cfg(text: str) -> list[Any]:
    parser = configparser.RawConfigParser(strict=False)
    parser.read_string(text)
    if not parser.has_section("metadata"):
        return []
    section = parser["metadata"]
    licence = section.get("license") or section.get("licence")
    return _or_classifiers(licence, (section.get("classifiers") or section.get("classifier") or "").splitlines())


def _setup_py(text: str) -> list[Any]:
    match = _SETUP_PY.search(text)
    found = re.findall(r"""["'](License\s*::[^"'\n]+)["']""", text)
    return _or_classifiers(match[2] if match else None, found)


def _core_metadata(text: str) -> list[Any]:
    head = HeaderParser().parsestr(text, headersonly=True)
    expression = head.get("License-Expression")
    return [expression] if expression else _or_classifiers(head.get("License"), head.get_all("Classifier") or [])


def _package_json(text: str) -> list[Any]:
    data = json.loads(text)
    licence, several = _table(data, "license"), _table(data, "licenses")
    if isinstance(licence, dict):
        licence = licence.get("type")
    if isinstance(licence, str):
        return [] if licence.upper().startswith("SEE LICENSE IN") else [licence]
    if isinstance(several, list):  # npm's old form: one may choose
        types = [each.get("type") if isinstance(each, dict) else each for each in several]
        return [" OR ".join(f"({each})" if " " in each else each for each in types if isinstance(each, str) and each)]
    return []


def _cargo(text: str) -> list[Any]:
    data = tomllib.loads(text)
    return [_table(data, "package", "license") or _table(data, "workspace", "package", "license")]


def _pom(text: str) -> list[Any]:
    # No XML parser: an attacker's entities are not worth a licence. A project's dependencies have no <license>.
    return _POM.findall(text)


_READERS: dict[str, Callable[[str], list[Any]]] = {
    "pyproject.toml": _pyproject,
    "setup.cfg": _setup_cfg,
    "setup.py": _setup_py,
    "PKG-INFO": _core_metadata,
    "METADATA": _core_metadata,
    "package.json": _package_json,
    "Cargo.toml": _cargo,
    "pom.xml": _pom,
}
