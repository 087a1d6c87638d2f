"""IP addresses that lead somewhere: not private ones, public name servers, versions or examples.

BigCode's rules: bigcode-dataset, pii/utils/emails_ip_addresses_detection.py and pii/pii_redaction.py.
"""

import ipaddress
import re
from collections.abc import Iterator

from codetitan.prepare.secrets.found import Secret

_V4 = re.compile(r"(?<![\w.])(?<!\d[-_])\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}(?![\w-]|\.\d)")
_END_OF_V4 = re.compile(r"\.\d{1,3}\.\d{1,3}\.\d")  # begins with a literal, which is found ten times as fast
_COLON_OF_V6 = re.compile(r":(?=[0-9a-fA-F]{0,4}:)")
_V6 = re.compile(r"(?<![\w:.])[23][0-9a-fA-F]{3}:[0-9a-fA-F:]{2,34}(?![\w:])")  # 2000::/3, what is routed
_PUBLIC_DNS = {
    "8.8.8.8", "8.8.4.4", "1.1.1.1", "1.0.0.1", "76.76.19.19", "76.223.122.150", "9.9.9.9", "149.112.112.112",
    "208.67.222.222", "208.67.220.220", "8.26.56.26", "8.20.247.20", "94.140.14.14", "94.140.15.15",
    "2001:4860:4860::8888", "2001:4860:4860::8844", "2606:4700:4700::1111", "2606:4700:4700::1001", "2620:fe::fe",
}  # fmt: skip
_EXAMPLES = {"1.2.3.4", "4.3.2.1", "1.1.1.2", "2.2.2.2", "3.3.3.3", "4.4.4.4", "5.6.7.8", "12.34.56.78", "123.45.67.89"}
_CONTEXT = 100  # characters on each side in which a short one must be called an address
_VERSION = re.compile(
    r"(?:\boid|version|section|chapter|§|\bver|\bv|release|\brev(?:ision)?|build|assembly|sdk|[=~<>!^]=|[~^])[\w\"')(]{0,24}[\s=:\"'(<>~^-]*$",
    re.I,
)


def addresses_in(text: str) -> Iterator[Secret]:
    """Yields IPv4 and IPv6 addresses of the public network."""
    for end in _END_OF_V4.finditer(text):
        match = next(filter(None, (_V4.match(text, end.start() - n) for n in (3, 2, 1) if end.start() >= n)), None)
        if match and _is_public(match[0]) and not _is_version(text, match.start(), match.end()):
            yield Secret(match.start(), match.end(), "ip_address")
    for colon in _COLON_OF_V6.finditer(text):
        match = _V6.match(text, colon.start() - 4) if colon.start() >= 4 else None
        if match and _is_public(match[0]):
            yield Secret(match.start(), match.end(), "ip_address")


def _is_public(value: str) -> bool:
    try:
        address = ipaddress.ip_address(value)
    except ValueError:  # 33.01.33.33, a time, `aaaa::bbbb` of some language
        return False
    return address.is_global and not address.is_multicast and str(address) not in _PUBLIC_DNS | _EXAMPLES


def _is_version(text: str, start: int, stop: int) -> bool:
    if _VERSION.search(text, max(0, start - 40), start):
        return True
    if stop - start > len("0.0.0.0"):
        return False
    around = text[max(0, start - _CONTEXT) : stop + _CONTEXT].lower()
    return "dns" not in around and "server" not in around
