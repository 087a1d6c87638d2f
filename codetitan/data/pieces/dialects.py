"""Token families as data: the sentinels of fill-in-the-middle and how a document with its metadata is laid out.

A template such as `<reponame>{}` is a sentinel, or plain text, around a field. Sentinels are ids (contract 5): they are
looked up in the tokenizer, or appended behind its ids, and never come from encoding text.

Sources: StarCoder (arXiv 2305.06161, §3 and §5.1), StarCoder2 (2402.19173, §5), Qwen2.5-Coder (2409.12186, §3),
DeepSeek-Coder (2401.14196, §2 and §3.1; paths as comments in its repository-level completion), CodeLlama (2308.12950,
§2.3).
"""

from dataclasses import dataclass

from codetitan.errors import ConfigError
from codetitan.tokenizer.encoding import Encoding


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
        ids: sentinel → id.
        appended: the sentinels that the tokenizer lacks; their ids follow its own.
        vocab_size: ids in all, rounded up to a multiple of 128.
    """

    dialect: Dialect
    ids: dict[str, int]
    appended: tuple[str, ...]
    vocab_size: int

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


def dialect_of(encoding: Encoding) -> Dialect:
    """Returns the dialect all of whose sentinels the tokenizer has, else StarCoder's."""
    known = (d for d in DIALECTS.values() if all(s in encoding.special_tokens for s in d.sentinels()))
    return next(known, DIALECTS["starcoder"])


def resolve(dialect: Dialect, encoding: Encoding) -> Sentinels:
    """Finds the dialect's sentinels in a tokenizer, and appends those that it lacks.

    Raises:
        ConfigError: a sentinel is an ordinary token of the vocabulary: any source file could inject it.
    """
    ids: dict[str, int] = {}
    appended: list[str] = []
    for sentinel in dialect.sentinels():
        if sentinel in encoding.special_tokens:
            ids[sentinel] = encoding.special_tokens[sentinel]
            continue
        as_text = encoding.encode(sentinel)
        if len(as_text) == 1:
            raise ConfigError(
                f'tokenizer.dialect = "{dialect.name}": its sentinel {sentinel} is the ordinary token {as_text[0]} of '
                f"the tokenizer {encoding.name}, so any source file could inject it; declare it under added_tokens in "
                "the tokenizer.json, or choose another dialect"
            )
        ids[sentinel] = encoding.n_ids + len(appended)
        appended.append(sentinel)
    vocab_size = -(-(encoding.n_ids + len(appended)) // 128) * 128
    return Sentinels(dialect, ids, tuple(appended), vocab_size)
