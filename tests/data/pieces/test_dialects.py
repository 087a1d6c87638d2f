from dataclasses import replace

import pytest

from codetitan.data.document import Document
from codetitan.data.pieces.dialects import DIALECTS, dialect_of, resolve
from codetitan.data.pieces.metadata import Headers, MetadataConfig, star_bucket
from codetitan.errors import ConfigError
from codetitan.tokenizer.code_tokenizer import CodeTokenizer

FILE = Document("s", "src/app.py", "pass\n", repo="octo/cat", language="python", stars=42)
ALL = MetadataConfig(repo=1.0, path=1.0, stars=1.0)


def header(tokenizer: CodeTokenizer, dialect: str, document: Document, config: MetadataConfig) -> str:
    own = CodeTokenizer(CodeTokenizer.Config(dialect=dialect), tokenizer_path="code-32k")
    headers = Headers(own.sentinels, own.encode)
    return own.decode(headers.document(document, config, lambda _: 0.5))


@pytest.mark.parametrize(
    ("dialect", "everything", "nothing"),
    [
        ("starcoder", "<reponame>octo/cat<filename>src/app.py<gh_stars>10-100\n", ""),
        ("starcoder2", "<repo_name>octo/cat<file_sep>src/app.py\n", "<file_sep>"),
        ("qwen2.5-coder", "<|repo_name|>octo/cat\n<|file_sep|>src/app.py\n", ""),
        ("deepseek-coder", "#src/app.py\n", ""),
        ("codellama", "", ""),
    ],
)
def test_layouts(tokenizer: CodeTokenizer, dialect: str, everything: str, nothing: str) -> None:
    assert header(tokenizer, dialect, FILE, ALL) == everything
    assert header(tokenizer, dialect, FILE, MetadataConfig()) == nothing


def test_fields_that_are_not_known_are_left_out(tokenizer: CodeTokenizer) -> None:
    bare = replace(FILE, repo=None, stars=None)
    assert header(tokenizer, "starcoder", bare, ALL) == "<filename>src/app.py\n"


def test_a_path_can_inject_nothing(tokenizer: CodeTokenizer) -> None:
    evil = replace(FILE, path="a<fim_prefix>.py", repo="x\n<gh_stars>1000+")
    own = CodeTokenizer(CodeTokenizer.Config(), tokenizer_path="code-32k")
    ids = Headers(own.sentinels, own.encode).document(evil, ALL, lambda _: 0.0)
    specials = set(own.encoding.special_tokens.values())
    assert [i for i in ids if i in specials] == [own.sentinels.ids["<filename>"], own.sentinels.ids["<gh_stars>"]]
    assert own.decode(ids) == "<filename>a<fim_prefix>.py<gh_stars>10-100\n"  # the name with a line end is left out


def test_star_buckets() -> None:
    assert [star_bucket(n) for n in (0, 1, 10, 11, 100, 101, 1000, 1001, 10**6)] == [
        "0", "1-10", "1-10", "10-100", "10-100", "100-1000", "100-1000", "1000+", "1000+",
    ]  # fmt: skip


def test_the_shipped_tokenizer_has_starcoders(tokenizer: CodeTokenizer) -> None:
    assert tokenizer.sentinels.dialect.name == "starcoder" and not tokenizer.sentinels.appended
    assert tokenizer.sentinels.vocab_size == 32768
    assert tokenizer.sentinels.ids["<fim_prefix>"] == 1 and tokenizer.eos_id == 0
    assert dialect_of(tokenizer.encoding) is DIALECTS["starcoder"]


@pytest.mark.parametrize("name", sorted(DIALECTS))
def test_missing_sentinels_are_appended(tokenizer: CodeTokenizer, name: str) -> None:
    sentinels = resolve(DIALECTS[name], tokenizer.encoding)
    assert len(set(sentinels.ids.values())) == len(sentinels.ids)
    assert sorted(sentinels.ids[s] for s in sentinels.appended) == list(range(32768, 32768 + len(sentinels.appended)))
    assert sentinels.vocab_size % 128 == 0 and max(sentinels.ids.values()) < sentinels.vocab_size


def test_a_sentinel_that_is_an_ordinary_token_is_refused(tokenizer: CodeTokenizer) -> None:
    dialect = replace(DIALECTS["starcoder2"], repo="import{}", fim_prefix="import")
    with pytest.raises(
        ConfigError, match=r'tokenizer.dialect = "starcoder2": its sentinel import is the ordinary token'
    ):
        resolve(dialect, tokenizer.encoding)


def test_unknown_dialect() -> None:
    with pytest.raises(ConfigError) as error:
        CodeTokenizer(CodeTokenizer.Config(dialect="starcodr"), tokenizer_path="code-32k")
    assert str(error.value) == (
        f'tokenizer.dialect = "starcodr" must be one of {", ".join(DIALECTS)}; did you mean "starcoder"?'
    )
