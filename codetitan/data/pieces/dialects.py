"""Token families as data: the sentinels of fill-in-the-middle and how a document with its metadata is laid out.

A template such as `<reponame>{}` is a sentinel, or plain text, around a field. Sentinels are ids (contract 5): they are
looked up in the tokenizer, or appended behind its ids, and never come from encoding text.

The sentinels of structure (issues, commits, notebooks, pull requests) are StarCoder's and StarCoder2's in every
dialect: the others' papers name none. Where a tokenizer lacks them they are appended behind the dialect's, but only if
that is asked for: they make the vocabulary larger.

Sources: StarCoder (arXiv 2305.06161, §3 and §5.1), StarCoder2 (2402.19173, §5), Qwen2.5-Coder (2409.12186, §3),
DeepSeek-Coder (2401.14196, §2 and §3.1; paths as comments in its repository-level completion), CodeLlama (2308.12950,
§2.3).
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from codetitan.data.structure import HEAD, KINDS, sentinel_of
from codetitan.errors import ConfigError
from codetitan.tokenizer.encoding import Encoding

STRUCTURED = "tokenizer.structured_documents"
"""The key that has sentinels of structure appended."""

_NONE = -1


@dataclass(frozen=True, kw_only=True)
class Dialect:
    """A token family.

    Attributes:
        name: as it stands in a configuration.
        fim_prefix, fim_suffix, fim_middle: sentinels before each part of a document with a hole.
        end: sentinel that ends a document.
        fim_end: sentinel that ends a middle; None: `end`.
        pad: sentinel that fills a sample; None: `end`.
        repo, path, stars: templates of the header's fields; None where the dialect has none.
        no_path: stands where the path is not drawn.
        header_end: text after the fields, if any was drawn.
        repository_level: whether several files of a repository may follow one `repo`, each with its `path`.
        of_new_tokenizers: the sentinels that `codetitan tokenizer train` gives the first ids; (): those in use.
    """

    name: str
    fim_prefix: str
    fim_suffix: str
    fim_middle: str
    end: str = "<|endoftext|>"
    fim_end: str | None = None
    pad: str | None = None
    repo: str | None = None
    path: str | None = None
    stars: str | None = None
    no_path: str = ""
    header_end: str = ""
    repository_level: bool = False
    of_new_tokenizers: tuple[str, ...] = ()

    def sentinels(self) -> list[str]:
        """Returns every sentinel, each once, in a fixed order."""
        fields = [self.end, self.fim_prefix, self.fim_middle, self.fim_suffix, self.fim_end, self.pad, self.no_path]
        # A template that begins with a sentinel begins with "<" (of whatever alphabet); "#{}" is text.
        fields += [t.partition("{}")[0] for t in (self.repo, self.path, self.stars) if t and t.startswith("<")]
        return list(dict.fromkeys(field for field in fields if field))


# StarCoder's, in the order of its ids, 0 to 18 (tokenizer.json of bigcode/starcoder).
_STARCODER = (
    "<|endoftext|>",
    "<fim_prefix>",
    "<fim_middle>",
    "<fim_suffix>",
    "<fim_pad>",
    "<filename>",
    "<gh_stars>",
    "<issue_start>",
    "<issue_comment>",
    "<issue_closed>",
    "<jupyter_start>",
    "<jupyter_text>",
    "<jupyter_code>",
    "<jupyter_output>",
    "<empty_output>",
    "<commit_before>",
    "<commit_msg>",
    "<commit_after>",
    "<reponame>",
)

DIALECTS = {
    dialect.name: dialect
    for dialect in (
        Dialect(
            name="starcoder",
            fim_prefix="<fim_prefix>",
            fim_suffix="<fim_suffix>",
            fim_middle="<fim_middle>",
            pad="<fim_pad>",
            repo="<reponame>{}",
            path="<filename>{}",
            stars="<gh_stars>{}",
            header_end="\n",
            of_new_tokenizers=_STARCODER,
        ),
        Dialect(
            name="starcoder2",
            fim_prefix="<fim_prefix>",
            fim_suffix="<fim_suffix>",
            fim_middle="<fim_middle>",
            pad="<fim_pad>",
            repo="<repo_name>{}",
            path="<file_sep>{}\n",
            no_path="<file_sep>",
            repository_level=True,
        ),
        Dialect(
            name="qwen2.5-coder",
            fim_prefix="<|fim_prefix|>",
            fim_suffix="<|fim_suffix|>",
            fim_middle="<|fim_middle|>",
            pad="<|fim_pad|>",
            repo="<|repo_name|>{}\n",
            path="<|file_sep|>{}\n",
            repository_level=True,
        ),
        Dialect(
            name="deepseek-coder",
            fim_prefix="<｜fim▁begin｜>",
            fim_suffix="<｜fim▁hole｜>",
            fim_middle="<｜fim▁end｜>",
            end="<｜end▁of▁sentence｜>",
            path="#{}\n",
            repository_level=True,
        ),
        Dialect(
            name="codellama",
            fim_prefix="▁<PRE>",
            fim_suffix="▁<SUF>",
            fim_middle="▁<MID>",
            fim_end="▁<EOT>",
            end="</s>",
        ),
    )
}


@dataclass(frozen=True)
class Sentinels:
    """A dialect in the ids of a tokenizer.

    Attributes:
        dialect: the family.
        ids: sentinel → id, of the dialect's.
        appended: the dialect's sentinels that the tokenizer lacks; their ids follow its own.
        vocab_size: ids in all, rounded up to a multiple of 128.
        structure: kind of part → id of its sentinel, of those that the tokenizer has or that were appended.
        appended_kinds: the kinds whose sentinels were appended; their ids follow those of `appended`.
    """

    dialect: Dialect
    ids: dict[str, int]
    appended: tuple[str, ...]
    vocab_size: int
    structure: dict[str, int] = field(default_factory=dict)
    appended_kinds: tuple[str, ...] = ()

    @property
    def end(self) -> int:
        """Id that ends a document."""
        return self.ids[self.dialect.end]

    @property
    def fim_end(self) -> int:
        """Id that ends a middle."""
        return self.ids[self.dialect.fim_end or self.dialect.end]

    @property
    def pad(self) -> int:
        """Id that fills a sample."""
        return self.ids[self.dialect.pad or self.dialect.end]

    @property
    def new(self) -> dict[str, int]:
        """Sentinel → id, of all that the tokenizer lacks."""
        of_structure = {sentinel_of(kind): self.structure[kind] for kind in self.appended_kinds}
        return {sentinel: self.ids[sentinel] for sentinel in self.appended} | of_structure

    def lacking(self, kinds: Iterable[str]) -> list[str]:
        """Returns the sentinels of these kinds that have no id, in the order of `KINDS`."""
        wanted = set(kinds) - self.structure.keys() - {HEAD}
        return [sentinel_of(kind) for kind in KINDS if kind in wanted]


def dialect_of(encoding: Encoding) -> Dialect:
    """Returns the dialect all of whose sentinels the tokenizer has, else StarCoder's."""
    known = (d for d in DIALECTS.values() if all(s in encoding.special_tokens for s in d.sentinels()))
    return next(known, DIALECTS["starcoder"])


def resolve(dialect: Dialect, encoding: Encoding, *, structured: bool = False) -> Sentinels:
    """Finds the dialect's sentinels in a tokenizer, and appends those that it lacks.

    Args:
        dialect: the family.
        encoding: the tokenizer.
        structured: whether the sentinels of structure that it lacks are appended, too; those that it has are found
            anyway.

    Raises:
        ConfigError: a sentinel is an ordinary token of the vocabulary: any source file could inject it.
    """
    n_ids = encoding.n_ids
    of_family = f'tokenizer.dialect = "{dialect.name}"', "choose another dialect"
    ids = {sentinel: encoding.special_tokens.get(sentinel, _NONE) for sentinel in dialect.sentinels()}
    appended = [sentinel for sentinel, number in ids.items() if number == _NONE]
    for sentinel in appended:
        _check_no_text(sentinel, encoding, *of_family)
        ids[sentinel], n_ids = n_ids, n_ids + 1
    of_kinds = {kind: encoding.special_tokens.get(sentinel_of(kind), _NONE) for kind in KINDS}
    lacking = [kind for kind, number in of_kinds.items() if number == _NONE] if structured else []
    for kind in lacking:
        _check_no_text(sentinel_of(kind), encoding, f"{STRUCTURED} = true", "set it to false")
        of_kinds[kind], n_ids = n_ids, n_ids + 1
    structure = {kind: number for kind, number in of_kinds.items() if number != _NONE}
    return Sentinels(dialect, ids, tuple(appended), -(-n_ids // 128) * 128, structure, tuple(lacking))


def _check_no_text(sentinel: str, encoding: Encoding, key: str, otherwise: str) -> None:
    """A sentinel that is to be appended is no token that text may give."""
    as_text = encoding.encode(sentinel)
    if len(as_text) == 1:
        raise ConfigError(
            f"{key}: its sentinel {sentinel} is the ordinary token {as_text[0]} of the tokenizer {encoding.name}, so "
            f"any source file could inject it; declare it under added_tokens in the tokenizer.json, or {otherwise}"
        )


def lacks_structure(where: str, sentinels: list[str], encoding: Encoding) -> ConfigError:
    """Returns what is wrong where a structured document needs sentinels that the tokenizer has not.

    Args:
        where: the source, and what of it.
        sentinels: what is lacking, at least one.
        encoding: the tokenizer.
    """
    more = f" and {len(sentinels) - 1} more sentinels" if len(sentinels) > 1 else ""
    return ConfigError(
        f"{where}: the tokenizer {encoding.name} has no {sentinels[0]}{more}, which structured documents need; set "
        f"{STRUCTURED} = true, which appends them, or leave these documents out"
    )
