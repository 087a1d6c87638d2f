"""Secrets to plant, in the forms that their providers document, and lines that only look like them.

Held out: no rule was made or tuned by these. Those are in tests/prepare/test_secrets.py; what is missed here stays
missed until a rule finds it that was not written for it.
"""

import base64
import hashlib
import string
import uuid
from collections.abc import Callable

from codetitan.data.order import key, uniform

_UPPER, _LOWER, _DIGITS = string.ascii_uppercase, string.ascii_lowercase, string.digits
_ALNUM = _UPPER + _LOWER + _DIGITS
_URL = _ALNUM + "-_"
_HEX = "0123456789abcdef"


def drawn(number: int, n: int, of: str = _ALNUM) -> str:
    """Returns n letters drawn by lot, the same for the same number."""
    return "".join(of[int(uniform(key("held out", number, n, of), i) * len(of))] for i in range(n))


def one(number: int, of: list[str]) -> str:
    """Returns one of several."""
    return of[int(uniform(key("one", number), len(of)) * len(of))]


def _block(kind: str, number: int, n_bytes: int) -> str:
    text = base64.b64encode(bytes(int(drawn(number + i, 2, _HEX), 16) for i in range(n_bytes))).decode()
    lines = "\n".join(text[i : i + 70] for i in range(0, len(text), 70))
    return f"-----BEGIN {kind}-----\n{lines}\n-----END {kind}-----"


def _password(number: int) -> str:
    return one(number, ["Sommer", "blauwal", "Harbour", "zwieback", "Monsoon"]) + drawn(number, 5, _DIGITS) + "#x"


_NAMES = ["ines", "karsten", "oyelaran", "m.petit", "suzuki_h", "dvorak", "r-singh", "Lofgren"]
_PLACES = ["uni-lindau.de", "mail.kestrelworks.io", "blaukraut.at", "northfold.co.nz", "ceres-labs.com", "tavira.pt"]

# What is planted → (a line with the secret at {}, the secret of a number).
SECRETS: dict[str, tuple[str, Callable[[int], str]]] = {
    "Azure storage key": (
        'CONN = "DefaultEndpointsProtocol=https;AccountName=logs;AccountKey={};EndpointSuffix=core.windows.net"',
        lambda n: base64.b64encode(hashlib.sha512(b"azure %d" % n).digest()).decode(),
    ),
    "Twilio API key": ('client = Client("{}", secret)', lambda n: "SK" + drawn(n, 32, _HEX)),
    "Twilio token": ('TWILIO_AUTH_TOKEN = "{}"', lambda n: drawn(n, 32, _HEX)),
    "Mailgun key": ('auth=("api", "{}")', lambda n: "key-" + drawn(n, 32, _HEX)),
    "DigitalOcean token": ('token = "{}"', lambda n: "dop_v1_" + drawn(n, 64, _HEX)),
    "Hugging Face token": ('login(token="{}")', lambda n: "hf_" + drawn(n, 34, _UPPER + _LOWER)),
    "OpenAI key": ('openai.api_key = "{}"', lambda n: f"sk-{drawn(n, 20)}T3BlbkFJ{drawn(n + 1, 20)}"),
    "Anthropic key": ('"x-api-key": "{}",', lambda n: f"sk-ant-api03-{drawn(n, 93, _URL)}AA"),
    "PyPI token": ("password = {}", lambda n: "pypi-AgEIcHlwaS5vcmc" + drawn(n, 140, _URL)),
    "GitHub fine-grained token": ('GH = "{}"', lambda n: f"github_pat_{drawn(n, 22)}_{drawn(n + 1, 59)}"),
    "AWS secret key": ("aws_secret_access_key = {}", lambda n: drawn(n, 40, _ALNUM + "/+")),
    "Telegram token": ('bot = Bot("{}")', lambda n: f"{drawn(n, 10, '123456789')}:AA{drawn(n + 1, 33, _URL)}"),
    "Discord token": (
        'bot.run("{}")',
        lambda n: f"{base64.b64encode(drawn(n, 18, '123456789').encode()).decode()}.{drawn(n, 6)}.{drawn(n + 1, 38, _URL)}",
    ),
    "Shopify token": ('"X-Shopify-Access-Token": "{}"', lambda n: "shpat_" + drawn(n, 32, _HEX)),
    "Databricks token": ('os.environ["DATABRICKS_TOKEN"] = "{}"', lambda n: "dapi" + drawn(n, 32, _HEX)),
    "Docker token": ("docker login -u ci -p {}", lambda n: "dckr_pat_" + drawn(n, 27, _URL)),
    "Linear key": ('linear = LinearClient("{}")', lambda n: "lin_api_" + drawn(n, 40)),
    "Square token": ("SQUARE={}", lambda n: "sq0atp-" + drawn(n, 22, _URL)),
    "OpenSSH key": ('KEY = """{}"""', lambda n: _block("OPENSSH PRIVATE KEY", n, 380)),
    "EC key": ('EC = """{}"""', lambda n: _block("EC PRIVATE KEY", n, 120)),
    "password in JDBC": ('"jdbc:mysql://db.prod/app?user=app&password={}"', _password),
    "password in YAML": ('  password: "{}"', _password),
    "password of curl": ("curl -u deploy:{} https://ci.kestrelworks.io/job", lambda n: drawn(n, 16)),
    "password in a URL": ('remote = "https://ci-bot:{}@git.kestrelworks.io/x.git"', lambda n: drawn(n, 20)),
    "e-mail": ("# write to {} first", lambda n: f"{one(n, _NAMES)}{n}@{one(n + 1, _PLACES)}"),
    "e-mail, mailto": ('<a href="mailto:{}">', lambda n: f"{one(n, _NAMES)}+web@{drawn(n, 9, _LOWER)}.org"),
    "e-mail in a list": ('TO = ["{}", None]', lambda n: f"{drawn(n, 2, _UPPER)}.{one(n, _NAMES)}@{one(n, _PLACES)}"),
    "e-mail, dated commit": ("Signed-off-by: Q <{}>", lambda n: f"{n}.{one(n, _NAMES)}@{drawn(n, 6, _LOWER)}.net"),
    "IPv4 in a config": ("  server {}:443 weight=2;", lambda n: f"{one(n, ['46', '88', '195'])}.{n % 200 + 11}.{n % 97 + 100}.7"),
    "IPv4 in hosts": ("{} build.internal", lambda n: f"{one(n, ['62', '139', '212'])}.{n % 90 + 101}.3.{n % 50 + 3}"),
    "IPv6 in a URL": ('get("http://[{}]:9000/")', lambda n: f"2a02:8108:{n + 4096:x}::{n + 17:x}"),
}  # fmt: skip

# What has the look of a secret and is none.
DECOYS: dict[str, Callable[[int], str]] = {
    "git commit": lambda n: f'REVISION = "{hashlib.sha1(b"%d" % n).hexdigest()}"',
    "SHA-256 of a file": lambda n: f'"sha256": "{hashlib.sha256(b"%d" % n).hexdigest()}",',
    "MD5 of a file": lambda n: f"checksum = '{hashlib.md5(b'%d' % n).hexdigest()}'",
    "UUID": lambda n: f'NAMESPACE = uuid.UUID("{uuid.UUID(bytes=hashlib.md5(b"u%d" % n).digest())}")',
    "requirement": lambda n: f"lib{n}==1.{n}.14.3 --hash=sha256:{hashlib.sha256(b'r%d' % n).hexdigest()}",
    "version": lambda n: f'__version__ = "{n % 9 + 1}.{n}.12.4"',
    "file version": lambda n: f"<AssemblyVersion>5.{n}.3.1</AssemblyVersion>",
    "date": lambda n: f'released = "{2000 + n % 26}.{n % 12 + 1:02}.{n % 28 + 1:02}"',
    "private IPv4": lambda n: f'HOST = "10.{n % 200}.4.{n % 250}"',
    "loopback": lambda n: f'BIND = "127.0.{n % 100}.1:8{n % 900 + 100}"',
    "address for documents": lambda n: f'EXAMPLE = "203.0.113.{n % 250}"',
    "network mask": lambda n: f"mask = '255.255.{[0, 128, 192, 240][n % 4]}.0'",
    "example.com": lambda n: f'send("{one(n, _NAMES)}@example.com")',
    "example.org, of RFC 2606": lambda n: f"# contact: support{n}@lists.example.org",
    "noreply": lambda n: f"{n}+bot@users.noreply.github.com",
    "clone": lambda n: f"git clone git@gitlab.com:group/project{n}.git",
    "lorem key": lambda n: f'api_key = "lorem-ipsum-dolor-sit-{one(n, ["amet", "elit", "sed"])}"',
    "place for a key": lambda n: 'API_TOKEN = "YOUR_API_TOKEN_HERE"',
    "key from outside": lambda n: f'secret_key = config["service{n}"]["secret_key"]',
    "password asked": lambda n: 'password = getpass.getpass("Password: ")',
    "empty password": lambda n: 'connect(user="root", password="")',
    "alphabet": lambda n: f'KEY_CHARS = "{_UPPER}{_DIGITS}"',
    "colours": lambda n: f'palette = ["#{n:06x}", "#ff8800", "#00ccaa"]',
    "MAC address": lambda n: f'mac = "52:54:00:{n % 256:02x}:1a:{n % 99:02}"',
    "decorator and matrix": lambda n: "y = x @ self.weight.T  # @torch.no_grad",
    "scoped package": lambda n: f'import x from "@angular/core@15.{n}.1";',
}  # fmt: skip
