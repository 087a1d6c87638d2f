"""What a package's own description says its licence is: pyproject.toml, setup.cfg, setup.py, PKG-INFO, package.json,
composer.json, Cargo.toml, pom.xml, *.gemspec. A description that says nothing is no statement, and the next folder
upwards is asked.
"""

import configparser
import json
import re
import tomllib
from collections.abc import Callable, Iterable
from email.parser import HeaderParser
from typing import Any

_SETUP_PY = re.compile(r"""\blicen[sc]e\s*=\s*(["'])([^"'\n]{2,200})\1""")
_POM_NAME = re.compile(r"<name>([^<]*)</name>")
_GEMSPEC = re.compile(r"""\.licenses?\s*=\s*(\[[^\]\n]*\]|["'][^"'\n]*["'])""")
_CLASSIFIER = re.compile(r"License\s*::\s*(.+)")
_APPROVED = "OSI Approved"
_MAX_WORDS = 200  # characters: more is the licence's text
_MOST = 100_000  # characters of a description that is read: tomllib takes a minute for 300 kB of "0.0.0.0."


def said(name: str, text: str) -> list[str] | None:
    """Returns the words that a package's description has for its licence, all of which hold; None where it has none.

    Args:
        name: of the file, without its folder.
        text: its content; what can't be read says nothing.
    """
    read = _reader(name)
    if read is None or (len(text) > _MOST and read in _SLOW):
        return None
    try:
        words = [word.strip() for word in read(text) if isinstance(word, str)]
    except (ValueError, configparser.Error, RecursionError):  # also of JSON and TOML: somebody's broken file
        return None
    return list(dict.fromkeys(word for word in words if word and len(word) <= _MAX_WORDS)) or None


def describes(name: str) -> bool:
    """Whether a file of that name is a package's description."""
    return _reader(name) is not None


def _reader(name: str) -> "Callable[[str], list[Any]] | None":
    return _READERS.get(name) or (_gemspec if name.endswith(".gemspec") else None)


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
    head = HeaderParser().parsestr(text.replace("\r\n", "\n").partition("\n\n")[0][:_MOST], headersonly=True)
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
        return [_any([each.get("type") if isinstance(each, dict) else each for each in several])]
    return []


def _cargo(text: str) -> list[Any]:
    data = tomllib.loads(text)
    return [_table(data, "package", "license") or _table(data, "workspace", "package", "license")]


def _pom(text: str) -> list[Any]:
    # No XML parser: an attacker's entities are not worth a licence. A project's dependencies have no <license>.
    parts = (part.partition("</license>")[0] for part in text.split("<license>")[1:])
    return [found[1].strip() for part in parts if (found := _POM_NAME.search(part))]


def _composer(text: str) -> list[Any]:
    licence = _table(json.loads(text), "license")
    if isinstance(licence, list):  # of which one may be chosen (https://getcomposer.org/doc/04-schema.md#license)
        return [_any(licence)]
    return [licence]


def _gemspec(text: str) -> list[Any]:
    """`spec.license = "MIT"`, `spec.licenses = ["MIT", "Ruby"]`, of which one may be chosen."""
    found = [re.findall(r"""["']([^"'\n]+)["']""", words) for words in _GEMSPEC.findall(text)]
    return [_any(each) for each in found if each]


def _any(names: list[Any]) -> str:
    return " OR ".join(f"({name})" if " " in name else name for name in names if isinstance(name, str) and name)


_READERS: dict[str, Callable[[str], list[Any]]] = {
    "pyproject.toml": _pyproject,
    "setup.cfg": _setup_cfg,
    "setup.py": _setup_py,
    "PKG-INFO": _core_metadata,
    "METADATA": _core_metadata,
    "package.json": _package_json,
    "composer.json": _composer,
    "Cargo.toml": _cargo,
    "pom.xml": _pom,
}
_SLOW = (_pyproject, _setup_cfg, _cargo)
