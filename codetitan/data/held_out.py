"""Which documents are held out for validation: a hash of the repository, or of the document, and nothing else decides.

Neither a seed nor a mesh nor what else is in the corpus plays a part, so whoever reads the same document comes to the
same answer: the training, which never serves what is held out, and the validation, which serves nothing else.
"""

import hashlib
from dataclasses import dataclass
from typing import Literal

from codetitan.data.document import Document


@dataclass(kw_only=True)
class HeldOutConfig:
    """The keys of `validation` that the training data needs."""

    share: float = 0.0
    """Share of the repositories that is held out of `dataloader.sources`: never trained on."""

    by: Literal["repository", "document"] = "repository"
    """What is held out as a whole. A document of no repository stands for itself."""

    def holds_out(self, document: Document) -> bool:
        """Whether a document is held out."""
        return self.share > 0 and place(document, self.by) < self.share


def place(document: Document, by: Literal["repository", "document"]) -> float:
    """Returns where a document stands in [0, 1): below the share it is held out.

    A document stands where its text puts it, so that its exact copies stand there too.
    """
    if by == "repository" and document.repo is not None:
        what = f"repository {document.repo.lower()}"  # hosts don't tell Owner/Name from owner/name
    else:
        what = f"document {document.text}"
    digest = hashlib.blake2b(what.encode(), digest_size=8, person=b"held out").digest()
    return (int.from_bytes(digest, "little") >> 11) * 2.0**-53
