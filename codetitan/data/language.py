"""Which language a document is written in: a fixed list of names, told by the file name and, where that is not enough,
by the first `HEAD_BYTES` of the content.

CUDA is a language of its own (`.cu`, `.cuh`): The Stack counts it so. JSX is JavaScript and TSX is TypeScript; Cython
and stubs are Python; SCSS, Sass and Less are CSS; Scheme, Racket and the Lisps are "lisp".
"""

import io
import re
from functools import lru_cache

from identify import identify

LANGUAGES: tuple[str, ...] = (
    "other",
    "python", "javascript", "typescript", "java", "go", "rust", "c", "c++", "c#", "ruby", "php", "shell", "sql", "html",
    "css", "json", "yaml", "markdown", "toml", "xml", "text", "restructuredtext", "tex", "jupyter", "cuda", "kotlin",
    "swift", "scala", "dart", "lua", "perl", "r", "julia", "haskell", "ocaml", "f#", "elixir", "erlang", "clojure",
    "lisp", "groovy", "objective-c", "visual-basic", "pascal", "fortran", "assembly", "verilog", "vhdl", "matlab",
    "powershell", "batchfile", "makefile", "cmake", "dockerfile", "hcl", "protobuf", "graphql", "solidity", "zig",
    "vue", "svelte",
)  # fmt: skip
"""The names, "other" first; an index into them fits six bits."""

OTHER = 0
INDEX = {name: index for index, name in enumerate(LANGUAGES)}

HEAD_BYTES = 16384
"""How much of a file is looked at: beyond the licence and the include guard of a header."""

# A tag of `identify` → a name, for the tags that are not names themselves.
_TAGS = {
    "jupyter": "jupyter", "cmake": "cmake", "objective-c++": "objective-c", "tsx": "typescript", "ts": "typescript",
    "jsx": "javascript", "pyi": "python", "cython": "python", "pyz": "python", "wsgi": "python", "scons": "python",
    "sbt": "scala", "jenkins": "groovy", "scheme": "lisp", "clojurescript": "clojure", "literate-haskell": "haskell",
    "c#script": "c#", "f#script": "f#", "vb": "visual-basic", "asm": "assembly", "system-verilog": "verilog",
    "proto": "protobuf", "terraform": "hcl", "scss": "css", "sass": "css", "less": "css", "xhtml": "html",
    "batch": "batchfile", "bash": "shell", "zsh": "shell", "fish": "shell", "csh": "shell", "ash": "shell",
    "dash": "shell", "ksh": "shell", "tcsh": "shell", "sh": "shell", "bats": "shell", "luau": "lua", "rst":
    "restructuredtext", "json5": "json", "mdx": "markdown",
}  # fmt: skip
# What stands low has a neighbour that says more: go.mod is text too, a .vue file HTML, Cargo.lock TOML.
_ORDER = [*_TAGS, *(name for name in LANGUAGES[1:] if name not in ("html", "json", "xml", "toml", "text"))]
_ORDER += ["html", "json", "xml", "toml", "text", "plain-text"]
_EXTENSIONS = {
    "el": "lisp", "lisp": "lisp", "lsp": "lisp", "rkt": "lisp", "cbl": "other", "mlx": "matlab", "f": "fortran",
    "for": "fortran", "f77": "fortran", "cts": "typescript", "mts": "typescript",
}  # fmt: skip

# What stores write, letter case and separators aside, beside the names and the tags.
_ALIASES = {
    "py": "python", "python2": "python", "python3": "python", "pyx": "python", "js": "javascript", "node": "javascript",
    "nodejs": "javascript", "ecmascript": "javascript", "mjs": "javascript", "golang": "go", "rs": "rust",
    "cpp": "c++", "cxx": "c++", "cc": "c++", "cplusplus": "c++", "hpp": "c++", "csharp": "c#", "cs": "c#",
    "rb": "ruby", "php7": "php", "php8": "php", "shellscript": "shell", "unixshell": "shell", "plsql": "sql",
    "plpgsql": "sql", "tsql": "sql", "sqlpl": "sql", "mysql": "sql", "html5": "html", "css3": "css", "yml": "yaml",
    "md": "markdown", "rmarkdown": "markdown", "svg": "xml", "xslt": "xml", "xsd": "xml", "txt": "text",
    "plaintext": "text", "latex": "tex", "jupyternotebook": "jupyter", "ipynb": "jupyter", "cu": "cuda", "kt": "kotlin",
    "pl": "perl", "rlang": "r", "jl": "julia", "hs": "haskell", "fsharp": "f#", "ex": "elixir", "erl": "erlang",
    "clj": "clojure", "commonlisp": "lisp", "emacslisp": "lisp", "elisp": "lisp", "racket": "lisp",
    "objc": "objective-c", "objectivec++": "objective-c", "objectivecpp": "objective-c",
    "visualbasicnet": "visual-basic", "vbnet": "visual-basic", "vba": "visual-basic", "delphi": "pascal",
    "f90": "fortran", "fortranfreeform": "fortran", "unixassembly": "assembly", "gas": "assembly", "nasm": "assembly",
    "bat": "batchfile", "make": "makefile", "docker": "dockerfile", "protocolbuffer": "protobuf",
    "protocolbuffers": "protobuf", "gql": "graphql", "sol": "solidity", "pwsh": "powershell", "ps1": "powershell",
}  # fmt: skip

_CPP = re.compile(
    rb"^[ \t]*(?:class\s+\w[^;(]*[{:;]|namespace\s+[\w:]*\s*\{|namespace\s*$|template\s*<"
    rb"|using\s+(?:namespace\s|\w+\s*=)"
    rb"|(?:public|private|protected)\s*:|#\s*include\s*<(?:[a-z_]+|c(?:std\w+|math))>)"
    rb"|\bstd::|\bconstexpr\b|\bnullptr\b|\bvirtual\s",
    re.MULTILINE,
)
_OBJECTIVE_C = re.compile(
    rb"^[ \t]*(?:@(?:interface|protocol|implementation|class|import)\b|#\s*import\s)", re.MULTILINE
)
_MATLAB = re.compile(rb"^\s*(?:%|function\b|classdef\b|clear\b|close all\b|clc\b|end\s*$)", re.MULTILINE)


def language_by_name(path: str) -> str | None:
    """Returns the language that a file name tells; None where only the content can."""
    name = path.rpartition("/")[2]
    extension = name.rpartition(".")[2].lower() if "." in name else ""
    if extension in ("h", "m"):
        return None
    if extension in _EXTENSIONS:
        return _EXTENSIONS[extension]
    tags = identify.tags_from_filename(name)
    for tag in _ORDER:
        if tag in tags:
            return "text" if tag == "plain-text" else _TAGS.get(tag, tag)
    return "other" if tags else None


def language_of(path: str, head: str | bytes = "") -> str:
    """Returns the language of a file, one of LANGUAGES.

    Args:
        path: its name or path; "" where it has none.
        head: its content, or at least the first `HEAD_BYTES` of it.
    """
    by_name = language_by_name(path)
    if by_name is not None:
        return by_name
    if isinstance(head, str):
        head = head[:HEAD_BYTES].encode("utf-8", "surrogatepass")
    head = head.removeprefix(b"\xef\xbb\xbf")[:HEAD_BYTES]
    if path.lower().endswith(".h"):
        return "objective-c" if _OBJECTIVE_C.search(head) else "c++" if _CPP.search(head) else "c"
    if path.lower().endswith(".m"):
        return "matlab" if _MATLAB.search(head) and not _OBJECTIVE_C.search(head) else "objective-c"
    if head.startswith(b"#!"):
        return _of_shebang(head)
    return "other"


def _of_shebang(head: bytes) -> str:
    command = identify.parse_shebang(io.BytesIO(head))
    # `env VAR=x python3 -u` names its interpreter after the assignments.
    words = [word for word in command if not word.startswith("-") and "=" not in word]
    tags = identify.tags_from_interpreter(words[0]) if words else set()
    return next((_TAGS.get(tag, tag) for tag in _ORDER if tag in tags), "other")


@lru_cache(maxsize=4096)
def canonical_language(word: str) -> str:
    """Returns the name in LANGUAGES for what a store writes (`C#`, `csharp`, `Jupyter Notebook`), else "other"."""
    return _WORDS.get(_plain(word), "other")


def _plain(word: str) -> str:
    return re.sub(r"[\s_./-]+", "", word.lower())


_WORDS = {
    _plain(word): name for word, name in [*_TAGS.items(), *_ALIASES.items(), *((name, name) for name in LANGUAGES)]
}
