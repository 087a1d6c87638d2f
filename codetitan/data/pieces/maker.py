"""Documents to pieces: metadata, fill in the middle and tokens.

A piece is what a sample can hold: a short document, a part of a long one (cut at line ends, a structured one between
its parts), or several files of one repository. It is built before packing, so that a hole has its whole context, and
every draw is keyed by (seed, purpose, epoch, source, document): a piece is the same whoever asks for it, whenever.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from itertools import groupby

import numpy as np
import numpy.typing as npt

from codetitan.data.document import Document
from codetitan.data.language import LANGUAGES
from codetitan.data.order import key, uniform
from codetitan.data.pieces.chat import Chat
from codetitan.data.pieces.chunk import Chunk, Layout, Run
from codetitan.data.pieces.dialects import Sentinels
from codetitan.data.pieces.encoded import token_sizes
from codetitan.data.pieces.fim import FimConfig
from codetitan.data.pieces.metadata import Headers, MetadataConfig
from codetitan.data.pieces.piece import Piece, Role, split
from codetitan.data.pieces.stretches import Stretch, segments, stretches
from codetitan.data.turns import Conversations, common
from codetitan.tokenizer.encoding import Encoding

# A part encoded by itself may have more tokens than its share of the whole text: each cut breaks one word.
_SLACK = 6

TOO_LONG = "a conversation of more than training.seq_len tokens"

_LANGUAGE_NUMBER = {language: number for number, language in enumerate(LANGUAGES)}


class PieceMaker:
    """Makes pieces.

    Args:
        encoding: the tokenizer.
        sentinels: the dialect in its ids.
        metadata: which fields are served, how often.
        fim: which pieces get a hole, how often.
        seq_len: L; a piece has at most L + 1 tokens.
        seed: of every draw.
        annotate: whether each token of a piece gets its kind and its size in bytes. The pieces are the same.
        chat: the format of conversations; None: there are none.
        learn: which of their tokens are learnt; pairs: of two answers to a prompt the responses, as preferences.
    """

    def __init__(
        self,
        encoding: Encoding,
        sentinels: Sentinels,
        metadata: MetadataConfig,
        fim: FimConfig,
        *,
        seq_len: int,
        seed: int,
        annotate: bool = False,
        chat: Chat | None = None,
        learn: Conversations | None = None,
    ) -> None:
        self._chat, self._learn = chat, learn
        self._annotate = annotate
        self._encoding = encoding
        self._sentinels = sentinels
        self._metadata = metadata
        self._seed = seed
        self._most = seq_len + 1
        # of which the three sentinels of a hole, the end and the slack are not text
        self._room = self._most - (4 + _SLACK if fim.rate else 1 + _SLACK)
        self._headers = Headers(sentinels, lambda text: encoding.encode(encoding.normalize(text)).tolist())
        self._layout = Layout(sentinels, fim)
        self._end, self._fim_end = (
            Run(Role.SENTINEL, np.array([number], np.uint32)) for number in (sentinels.end, sentinels.fim_end)
        )

    def pieces(self, document: Document, *, epoch: int, source: int, index: int) -> list[Piece]:
        """Returns the pieces of one document, in order.

        Raises:
            ConfigError: it is structured, and a kind of its parts has no sentinel.
        """
        draw = partial(uniform, key(self._seed, "metadata", epoch, source, index))
        without = self._headers.no_path(document)
        header = self._fitting(self._headers.document(document, self._metadata, draw), without)
        parts = self._cut(document, len(header))
        made: list[Piece] = []
        for i, part in enumerate(parts):
            draw = partial(uniform, key(self._seed, "fim", epoch, source, index, i))
            made += self._join([self._layout.chunk(document, part, header, draw)], last=i == len(parts) - 1)
        return made

    def conversation(self, document: Document) -> Piece | None:
        """Returns a conversation, or a pair of answers to a prompt, as one piece; None: it is `TOO_LONG`."""
        assert self._chat is not None and self._learn is not None, "why_not"
        if self._learn == "pairs":
            same = common(document.turns, document.rejected)
            both = [self._chat.encode(turns, "responses", first=same) for turns in (document.turns, document.rejected)]
        else:
            both = [self._chat.encode(document.turns, self._learn)]
        ids = np.concatenate([encoded.ids for encoded in both])
        if len(ids) > self._most:
            return None
        special = np.concatenate([encoded.special for encoded in both])
        n_bytes = np.where(special, 0, token_sizes(self._encoding, ids)) if self._annotate else None
        roles = ((Role.SENTINEL if is_token else Role.CODE, run) for is_token, run in groupby(special.tolist()))
        return Piece(
            ids,
            tuple((role, sum(1 for _ in run)) for role, run in roles),
            document.path,
            ((_LANGUAGE_NUMBER[document.language], len(ids)),),
            kinds=np.zeros(len(ids), np.uint8) if self._annotate else None,
            n_bytes=None if n_bytes is None else n_bytes.astype(np.uint32),
            learnt=np.concatenate([encoded.learnt for encoded in both])[1:],
            starts=(len(both[0].ids),) if len(both) > 1 else (),
        )

    def why_not(self, document: Document) -> str | None:
        """Returns why a document can't be served, as far as that is known before it is encoded; None: it can."""
        if document.turns and (self._chat is None or self._learn is None):
            return 'a conversation (objective.name = "sft" and tokenizer.chat take them)'
        if document.rejected and self._learn != "pairs":
            return 'a preference pair (objective.name = "dpo" takes them)'
        if self._learn == "pairs" and not document.rejected:
            return "no preference pair"
        return None if self._encoding.can_encode(document.text) else "the tokenizer can't encode it"

    def repository(self, documents: Sequence[tuple[int, Document]], *, epoch: int, source: int) -> list[Piece]:
        """Returns the pieces of files of one repository, given with their indices: as many files in a piece as fit.
        None of them is structured."""
        repo = self._fitting(self._headers.repo(documents[0][1]), [])
        made: list[Piece] = []
        together: list[Chunk] = []
        used = 0
        for index, document in documents:
            path = self._fitting(self._headers.path(document), self._headers.no_path(document))
            for j, part in enumerate(self._cut(document, len(repo) + len(path))):
                draw = partial(uniform, key(self._seed, "fim", epoch, source, index, j))
                chunk = self._layout.chunk(document, part, path, draw)
                if together and (j > 0 or used + len(chunk) + 1 > self._most):
                    made += self._join(together, last=j == 0)
                    together, used = [], 0
                if not together:
                    chunk = replace(chunk, header=repo + path)
                together.append(chunk)
                used += len(chunk)
        return made + self._join(together, last=True)

    def _fitting(self, header: list[int], otherwise: list[int]) -> list[int]:
        # A path of hundreds of characters must not take the place of the code.
        return header if len(header) <= self._most // 4 else otherwise

    def _cut(self, document: Document, header: int) -> list[list[Stretch]]:
        parts = segments(document, self._encoding, self._sentinels, annotate=self._annotate)
        return stretches(parts, max(self._room - header, self._most // 4, 1))

    def _join(self, chunks: list[Chunk], *, last: bool) -> list[Piece]:
        """Makes a piece of chunks; of a single chunk whose tokens turn out not to fit, more than one.

        Args:
            chunks: at least one.
            last: whether the last chunk is the end of its file.
        """
        runs = [run for chunk in chunks for run in chunk.runs()]
        n_tokens = sum(len(run.ids) for run in runs)
        # A token alone would have no label, and so not be served.
        if chunks[-1].hole is not None or last or n_tokens < 2:
            runs.append(self._end if chunks[-1].hole is None else self._fim_end)
        ids = np.concatenate([run.ids for run in runs])
        languages = [(_LANGUAGE_NUMBER[chunk.document.language], len(chunk)) for chunk in chunks]
        languages[-1] = languages[-1][0], languages[-1][1] + len(ids) - n_tokens
        each_kind, each_size = _annotation(chunks, len(ids)) if self._annotate else (None, None)
        piece = Piece(
            ids,
            tuple((run.role, len(run.ids)) for run in runs if len(run.ids)),
            ", ".join(dict.fromkeys(chunk.document.path for chunk in chunks)),
            tuple(languages),
            tuple(f"{chunk.hole.order} {chunk.hole.kind}" for chunk in chunks if chunk.hole is not None),
            each_kind,
            each_size,
        )
        assert len(ids) >= 2
        if len(ids) <= self._most:
            return [piece]
        # Rare: the parts of a hole, or of a text cut in the middle of a word, had more tokens than the slack allows.
        (chunk,) = chunks  # several were put together because they fit
        return split(piece, self._most) if chunk.hole is None else self._join([chunk.whole()], last=last)


def _annotation(chunks: list[Chunk], n: int) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint32]]:
    each_kind, each_size = zip(*(chunk.annotation() for chunk in chunks), strict=True)
    missing = n - sum(map(len, each_size))  # the sentinel that ends the piece
    return (
        np.concatenate([*each_kind, np.zeros(missing, np.uint8)]),
        np.concatenate([*each_size, np.zeros(missing, np.uint32)]),
    )
