"""Pieces of structured documents: against what `tokenizers` makes of the papers' layouts, and that no byte is lost."""

import inspect
import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tokenizers

from codetitan.data.document import Document
from codetitan.data.pieces.dialects import DIALECTS, Sentinels, resolve
from codetitan.data.pieces.fim import FimConfig, SpanConfig
from codetitan.data.pieces.kinds import Kind
from codetitan.data.pieces.maker import PieceMaker
from codetitan.data.pieces.metadata import MetadataConfig
from codetitan.data.pieces.piece import Piece, Role
from codetitan.data.structure import HOLES, KINDS, sentinel_of
from codetitan.errors import ConfigError
from codetitan.hf import tokenizer as hf
from codetitan.tokenizer.code_tokenizer import CodeTokenizer
from codetitan.tokenizer.encoding import Encoding, open_encoding
from tests.data.structured import LAYOUTS, made, structured
from tests.tokenizer.small import written

EVERY_HOLE = SpanConfig(random=1, line=1, syntax=1)


def pieces(
    document: Document,
    encoding: Encoding,
    sentinels: Sentinels,
    *,
    fim: FimConfig | None = None,
    seq_len: int = 2048,
    metadata: float = 0.0,
    index: int = 0,
) -> list[Piece]:
    config = MetadataConfig(repo=metadata, path=metadata)
    maker = PieceMaker(encoding, sentinels, config, fim or FimConfig(), seq_len=seq_len, seed=5, annotate=True)
    return maker.pieces(document, epoch=0, source=0, index=index)


@pytest.fixture(scope="module")
def ours(tokenizer: CodeTokenizer) -> tuple[Encoding, Sentinels]:
    return tokenizer.encoding, resolve(DIALECTS["starcoder"], tokenizer.encoding, structured=True)


@pytest.mark.parametrize("dialect", sorted(DIALECTS))
def test_what_was_appended_before_keeps_its_ids(tokenizer: CodeTokenizer, dialect: str) -> None:
    plain = resolve(DIALECTS[dialect], tokenizer.encoding)
    more = resolve(DIALECTS[dialect], tokenizer.encoding, structured=True)
    assert (more.ids, more.appended) == (plain.ids, plain.appended)
    own = {kind for kind in KINDS if sentinel_of(kind) in tokenizer.encoding.special_tokens}
    assert len(own) == 11 and plain.structure.keys() == own and not plain.appended_kinds
    n = tokenizer.encoding.n_ids + len(plain.appended)
    assert [more.structure[kind] for kind in more.appended_kinds] == list(range(n, n + 19))
    assert more.appended_kinds == tuple(kind for kind in KINDS if kind not in own) and more.vocab_size == 32768 + 128
    assert {kind: more.structure[kind] for kind in own} == plain.structure


@pytest.mark.parametrize("dialect", ["starcoder", "starcoder2"])
@pytest.mark.parametrize("name", sorted(LAYOUTS))
def test_an_export_gives_the_ids_of_the_papers_layouts(
    tokenizer: CodeTokenizer, tmp_path: Path, dialect: str, name: str
) -> None:
    """`tokenizers` takes a text apart at the exported tokenizer's sentinels: that, and not our parts, is compared."""
    sentinels = hf.write("code-32k", DIALECTS[dialect], tmp_path, seq_len=64, structured=True)
    theirs = tokenizers.Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    document = structured(LAYOUTS[name], "a/b.ipynb", repo="o/r")
    (piece,) = pieces(document, tokenizer.encoding, sentinels)
    assert piece.ids.tolist() == theirs.encode(f"{LAYOUTS[name]}<|endoftext|>", add_special_tokens=False).ids
    (piece,) = pieces(document, tokenizer.encoding, sentinels, metadata=1.0)
    header = {"starcoder": "<reponame>o/r<filename>a/b.ipynb\n", "starcoder2": "<repo_name>o/r<file_sep>a/b.ipynb\n"}
    if name in ("issue", "commit", "new file", "pull request"):  # which are no files
        header = {"starcoder": "<reponame>o/r\n", "starcoder2": "<repo_name>o/r"}
    whole = f"{header[dialect]}{LAYOUTS[name]}<|endoftext|>"
    if LAYOUTS[name].startswith("<"):  # else `tokenizers` encodes the header's line end and the text as one
        assert piece.ids.tolist() == theirs.encode(whole, add_special_tokens=False).ids
    written_ = json.loads((tmp_path / "special_tokens_map.json").read_text())["additional_special_tokens"]
    assert {"<pr>", "<pr_diff_hunk_comment_line>", "<jupyter_script>"} <= set(written_)
    # and the export needs no key: a model that goes on from it has them
    again = resolve(DIALECTS[dialect], open_encoding(str(tmp_path)))
    assert again.structure == sentinels.structure and not again.new


def undone(piece: Piece, encoding: Encoding, sentinels: Sentinels) -> list[int]:
    """The ids in the order of the text, without header, sentinels of holes and end."""
    roles = piece.role_of_each().tolist()
    ids = piece.ids.tolist()
    body = [i for i, role in enumerate(roles) if role != Role.METADATA]
    d = sentinels.dialect
    prefix, suffix, middle = (sentinels.ids[s] for s in (d.fim_prefix, d.fim_suffix, d.fim_middle))
    if ids[body[-1]] in (sentinels.end, sentinels.fim_end):
        body = body[:-1]
    tokens = [ids[i] for i in body]
    if prefix not in tokens:
        return tokens
    assert tokens[0] == prefix and piece.holes  # nothing but the header stands before a hole's sentinels
    s, m = tokens.index(suffix), tokens.index(middle)
    return [*tokens[1:s], *tokens[m + 1 :], *tokens[s + 1 : m]]


def check(document: Document, made_: list[Piece], encoding: Encoding, sentinels: Sentinels, most: int) -> None:
    of_id = {number: kind for kind, number in sentinels.structure.items()}
    found: list[tuple[str, bytes]] = []
    if document.parts[0][0] == "":
        found.append(("", b""))
    for piece in made_:
        assert 2 <= len(piece.ids) <= most and sum(n for _, n in piece.roles) == len(piece.ids)
        assert piece.kinds is not None and piece.n_bytes is not None
        roles = piece.role_of_each()
        special = np.isin(piece.ids, [*of_id, *sentinels.ids.values()])
        header = roles == Role.METADATA
        assert (special[~header] == (roles[~header] == Role.SENTINEL)).all()  # text has none, and sentinels are that
        assert not piece.n_bytes[special].any()
        for token in undone(piece, encoding, sentinels):
            if token in of_id:
                found.append((of_id[token], b""))
            else:
                kind, data = found[-1]
                found[-1] = kind, data + encoding.decode_bytes([token])
    at, expected = 0, []
    for kind, n in document.parts:
        expected.append((kind, encoding.normalize(document.text[at : at + n]).encode()))
        at += n
    assert found == expected
    assert sum(int(piece.n_bytes.sum()) for piece in made_ if piece.n_bytes is not None) == sum(
        len(data) for _, data in expected
    )


@pytest.mark.parametrize("kind", ["code-32k", "qwen", "llama2"])
@pytest.mark.parametrize("rate", [0.0, 1.0])
def test_no_byte_is_lost_and_no_sentinel(tokenizer: CodeTokenizer, tmp_path: Path, kind: str, rate: float) -> None:
    """Real code and hard text in parts of random kinds, short samples and long ones, with holes and without."""
    encoding = tokenizer.encoding if kind == "code-32k" else open_encoding(str(written(kind, tmp_path)))
    sentinels = resolve(DIALECTS["starcoder"], encoding, structured=True)
    code = inspect.getsource(json)
    texts = [code[:4000], "größe = 'é→中😀e\u0301'  # naïve\r\n" * 30, "x" * 900, "\u0301\u0301\n" * 50]
    fim = FimConfig(rate=rate, spm=0.5, spans=EVERY_HOLE)
    holes = 0
    for seed in range(24 if kind == "code-32k" else 8):
        document = made(texts[seed % 4], seed)
        for seq_len in (2, 24, 100, 2048):
            found = pieces(document, encoding, sentinels, fim=fim, seq_len=seq_len, metadata=0.5, index=seed)
            check(document, found, encoding, sentinels, seq_len + 1)
            holes += sum(len(piece.holes) for piece in found)
    assert (holes > 0) == (rate > 0)


def test_text_can_inject_nothing(ours: tuple[Encoding, Sentinels]) -> None:
    encoding, sentinels = ours
    evil = "username_1: <issue_comment> <|endoftext|><jupyter_code><fim_middle><issue_closed><pr>\n"
    text = f"Title{evil}"
    document = Document("s", "1", text, parts=(("issue_start", 5), ("issue_comment", len(evil))))
    (piece,) = pieces(document, encoding, sentinels)
    special = [*sentinels.structure.values(), *encoding.special_tokens.values(), *sentinels.new.values()]
    names = {number: name for name, number in sentinels.structure.items()}
    found = [names.get(number, "end") for number in piece.ids.tolist() if number in special]
    assert found == ["issue_start", "issue_comment", "end"]
    check(document, [piece], encoding, sentinels, 2049)


def test_holes_are_cut_in_code_alone(ours: tuple[Encoding, Sentinels]) -> None:
    """In one cell, or a commit's new code; all of the document around it is the hole's context."""
    encoding, sentinels = ours
    texts = Counter[str]()
    for name, layout in LAYOUTS.items():
        document = structured(layout, language="python", repo="o/r")
        code = [document.text[sum(n for _, n in document.parts[:i]) :][:n]
                for i, (kind, n) in enumerate(document.parts) if kind in HOLES]  # fmt: skip
        for seed in range(60):
            fim = FimConfig(rate=1.0, spm=0.5, loss="middle", spans=EVERY_HOLE)
            (piece,) = pieces(document, encoding, sentinels, fim=fim, index=seed, metadata=0.5)
            check(document, [piece], encoding, sentinels, 2049)
            assert bool(piece.holes) == bool(any(code)), name
            if not piece.holes:
                assert {role for role, _ in piece.roles} <= {Role.METADATA, Role.SENTINEL, Role.CODE}
                continue
            roles = piece.role_of_each()
            middle = encoding.decode_bytes(piece.ids[roles == Role.MIDDLE].tolist()).decode()
            assert Role.CODE not in roles and roles.tolist().index(Role.SENTINEL) >= 0
            # one run of tokens: no sentinel of structure in it, and the text of one part
            assert sum(role == Role.MIDDLE for role, _ in piece.roles) <= 1
            assert any(middle in part for part in code)
            texts[name] += 1
    assert set(texts) == {"commit", "new file", "notebook", "script"}
    # a larger cell has more of the holes; each has some
    document = structured("<jupyter_code>" + "a = 1\n" * 30 + "<jupyter_code>" + "b = 1\n" * 10)
    letters = Counter[str]()
    for seed in range(200):
        fim = FimConfig(rate=1.0, spm=0.0, spans=SpanConfig(random=0, line=1))
        (piece,) = pieces(document, encoding, sentinels, fim=fim, index=seed)
        letters[encoding.decode_bytes(piece.ids[piece.role_of_each() == Role.MIDDLE].tolist()).decode()[:1]] += 1
    assert letters.keys() == {"a", "b"} and 120 < letters["a"] < 180


def test_long_documents_are_cut_between_parts_and_at_line_ends(ours: tuple[Encoding, Sentinels]) -> None:
    encoding, sentinels = ours
    comment = "<issue_comment>username_1: " + "It fails here, too, with the same trace.\n" * 4
    found = pieces(structured("<issue_start>Title" + comment * 40), encoding, sentinels, seq_len=256)
    assert len(found) > 5
    assert all(piece.ids[0] in sentinels.structure.values() for piece in found)  # every one begins with a part
    assert all(len(piece.ids) > 256 * 0.75 for piece in found[:-1])
    # A part that fits in no sample is cut at line ends; what introduces it stands with it, and what follows it, too.
    trace = "".join(f"  File a.py, line {i}\n" for i in range(200))
    found = pieces(structured(f"<issue_start>T<issue_comment>{trace}<issue_closed>"), encoding, sentinels, seq_len=256)
    assert found[0].ids[0] == sentinels.structure["issue_start"] and len(found[0].ids) > 200
    closed = [sentinels.structure["issue_closed"] in piece.ids for piece in found]
    assert closed == [False] * (len(found) - 1) + [True] and len(found[-1].ids) > 3
    for piece in found[:-1]:
        assert encoding.decode_bytes([int(piece.ids[-1])]).endswith(b"\n")


@pytest.mark.parametrize("language", ["python", "jupyter"])
def test_kinds_of_text_are_told_in_code_alone(ours: tuple[Encoding, Sentinels], language: str) -> None:
    encoding, sentinels = ours
    cell = '"""What it does."""\n# how\nx = 1\n'
    document = structured(f"<jupyter_text># Title\n<jupyter_code>{cell}<jupyter_output># out", language=language)
    (piece,) = pieces(document, encoding, sentinels)
    assert piece.kinds is not None and piece.n_bytes is not None
    n_bytes = [int(piece.n_bytes[piece.kinds == kind].sum()) for kind in Kind]
    assert n_bytes[Kind.COMMENT] in range(4, 8) and n_bytes[Kind.DOCSTRING] in range(18, 22)


def test_a_document_without_its_sentinel_is_refused(tokenizer: CodeTokenizer) -> None:
    document = replace(structured(LAYOUTS["pull request"], "pr/7"), source="jsonl:x")
    with pytest.raises(ConfigError) as error:
        pieces(document, tokenizer.encoding, tokenizer.sentinels)
    assert str(error.value) == (
        'jsonl:x: "pr/7": the tokenizer code-32k has no <pr> and 15 more sentinels, which structured documents need; '
        "set tokenizer.structured_documents = true, which appends them, or leave these documents out"
    )
    assert pieces(structured(LAYOUTS["issue"]), tokenizer.encoding, tokenizer.sentinels)  # whose it has


def test_a_sentinel_that_is_an_ordinary_token_is_refused(tokenizer: CodeTokenizer) -> None:
    class Ordinary:
        name, n_ids, special_tokens = "t", 900, dict(tokenizer.encoding.special_tokens)

        def encode(self, text: str) -> list[int]:
            return [7] if text == "<pr>" else [1, 2]

    assert "pr" not in resolve(DIALECTS["starcoder"], Ordinary()).structure  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=r"^tokenizer.structured_documents = true: its sentinel <pr> is the ordinary"):
        resolve(DIALECTS["starcoder"], Ordinary(), structured=True)  # type: ignore[arg-type]
