"""What the commands' options share."""

from codetitan.errors import ConfigError


def at_least_one(option: str, value: int | None) -> None:
    """Raises ConfigError where an option's number is given and below 1."""
    if value is not None and value < 1:
        raise ConfigError(f"{option} {value} must be at least 1")
