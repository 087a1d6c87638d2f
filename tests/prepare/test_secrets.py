"""Secrets and personal data: planted in real files beside what only looks like them; and what takes their place."""

import ast
import base64
import hashlib
import os
import re
import string
import subprocess
import sys
import sysconfig
import time
import uuid
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codetitan.data.order import key, uniform
from codetitan.prepare.file import File
from codetitan.prepare.secrets import Secrets
from codetitan.prepare.secrets.keys import for_scanner
from codetitan.prepare.secrets.replace import false_one

UPPER, LOWER, DIGITS = string.ascii_uppercase, string.ascii_lowercase, string.digits
WORDS = ["alma", "borg", "cleo", "dora", "emil", "finn", "gero", "hana"]


def drawn(number: int, n: int, of: str) -> str:
    return "".join(of[int(uniform(key("planted", number), i) * len(of))] for i in range(n))


def word(number: int) -> str:
    return WORDS[number % len(WORDS)]


def block(number: int) -> str:
    body = base64.b64encode(drawn(number, 600, UPPER + LOWER + DIGITS).encode()).decode()
    lines = "\n".join(body[i : i + 64] for i in range(0, len(body), 64))
    return f"-----BEGIN RSA PRIVATE KEY-----\n{lines}\n-----END RSA PRIVATE KEY-----"


def token(number: int) -> str:
    def part(text: str) -> str:
        return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")

    parts = part('{"alg":"HS256","typ":"JWT"}'), part('{"sub":"' + drawn(number, 12, DIGITS) + '"}')
    return ".".join([*parts, drawn(number, 43, UPPER + LOWER + DIGITS)])


ALNUM = UPPER + LOWER + DIGITS
# kind → (line, with the secret at {}; the secret). Ten of each: 210 in all.
PLANTED: dict[str, tuple[str, Callable[[int], str]]] = {
    "AWS key": ('aws_access_key_id = "{}"', lambda n: "AKIA" + drawn(n, 16, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567")),
    "GitHub token": ('GITHUB = "{}"', lambda n: "ghp_" + drawn(n, 36, ALNUM)),
    "GitLab token": ("gitlab_token: {}", lambda n: "glpat-" + drawn(n, 20, ALNUM)),
    "Slack token": ('slack("{}")',
                    lambda n: f"xoxb-{drawn(n, 12, DIGITS)}-{drawn(n + 1, 12, DIGITS)}-{drawn(n, 24, ALNUM)}"),
    "Stripe key": ("stripe.api_key = '{}'", lambda n: "sk_live_" + drawn(n, 24, ALNUM)),
    "Google key": ('key = "{}"', lambda n: "AIza" + drawn(n, 35, ALNUM)),
    "SendGrid key": ('mail("{}")', lambda n: f"SG.{drawn(n, 22, ALNUM)}.{drawn(n + 1, 43, ALNUM)}"),
    "npm token": ("//registry/:_authToken={}", lambda n: "npm_" + drawn(n, 36, ALNUM)),
    "private key": ("PEM = '''{}'''", block),
    "JSON web token": ('headers["Authorization"] = "Bearer {}"', token),
    "generic key": ('api_key = "{}"', lambda n: drawn(n, 32, LOWER + DIGITS)),
    "generic secret": ('client_secret: "{}"', lambda n: drawn(n, 40, ALNUM)),
    "password": ('connect(host="db1", user="root", password="{}")',
                 lambda n: word(n).title() + drawn(n, 6, DIGITS) + "!q"),
    "URL's password": ('db = "postgres://admin:{}@db.inner.net:5432/x"', lambda n: drawn(n, 14, ALNUM)),
    "e-mail": ("# ask {} about this", lambda n: f"{word(n)}.{drawn(n, 6, LOWER)}@{drawn(n, 8, LOWER)}.com"),
    "e-mail in text": ('CONTACT = ["{}"]', lambda n: f"{word(n)}{n}@mail.{drawn(n, 6, LOWER)}.co.uk"),
    "e-mail in a tag": ("# Maintainer <{}>", lambda n: f"{drawn(n, 7, LOWER)}+lists@{drawn(n, 6, LOWER)}.org"),
    "IPv4": ('SERVER = "{}"', lambda n: f"{[52, 93, 151, 185][n % 4]}.{17 + n % 90}.{100 + n % 90}.{20 + n % 90}"),
    "IPv4 with port": ("curl http://{}:8080/",
                       lambda n: f"{[34, 81, 142][n % 3]}.{200 + n % 50}.{13 + n % 90}.{101 + n % 90}"),
    "IPv6": ('listen("{}")', lambda n: f"2a01:4f8:{n + 16:x}:{n + 4096:x}::{n + 1:x}"),
    "author": ("# @author {}", lambda n: f"{word(n).title()} {drawn(n, 1, UPPER)}{drawn(n, 6, LOWER)}"),
}  # fmt: skip

# What looks like a secret and is none.
DECOYS: dict[str, Callable[[int], str]] = {
    "SHA-256": lambda n: f'sha256 = "{hashlib.sha256(str(n).encode()).hexdigest()}"',
    "MD5": lambda n: f'md5_key = "{hashlib.md5(str(n).encode()).hexdigest()}"',
    "commit": lambda n: f'commit_key = "{hashlib.sha1(str(n).encode()).hexdigest()}"',
    "UUID": lambda n: f'session_key = "{uuid.UUID(int=key("uuid", n) << 64 | key("uuid", -n))}"',
    "integrity": lambda n: f"integrity: sha512-{base64.b64encode(hashlib.sha512(b'%d' % n).digest()).decode()}",
    "name as a key": lambda n: f'token_key = "user_session_{word(n)}_identifier"',
    "template": lambda n: f'api_key = "${{{word(n).upper()}_API_KEY}}"',
    "from outside": lambda n: f'password = os.environ["{word(n).upper()}_PASSWORD"]',
    "type": lambda n: f"def login_{word(n)}(user: str, password: Optional[str] = None) -> None: ...",
    "prompt": lambda n: f'password = "enter your {word(n)} password"',
    "example": lambda n: f"mail to {word(n)}@example.com",
    "machine": lambda n: f"git clone git@github.com:{word(n)}/x.git",
    "matrix": lambda n: f"y = x@self.{word(n)}.weight",
    "decorator": lambda n: f"@{word(n)}.route",
    "npm version": lambda n: f'"{word(n)}@1.{n}.3"',
    "image": lambda n: f'"icon_{word(n)}@2x.png"',
    "private address": lambda n: f'HOST = "192.168.{n}.{n + 1}"',
    "name server": lambda n: 'RESOLVER = "8.8.8.8"',
    "version": lambda n: f'version = "{10 + n}.{n}.17.3"',
    "short version": lambda n: f"# since 4.{n % 10}.1.0",
    "time and scope": lambda n: f"std::chrono x{{12:{10 + n}:56}}; a::b::c();",
    "company": lambda n: "# Author: The Project Developers",
}  # fmt: skip
N = 10


@pytest.fixture(scope="module")
def texts() -> list[str]:
    """Python's library, in which nothing is found but addresses and names of its authors."""
    root = Path(sysconfig.get_paths()["stdlib"])
    paths = sorted(p for p in root.glob("*.py") if 3000 < p.stat().st_size < 40_000)
    return [path.read_text("utf-8", "replace") for path in paths[:100]]


def test_recall_and_precision(texts: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    rule = Secrets()
    n_planted, found, wrong = 0, Counter[str](), Counter[str]()
    in_real = sum(secret.kind != "email" and secret.kind != "name" for text in texts for secret in rule.find(text))
    for number, (kind, (line, make)) in enumerate(PLANTED.items()):
        for i in range(N):
            text, secret = texts[(number * N + i) % len(texts)], make(number * 100 + i)
            lines = text.split("\n")
            at = int(uniform(key("where", number), i) * len(lines))
            new = "\n".join([*lines[:at], line.format(secret), *lines[at:]])
            redacted, _ = rule.change(File("s", "r", "a.py", new))
            n_planted += 1
            found[kind] += secret not in redacted and line.partition("{}")[0] in redacted
    for number, (kind, decoy) in enumerate(DECOYS.items()):
        for i in range(N):
            text = f"import os\n\n{decoy(i + number)}\n\nx = 1\n"
            wrong[kind] += rule.change(File("s", "r", "a.py", text))[0] != text
    n_found, n_wrong = found.total(), wrong.total() + in_real
    recall, precision = n_found / n_planted, n_found / (n_found + n_wrong)
    with capsys.disabled():
        print(f"\nsecrets: {n_planted} planted of {len(PLANTED)} kinds, recall {recall:.3f}")
        print(f"secrets: {len(DECOYS) * N} decoys and {len(texts)} real files, precision {precision:.3f}")
        print("  missed:", {kind: N - found[kind] for kind in PLANTED if found[kind] < N})
        print("  taken for one:", dict(+wrong), f"in real files: {in_real}")
    assert n_planted >= 200 and recall >= 0.97 and precision >= 0.97


def test_what_takes_their_place() -> None:
    text = 'mail("anna.berg@posteo.net")\nSERVER = "93.184.215.14"\nkey = "AIza' + drawn(1, 35, ALNUM) + '"\n'
    new, counts = Secrets().change(File("s", "r", "a", text))
    assert new == 'mail("<EMAIL>")\nSERVER = "<IP_ADDRESS>"\nkey = "<KEY>"\n'
    assert counts == {"email": 1, "ip_address": 1, "key": 1}
    assert Secrets().change(File("s", "r", "a", new)) == (new, {})  # twice is once
    off = Secrets(emails=False, keys=False, passwords=False, ip_addresses=False, names=False)
    assert off.change(File("s", "r", "a", text)) == (text, {})
    assert Secrets(enable=False).change(File("s", "r", "a", text)) == (text, {})


def test_false_ones_are_drawn_by_the_true_ones_hash() -> None:
    text = 'a("anna.berg@posteo.net", "anna.berg@posteo.net", "93.184.215.14", "2a01:4f8::17")  # @author Anna Berg\n'
    rule = Secrets(replacement="fake")
    new, _ = rule.change(File("s", "r", "a", text))
    again, _ = rule.change(File("other", "r", "b", "\n" + text))
    one, two = re.findall(r"\w+@example\.com", new)
    assert one == two and again == "\n" + new and "203.0.113." in new and "2001:db8::" in new and "Berg" not in new
    assert rule.change(File("s", "r", "a", new.partition("#")[0]))[1] == {}  # no mail leads anywhere from there
    for kind in ("key", "password", "email", "ip_address", "name"):
        assert len({false_one(kind, f"Secret{i}") for i in range(20)}) > 5  # of each value its own
    pem = block(3)
    fake = false_one("key", pem)
    assert fake != pem and [len(line) for line in fake.split("\n")] == [len(line) for line in pem.split("\n")]
    assert fake.startswith("-----BEGIN RSA PRIVATE KEY-----\n") and false_one("key", pem) == fake


def test_a_file_is_dropped_for_them() -> None:
    rule = Secrets(action="drop")
    drop = rule.judge(File("s", "r", "a", "mail anna.berg@posteo.net and 93.184.215.14\n"))
    assert drop is not None and (drop.reason, drop.value) == ("secrets or personal data", "1 email, 1 ip_address")
    assert rule.judge(File("s", "r", "a", "x = 1\n")) is None
    assert rule.change(File("s", "r", "a", "anna.berg@posteo.net"))[0] == "anna.berg@posteo.net"
    assert Secrets().judge(File("s", "r", "a", "anna.berg@posteo.net")) is None


def test_every_place_of_a_key_and_only_the_password_of_a_word() -> None:
    secret = "ghp_" + drawn(9, 36, ALNUM)
    text = f'é = "日本\0{secret}"\nx = "{secret}"\r\n'
    assert Secrets().change(File("s", "r", "a", text))[0] == 'é = "日本\0<KEY>"\nx = "<KEY>"\r\n'
    text = 'connect(user="x", host="db", password="tiger5!")\ntiger5 = 1\n'
    assert Secrets().change(File("s", "r", "a", text))[0].endswith('password="<PASSWORD>")\ntiger5 = 1\n')


def test_names_in_notices_of_copyright_stay() -> None:
    text = "# Copyright (c) 2020 Anna Berg <anna.berg@posteo.net>\n# Author: Anna Berg\n"
    assert Secrets().change(File("s", "r", "a", text))[0] == (
        "# Copyright (c) 2020 Anna Berg <<EMAIL>>\n# Author: <NAME>\n"
    )


def test_a_fork_of_a_process_that_has_looked_is_told() -> None:
    """Go's threads are not in a fork: it would wait for ever. In a process of its own, as this one has threads."""
    program = """
import os, sys
from codetitan.prepare.secrets.keys import secrets_in
list(secrets_in("x"))
if (child := os.fork()) == 0:
    try:
        list(secrets_in("x"))
    except RuntimeError as error:
        print(error, flush=True)
    os._exit(0)
os.waitpid(child, 0)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, env=os.environ, check=True
    )
    assert done.stdout == "betterleaks was used before this process was forked; start workers by spawn or forkserver\n"


def test_long_lines_take_no_longer_than_short_ones() -> None:
    """A minified file is one line; what is found there stands where it stood."""
    secrets = [drawn(n, 32, LOWER + DIGITS) for n in range(300)]
    text = "".join(f'api_key = "{secret}"; ' for secret in secrets)
    start = time.perf_counter()
    new, counts = Secrets().change(File("s", "r", "a.js", text))
    long = time.perf_counter() - start
    start = time.perf_counter()
    Secrets().change(File("s", "r", "a.js", text.replace("; ", "\n")))
    assert long < 3 * (time.perf_counter() - start) + 0.5
    assert counts["key"] >= 0.95 * len(secrets) and new.count('api_key = "<KEY>"; ') == counts["key"]
    one_author = "Author: " + "anna.berg@posteo.net, " * 20_000
    start = time.perf_counter()
    assert Secrets().change(File("s", "r", "a.js", one_author))[1]["email"] == 20_000
    assert time.perf_counter() - start < 20


@given(st.lists(st.sampled_from(["a" * 4000, "b" * 1000, "c" * 7000, "\n", " ", "; ", "x,"]), max_size=12))
def test_what_is_scanned_has_everything_at_its_place(parts: list[str]) -> None:
    text = "".join(parts)
    scanned = for_scanner(text)
    assert len(scanned) == len(text)
    assert all(a == b or (b == "\n" and a in " ;,") for a, b in zip(text, scanned, strict=True))
    assert all(len(line) < 5000 or not re.search(r"[ ;,]", line[2000:]) for line in scanned.split("\n"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("__author__ = 'Jane Roe'\n", "__author__ = '<NAME>'\n"),
        ("# Author: Jane Q. Roe.\n", "# Author: <NAME>.\n"),
        ("by Jane Roe Jr. <jane@uni-bonn.de>", "by <NAME>. <<EMAIL>>"),
        ("# Author: Dara O'Neil\n", "# Author: <NAME>\n"),
        ('u = "postgresql://postgres:postgres@db/x"\n', 'u = "postgresql://postgres:<PASSWORD>@db/x"\n'),
        ('u = "mysql://root:root@root.net/root"\n', 'u = "mysql://root:<PASSWORD>@root.net/root"\n'),
        ('print(f"the password: {code} {msg}")\n', None),
        ('print(f"password={password!r}")\n', None),
        ("OID 2.5.29.15", None),
        ('password: "****abc"\n', None),
        ("w = model@layer.Info\n", None),
        ("joe@gmail.com\r\nann@gmail.com\r", "<EMAIL>\r\n<EMAIL>\r"),
        ("\ufeff😀 joe@gmail.com\0😀", "\ufeff😀 <EMAIL>\0😀"),
    ],
)
def test_the_secret_goes_and_nothing_beside_it(text: str, expected: str | None) -> None:
    assert Secrets().change(File("s", "r", "a.py", text))[0] == (text if expected is None else expected)


@pytest.mark.parametrize("line", ["{}\n", "{}\r\n", "  {}\n", '"{}\\n"\n', "// {}\n", "#{}\n"])
def test_a_private_key_without_its_end(line: str) -> None:
    lines = block(3).split("\n")[:-1]
    text = "x = 1\n" + "".join(line.format(each) for each in lines) + "y = 2\n"
    found = Secrets().change(File("s", "r", "a.py", text))[0]
    assert not any(each in found for each in lines[1:]) and found.startswith("x = 1\n") and found.endswith("y = 2\n")


def test_code_without_its_secrets_is_code() -> None:
    """Of the standard library, what speaks of authors and passwords parses afterwards as before, line by line."""
    n = 0
    for path in sorted(Path(sysconfig.get_paths()["stdlib"]).glob("*.py")):
        text = path.read_text("utf-8")
        if not re.search(r"@\w+\.\w|assword|uthor", text):
            continue
        found, counts = Secrets().change(File("s", "r", path.name, text))
        n += bool(counts)
        ast.parse(found)
        assert found.count("\n") == text.count("\n"), path
    assert n > 10
