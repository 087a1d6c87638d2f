"""What stands behind an exception of the distributed checkpoint."""

from torch.distributed.checkpoint.api import CheckpointException


def os_error_of(error: BaseException) -> OSError | None:
    """Returns the operating system's error behind an exception of the distributed checkpoint, if there is one."""
    if isinstance(error, OSError):
        return error
    inner = [cause for cause in (error.__cause__, error.__context__) if cause is not None]
    if isinstance(error, CheckpointException):
        inner += [failure[0] for failure in error.failures.values()]
    return next((found for found in map(os_error_of, inner) if found is not None), None)


def reason(error: BaseException) -> str:
    """Returns the first line of what the distributed checkpoint says, of the first rank that failed."""
    if isinstance(error, CheckpointException) and error.failures:
        error = next(iter(error.failures.values()))[0]
    return str(error).strip().split("\n")[0].rstrip(".") or type(error).__name__
