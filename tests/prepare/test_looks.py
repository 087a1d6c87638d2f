"""What looks drawn by lot, at the limits: the planted cases of test_secrets.py are far from them."""

import pytest

from codetitan.prepare.secrets.addresses import addresses_in
from codetitan.prepare.secrets.found import Secret, apart
from codetitan.prepare.secrets.looks import entropy, is_hash, is_password, is_template, looks_drawn


@pytest.mark.parametrize(
    ("value", "drawn"),
    [
        ("x9Kq2Lz7Pw4T", True), ("x9Kq2Lz7Pw4", False),  # 12 characters, 11
        ("q7x7z4k4w1v1", True), ("q7x7z7k7w7v7", False),  # 3.1 bits a character, 2.3
        ("thxqerzkinwv9zq", True), ("ther9zqerqx4zin", False),  # of pairs of letters usual ones are a quarter, half
        ("abcdefghijklmnop12", False), ("123456789012345678", False),  # an alphabet, no letter
        ("aXbXaXbXaXbX1a2b", False),  # of fewer than 8 characters
    ],
)  # fmt: skip
def test_drawn(value: str, drawn: bool) -> None:
    assert looks_drawn(value) == drawn


def test_entropy() -> None:
    assert entropy("aabb") == 1.0 and entropy("abcd") == 2.0 and entropy("aaaa") == 0.0


def test_hashes_are_those_that_their_line_speaks_of() -> None:
    sha = "3f786850e387550fdab836ed7e6dc881de23001b"
    assert is_hash(sha, "commit = ") and is_hash(f"0x{sha}", "SHA1: ") and not is_hash(sha, "token = ")
    assert not is_hash(sha[:39], "commit = ") and is_hash("123e4567-e89b-12d3-a456-426614174000", "key = ")


@pytest.mark.parametrize(
    "value", ["${TOKEN}", "<your key>", "{{ key }}", "%(key)s", "xxxxxxxx", "$KEY", "[key]", "..."]
)
def test_templates(value: str) -> None:
    assert is_template(value) and not is_template("x9Kq2Lz7Pw4T")


@pytest.mark.parametrize(
    ("value", "quoted", "found"),
    [
        ("hunter2x", True, True), ("two words", True, False), ("password", True, False), ("{code", True, False),
        ("getpass", False, False), ("getpass", True, True), ("os.environ[", False, False), ("S3cr3t!", False, True),
    ],
)  # fmt: skip
def test_passwords(value: str, quoted: bool, found: bool) -> None:
    assert is_password(value, quoted) == found


def test_of_two_that_overlap_the_first_and_longer() -> None:
    short, long, later = Secret(0, 4, "name"), Secret(0, 9, "email"), Secret(5, 12, "key")
    assert list(apart([later, short, long])) == [long]
    assert list(apart([later, short])) == [short, later]


@pytest.mark.parametrize(
    ("text", "n"),
    [
        ("to 104.16.99.52.", 1), ("224.0.1.1 233.252.0.1 255.255.255.255", 0), ("1.2.3.4 dns server", 0),
        ("dns = 9.8.7.6", 1), ("9.8.7.6", 0), ("9.8.7.6" + " " * 90 + "a dns", 1), ("9.8.7.6" + " " * 101 + "a dns", 0),
        ("version 10.20.30.40 of", 0), ("foo==14.20.30.40", 0), ("2607:f8b0:4005:805::200e", 1), ("2001:db8::1", 0),
        ("fe80::1 ff02::1 ::1", 0),
    ],
)  # fmt: skip
def test_addresses(text: str, n: int) -> None:
    assert len(list(addresses_in(text))) == n
