"""Secrets and personal data in code: found, and redacted or the file dropped. Of `data/` it takes its
counted randomness."""

from codetitan.prepare.secrets.keys import versions
from codetitan.prepare.secrets.rule import Secrets

__all__ = ["Secrets", "versions"]
