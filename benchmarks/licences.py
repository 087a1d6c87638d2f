"""Licence texts that are known, and how long that takes: ours beside `identify` and `licenseclassifier` by itself.

    python benchmarks/licences.py FOLDER…

reads every licence file below the folders (such as site-packages, unpacked sdists and npm tarballs), each text once,
and prints what each of the three makes of it, where they are not the same. `pip install identify[license]` has what
`identify` needs. Where a package says what its licence is (`License-Expression` of a wheel, "license" of a
package.json), the one text beside that is held against it.
"""

import json
import re
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from identify import identify
from licenseclassifier import identify_license

from codetitan.data.sources.licences import licence_of_text
from codetitan.data.sources.repository import is_licence

_NO_TEXTS = {".pyc", ".pyi", ".so", ".h", ".mjs", ".css", ".map"}


def _by_identify(path: Path, _: str) -> str | None:
    try:
        return identify.license_id(str(path))
    except UnicodeDecodeError:
        return None


def _by_classifier(_: Path, text: str) -> str | None:
    return " AND ".join(dict.fromkeys(match.id for match in identify_license(text))) or None


WAYS: dict[str, Callable[[Path, str], str | None]] = {
    "identify": _by_identify,
    "licenseclassifier": _by_classifier,
    "codetitan": lambda _, text: licence_of_text(text),
}


def declared(path: Path) -> str | None:
    """Returns what the package of a licence file says its licence is; None where it says nothing."""
    package = path.parent / "package.json"
    if package.is_file():
        said = json.loads(package.read_bytes()).get("license")
        return said if isinstance(said, str) else None
    for folder in path.parents[:2]:
        if folder.name.endswith(".dist-info") and (folder / "METADATA").is_file():
            match = re.search(r"^License-Expression: (.*)$", (folder / "METADATA").read_text("utf-8"), re.MULTILINE)
            return match[1].strip() if match else None
    return None


def main(folders: list[str]) -> None:
    texts: dict[str, Path] = {}
    for folder in folders:
        for path in sorted(Path(folder).rglob("*")):
            if path.is_file() and is_licence(path.name) and path.suffix not in _NO_TEXTS:
                texts.setdefault(path.read_bytes()[:100_000].decode("utf-8", "replace"), path)
    seconds, known, right, wrong = Counter[str](), Counter[str](), Counter[str](), Counter[str]()
    for text, path in texts.items():
        found = {}
        for name, way in WAYS.items():
            start = time.perf_counter()
            found[name] = way(path, text)
            seconds[name] += time.perf_counter() - start  # type: ignore[assignment]
            known[name] += found[name] is not None
        alone = sum(is_licence(other.name) for other in path.parent.iterdir()) == 1
        said = declared(path) if alone else None
        for name, one in found.items():
            if said and one:
                (right if one == said else wrong)[name] += 1
        if len(set(found.values())) > 1 or (said and found["codetitan"] not in (said, None)):
            print(f"{path}: {found}" + (f", declared {said}" if said else ""))
    for name in WAYS:
        each_ms = 1000 * seconds[name] / len(texts)
        print(f"{name:18} {known[name]:4} of {len(texts)} known, {each_ms:5.1f} ms each, {right[name]} as declared, "
              f"{wrong[name]} not")  # fmt: skip


if __name__ == "__main__":
    main(sys.argv[1:])
