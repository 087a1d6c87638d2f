"""The sources that training reads, as raw code: folders, git checkouts, JSON Lines, Parquet, datasets of the hub."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from codetitan.data.document import Document, Dropped
from codetitan.data.sources.listing import EXCLUDE, matcher
from codetitan.data.sources.open import Directory, SourceConfig, open_source
from codetitan.errors import ConfigError
from codetitan.places import expand
from codetitan.prepare.file import File
from codetitan.prepare.readers import LARGEST, in_utf8, stamp

UNIT = 1_000
"""Documents that are read together."""


class ServedReader:
    """A source of training; a unit is UNIT of its documents.

    Args:
        config: of the source.
        also: patterns of file names that are read of a folder beside what it includes: what says which licence a
            repository has.

    Raises:
        ConfigError: it does not exist, is a stream, or has no document.
    """

    def __init__(self, config: SourceConfig, also: list[str]) -> None:
        self._code = matcher(config.include) if isinstance(config, Directory) else None
        if isinstance(config, Directory):
            # What training leaves out by default is ruled out here, where each file is said.
            exclude = [] if config.exclude == EXCLUDE else config.exclude
            largest = max(config.max_file_bytes, LARGEST)
            config = replace(config, include=[*config.include, *also], exclude=exclude, max_file_bytes=largest)
        try:
            self._source = open_source(config)
        except ConfigError as error:
            raise ConfigError(
                str(error).replace("dataloader.sources", "prepare.sources").replace("or train on", "or take")
            ) from None
        if self._source.streamed:
            raise ConfigError(
                f"prepare.sources: {self._source.name} is a stream, which can't be read by several processes or again; "
                "set streaming = false"
            )
        self._in_files = isinstance(config, Directory)
        self.name, self.fingerprint = self._source.name, self._source.fingerprint
        if isinstance(config, Directory):
            root = expand(config.path, "prepare.sources: directory")
            self.fingerprint += stamp(root, (path for path, _ in self._source.parts()))
        self._config = config
        self.dropped: Mapping[str, int] = {} if self._in_files else self._source.dropped  # `left_out` says the former
        self.sizes = [self._source.n_bytes // len(self)] * len(self)

    def __len__(self) -> int:
        return -(-len(self._source) // UNIT)

    def left_out(self, tell: Callable[[Dropped], None]) -> None:
        """Lists a folder again, and tells each file and folder in it that is left out, of which there may be millions.

        Raises:
            ConfigError: it can't be listed any more.
        """
        if self._in_files:
            open_source(self._config, lambda reason, path: tell(Dropped(self.name, in_utf8(path), reason)))

    def read(self, unit: int) -> Iterator[File | Dropped]:
        """Yields the documents of a unit; see `Reader`."""
        for index in range(unit * UNIT, min((unit + 1) * UNIT, len(self._source))):
            document = self._source.read(index)
            if isinstance(document, Document) and document.turns:
                yield Dropped(self.name, document.path, "a conversation")
            elif isinstance(document, Document):
                file = File.of(document)
                if self._in_files or document.repo is not None:
                    file.root = f"{self.name}:{document.repo or ''}"
                if self._in_files:
                    file.licence = None  # of its folder, which is looked for anew, with what says so
                if self._code is not None and not self._code.match(file.path.rpartition("/")[2]):
                    # A script without an extension is code, too.
                    file.in_corpus = file.language not in ("other", "text")
                yield file
            else:
                yield document
