"""A start without garbage collection: while torch and torchtitan are imported, nothing is garbage.

Their million objects are looked at again and again as they come: a third of the time of a command that imports them.
"""

import gc


def pause() -> bool:
    """Stops the collection; returns what `go_on` wants to know."""
    was_on = gc.isenabled()
    gc.disable()
    return was_on


def go_on(was_on: bool) -> None:
    """Collects again, if that was so before `pause`."""
    if was_on:
        gc.enable()
