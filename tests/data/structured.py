"""Structured documents as the papers lay them out, in a notation of their own: text with sentinels in it."""

import json
import random
import re
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from codetitan.data.document import Document
from codetitan.data.structure import KINDS, Parts, to_json

_SENTINEL = re.compile(f"<({'|'.join(KINDS)})>")

# The layouts of StarCoder (arXiv 2305.06161, §5.1) and StarCoder2 (2402.19173, §5), with texts of our own.
LAYOUTS = {
    "issue": (
        "<issue_start>Title: Crash on an empty list\nusername_0: `first([])` raises.\r\n\r\n```\nIndexError\n```\n"
        "<issue_comment>username_1: Which version? 中文 😀<issue_comment>username_0: 0.3.1<issue_closed>"
    ),
    "commit": (
        "<commit_before>def first(xs):\n    return xs[0]\n<commit_msg>Return None for an empty list"
        "<commit_after>def first(xs):\n    return xs[0] if xs else None\n"
    ),
    "new file": "<commit_before><commit_msg>Add a.py<commit_after>x = 1\n",
    "notebook": (
        "<jupyter_start><jupyter_text># Squares\nOf small numbers.<jupyter_code>squares = [x**2 for x in range(3)]\n"
        "squares<jupyter_output>[0, 1, 4]<jupyter_code>import os<jupyter_output><empty_output>"
        "<jupyter_text>Done.<jupyter_code>print(sum(squares))<jupyter_output>5"
    ),
    "script": "<jupyter_script># %% [markdown]\n# Squares\nsquares = [x**2 for x in range(3)]\n",
    "representation": "int f() { return 1; }<code_to_intermediate>define i32 @f() {\n  ret i32 1\n}\n",
    "pull request": (
        "<pr>Title: Empty lists\nusername_0: Closes #1<pr_status>opened<pr_is_merged>True<pr_base><pr_file>a.py"
        "<pr_base_code>def first(xs):\n    return xs[0]\n<pr_diff><pr_file>a.py<pr_diff_hunk>@@ -2 +2 @@\n"
        "-    return xs[0]\n+    return xs[0] if xs else None\n<pr_comment>username_1: Good.<pr_event_id>7<pr_review>"
        "username_1: A word<pr_event_id>9<pr_review_state>approved<pr_review_comment><pr_event_id>10"
        "<pr_in_reply_to_review_id>9<pr_in_reply_to_comment_id>8<pr_file>a.py<pr_diff_hunk_comment_line>2"
        "<pr_diff_hunk>+    return xs[0] if xs else None<pr_comment>username_1: `next(iter(xs), None)`?"
    ),
}


def structured(layout: str, path: str = "1", **fields: Any) -> Document:
    """The document of a layout."""
    head, *rest = _SENTINEL.split(layout)
    parts = [*([("", head)] if head else []), *zip(rest[::2], rest[1::2], strict=True)]
    text = "".join(part for _, part in parts)
    return Document("s", path, text, parts=tuple((kind, len(part)) for kind, part in parts), **fields)


def made(text: str, seed: int, kinds: Sequence[str] = KINDS) -> Document:
    """A real file cut anywhere into parts of random kinds, some of them empty."""
    draw = random.Random(seed)
    cuts = sorted(draw.randrange(len(text) + 1) for _ in range(draw.randrange(12)))
    cuts += cuts[:1]  # an empty part
    bounds = [0, *sorted(cuts), len(text)]
    parts: Parts = tuple((draw.choice(kinds), b - a) for a, b in pairwise(bounds))
    return Document("s", f"{seed}", text, "o/r", "python", parts=parts)


def written(documents: Sequence[Document], file: Path) -> Path:
    """Writes documents as JSON Lines."""
    records = [
        {"content": d.text, "path": d.path, "repo": d.repo, "language": d.language, "document_parts": to_json(d.parts)}
        for d in documents
    ]
    file.write_text("".join(json.dumps(record) + "\n" for record in records))
    return file
