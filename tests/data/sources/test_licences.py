"""Which licence a text is; a wrong name is worse than none."""

import re
from pathlib import Path

import pytest
from identify.vendor.licenses import LICENSES

from codetitan.data.sources.licences import licence_of_text
from codetitan.data.sources.repository import licence
from tests.conftest import REPOSITORY

TEXTS = dict(LICENSES)
MIT = TEXTS["MIT"]
NO_TITLE = MIT[MIT.index("Copyright") :]
NOTICE = "The above copyright notice"
GRANT, WARRANTY = NO_TITLE[: NO_TITLE.index(NOTICE)], NO_TITLE[NO_TITLE.index("THE SOFTWARE") :]
APACHE = TEXTS["Apache-2.0"]
TEXTS["MIT-0"] = GRANT.replace(", subject to the following\nconditions", "").replace(":\n", ".\n") + WARRANTY
TEXTS["BSD-4-Clause"] = TEXTS["BSD-3-Clause"].replace(
    "3. Neither",
    """3. All advertising materials mentioning features or
   use of this software must display the following acknowledgement: This product includes software developed by the
   organization.

4. Neither""",
)
COMMONS_CLAUSE = """"Commons Clause" License Condition v1.0

The Software is provided to you by the Licensor under the License, as defined below, subject to the following
condition. Without limiting other conditions in the License, the grant of rights under the License will not include,
and the License does not grant to you, the right to Sell the Software."""
FORTY = "".join(f"Copyright (c) 19{i} Somebody Else. All rights reserved.\n" for i in range(50, 90))
LODASH = f"""Based on Underscore.js, {NO_TITLE}
====

Copyright and related rights for sample code are waived via CC0. Sample
code is defined as all source code displayed within the prose of the
documentation.

CC0: http://creativecommons.org/publicdomain/zero/1.0/

====

Files located in the node_modules and vendor directories are externally
maintained libraries used by this software which have their own
licenses; we recommend you read them, as their terms may differ from the
terms above.
"""
LLVM = f"""{APACHE}

---- LLVM Exceptions to the Apache 2.0 License ----

As an exception, if portions are embedded, you may redistribute such embedded portions.
"""


@pytest.mark.parametrize(
    "name",
    ["MIT", "MIT-0", "BSD-2-Clause", "BSD-3-Clause", "BSD-4-Clause", "0BSD", "ISC", "Apache-2.0", "MPL-2.0",
     "Unlicense", "GPL-2.0", "GPL-3.0", "LGPL-2.1", "LGPL-3.0", "AGPL-3.0", "BSL-1.0", "CC0-1.0", "Zlib", "EPL-2.0",
     "CC-BY-4.0"],
)  # fmt: skip
def test_its_own_text(name: str) -> None:
    text = TEXTS[name]
    for form in (text, text.replace("\n", "\r\n"), "\ufeff" + text, re.sub(r"(?<=\S)\n(?=\S)", " ", text)):
        assert licence_of_text(form) == name


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (NO_TITLE, "MIT"),
        (NO_TITLE[NO_TITLE.index("Permission") :], "MIT"),
        (APACHE[: APACHE.index("APPENDIX: How to apply")], "Apache-2.0"),
        (f"# Licence\n\n{MIT}", "MIT"),
        (FORTY + NO_TITLE, "MIT"),
        ("From here:\n\n" + "All contributions by others:\nCopyright 1999 They\n\n" * 12 + NO_TITLE, "MIT"),
        (LODASH, "MIT"),
        (f"Parts are as follows.\n\n{MIT}\n\n{TEXTS['ISC']}", "MIT AND ISC"),
        # A condition more, or a choice: another licence, and not ours to name.
        (f"{COMMONS_CLAUSE}\n\n{MIT}", None),
        (f"{APACHE}\n\n{COMMONS_CLAUSE}", None),
        (f"{MIT}\nThe Software may not be used by those who live in towns.\n", None),
        (f"{MIT}\nThis is free for non-commercial use.\n", None),
        (f"You may choose either of these.\n\n{MIT}\n\n{TEXTS['ISC']}", None),
        (LLVM, None),
        # No licence, or less of one.
        ("", None),
        ("MIT", None),
        ("This project is released under the MIT license.", None),
        ("Copyright (c) 2020 A Person. All rights reserved.", None),
        ("Do what I say. " * 100 + NO_TITLE, None),
        (GRANT, None),
        (NO_TITLE.replace("without restriction", "with restrictions"), None),
    ],
)  # fmt: skip
def test_texts_as_people_keep_them(text: str, name: str | None) -> None:
    assert licence_of_text(text) == name


def test_files_beside_each_other(tmp_path: Path) -> None:
    files = {
        "LICENSE-MIT": MIT, "LICENSE.APACHE": APACHE, "LICENSE.own": "mine",
        "COPYING": (REPOSITORY / "LICENSE").read_text(),
        "LICENSE": "Under the terms of *either* of the licenses found in LICENSE-MIT or LICENSE.APACHE.",
        "LICENCE": "Ask me. See LICENSE-MIT.", "UNLICENSE": "\xa9 \xff",
    }  # fmt: skip
    for name, text in files.items():
        (tmp_path / name).write_bytes(text.encode("latin-1", "replace"))
    assert licence(tmp_path, ["LICENSE-MIT", "LICENSE.APACHE"]) == "MIT OR Apache-2.0"
    assert licence(tmp_path, ["LICENSE", "LICENSE-MIT", "LICENSE.APACHE"]) == "MIT OR Apache-2.0"
    assert licence(tmp_path, ["LICENSE", "LICENSE-MIT", "LICENSE.own"]) is None
    assert licence(tmp_path, ["LICENSE-MIT", "LICENSE.own"]) is None  # a choice with something that nobody knows
    assert licence(tmp_path, ["LICENCE", "LICENSE-MIT"]) is None
    assert licence(tmp_path, ["COPYING", "LICENSE-MIT"]) == "BSD-3-Clause"
    assert licence(tmp_path, ["UNLICENSE"]) is None and licence(tmp_path, ["LICENSE.gone"]) is None
