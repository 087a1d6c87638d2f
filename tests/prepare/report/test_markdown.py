"""The report's numbers are those that were counted."""

from codetitan.prepare.counts import Tree, add, size_class
from codetitan.prepare.report.markdown import markdown, megabytes
from codetitan.prepare.report.tally import Tally


def tree() -> Tree:
    found: Tree = {}
    for i in range(100):
        n, language = 1000 * i, "python" if i % 2 else "c"
        add(found, n, "read")
        add(found, n, "languages", language, "read")
        add(found, n, "licences", "MIT" if i % 3 else "", "read")
        add(found, n, "sizes", "read", size_class(n))
        if i < 30:
            add(found, n, "dropped", "paths", "vendored" if i % 2 else "a|b")
            add(found, n, "alone", "paths")
            continue
        add(found, n, "kept")
        add(found, n, "languages", language, "kept")
        add(found, n, "licences", "MIT" if i % 3 else "", "kept")
        add(found, n, "sizes", "kept", size_class(n))
    add(found, 0, "unread", "not UTF-8", files=3)
    add(found, 2, "changed", "secrets", "e-mail", files=5)
    return found


def test_tables() -> None:
    text = markdown(Tally(tree()), "Corpus")
    assert "100 files read, 5.0 MB; 70 kept, 4.5 MB (91.2 % of the bytes)." in text
    assert "| **paths** | 30 | 435.0 kB | 8.8 % | 30 | 435.0 kB |" in text
    assert "| vendored | 15 | 225.0 kB | 4.5 % |  |  |" in text and "| a\\|b | 15 | 210.0 kB |" in text
    assert "| not UTF-8 | 3 |" in text and "| secrets: e-mail | 5 | 2 |" in text
    assert "| python | 50 | 2.5 MB | 35 | 2.3 MB | 91.0 % |" in text
    assert "| none | 34 |" in text  # no licence
    assert "By document" not in text


def test_documents_that_are_no_files() -> None:
    found = tree()
    add(found, 1000, "documents", "issue", "read", files=4)
    add(found, 1000, "documents", "file", "kept", files=2)
    text = markdown(Tally(found), "Corpus")
    assert "## By document" in text and "| issue | 4 | 1.0 kB | 0 | 0 B | 0.0 % |" in text


def test_many_languages_are_one_row() -> None:
    found: Tree = {}
    for i in range(100):
        add(found, 100 - i, "languages", f"language-{i:02}", "read")
    text = markdown(Tally(found), "Corpus")
    assert "| language-39 |" in text and "| language-40 |" not in text
    assert f"| 60 more | 60 | {megabytes(sum(range(1, 61)))} | 0 | 0 B | 0.0 % |" in text


def test_names_are_anybodys() -> None:
    found: Tree = {}
    for name in ("MIT\n# a head", "a\\|b", "<img src=x>"):
        add(found, 1, "licences", name, "read")
    lines = markdown(Tally(found), "Corpus").splitlines()
    assert "| MIT\\\\n# a head | 1 | 1 B | 0 | 0 B | 0.0 % |" in lines
    assert (
        "| a\\\\\\|b | 1 | 1 B | 0 | 0 B | 0.0 % |" in lines
        and "| &lt;img src=x> | 1 | 1 B | 0 | 0 B | 0.0 % |" in lines
    )
