"""What stands behind an exception of the distributed checkpoint."""

from collections.abc import Iterator

from torch.distributed.checkpoint.api import CheckpointException


def _behind(error: BaseException) -> Iterator[BaseException]:
    """Yields an exception and those that it came from."""
    yield error
    inner = [cause for cause in (error.__cause__, error.__context__) if cause is not None]
    if isinstance(error, CheckpointException):
        inner += [failure[0] for failure in error.failures.values()]
    for found in inner:
        yield from _behind(found)


def os_error_of(error: BaseException) -> OSError | None:
    """Returns the operating system's error behind an exception of the distributed checkpoint, if there is one."""
    return next((found for found in _behind(error) if isinstance(found, OSError)), None)


def raise_what_is_no_fault_of_files(error: BaseException) -> None:
    """Raises Ctrl-C and the want of memory as what they are: the distributed checkpoint wraps everything."""
    for found in _behind(error):
        if isinstance(found, (KeyboardInterrupt, MemoryError)):
            raise found


def reason(error: BaseException) -> str:
    """Returns the first line of what the distributed checkpoint says, of the first rank that failed."""
    if isinstance(error, CheckpointException) and error.failures:
        error = next(iter(error.failures.values()))[0]
    return str(error).strip().split("\n")[0].rstrip(".") or type(error).__name__
