"""[prepare.secrets]: what is looked for, and what is done about it."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from codetitan.prepare.file import Drop, File
from codetitan.prepare.secrets.addresses import addresses_in
from codetitan.prepare.secrets.found import KINDS, Secret, apart
from codetitan.prepare.secrets.keys import check_installed, secrets_in
from codetitan.prepare.secrets.people import emails_in, names_in
from codetitan.prepare.secrets.replace import PLACEHOLDERS, false_one


@dataclass(kw_only=True, slots=True)
class Secrets:
    """Redacts keys, passwords, e-mail addresses, IP addresses and names of authors, as StarCoder's data has it
    (arXiv 2305.06161, §4), or drops the files that have any."""

    enable: bool = True

    action: Literal["redact", "drop"] = "redact"
    """What is done about a file that has a secret."""

    replacement: Literal["placeholder", "fake"] = "placeholder"
    """What takes a secret's place: `<KEY>`, `<PASSWORD>`, `<EMAIL>`, `<IP_ADDRESS>`, `<NAME>`; or a false one that
    looks like it, drawn by the hash of the true one."""

    keys: bool = True
    """Keys and tokens."""

    passwords: bool = True
    """Passwords, those in URLs too."""

    emails: bool = True
    """E-mail addresses, but for those of examples and machines."""

    ip_addresses: bool = True
    """Addresses of the public network, but for those of public name servers."""

    names: bool = True
    """Names of people in an author's tag, or before an e-mail address."""

    def check(self) -> None:
        """Asks for what the rule needs.

        Raises:
            ConfigError: it looks for keys or passwords, and betterleaks is missing.
        """
        if self.enable and (self.keys or self.passwords):
            check_installed("prepare.secrets")

    def find(self, text: str) -> list[Secret]:
        """Returns the secrets in a text, in their order, none inside another."""
        found: list[Secret] = []
        if self.keys or self.passwords:
            found += secrets_in(text)
        addresses = list(emails_in(text)) if self.emails or self.names else []
        found += addresses
        if self.names:
            found += names_in(text, addresses)
        if self.ip_addresses:
            found += addresses_in(text)
        wanted = dict(zip(KINDS, (self.keys, self.passwords, self.emails, self.ip_addresses, self.names), strict=True))
        return list(apart(secret for secret in found if wanted[secret.kind]))

    def judge(self, file: File) -> Drop | None:
        """Returns why a file is dropped for its secrets; None where it has none, or is to be redacted."""
        if not self.enable or self.action != "drop":
            return None
        found = Counter(secret.kind for text in file.texts for secret in self.find(text))
        if not found:
            return None
        kinds = ", ".join(f"{found[kind]} {kind}" for kind in KINDS if found[kind])
        return Drop("secrets", "secrets or personal data", kinds, 0)

    def change(self, file: File) -> tuple[str, Mapping[str, int]]:
        """Returns a file's text without its secrets, and how many of each kind were replaced."""
        if not self.enable or self.action != "redact":
            return file.text, {}
        parts, at = [], 0
        counts: Counter[str] = Counter()
        for secret in self.find(file.text):
            value = file.text[secret.start : secret.stop]
            parts += [file.text[at : secret.start], self._replacement(secret, value)]
            at = secret.stop
            counts[secret.kind] += 1
        return ("".join([*parts, file.text[at:]]) if parts else file.text), counts

    def _replacement(self, secret: Secret, value: str) -> str:
        return PLACEHOLDERS[secret.kind] if self.replacement == "placeholder" else false_one(secret.kind, value)
