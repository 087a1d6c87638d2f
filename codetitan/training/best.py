"""The best checkpoint of a run, kept beside the latest ones in a folder of its own, `dump_folder`/best/step-N."""

import os
import shutil
from pathlib import Path

FOLDER = "best"


def keep(checkpoint: Path, folder: Path) -> None:
    """Keeps a complete checkpoint in `folder`, in place of what is there.

    Links to its files: it takes no room as long as the run keeps it too, and stays when the run deletes it. Where a
    file system has no links, a copy.

    Raises:
        OSError: it can't be written; what was there is there.
    """
    new = folder / f".{checkpoint.name}"
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(parents=True)
    for file in checkpoint.iterdir():
        try:
            os.link(file, new / file.name)
        except OSError:
            shutil.copy2(file, new / file.name)
    kept = folder / checkpoint.name
    shutil.rmtree(kept, ignore_errors=True)
    new.rename(kept)
    for other in [*folder.glob("step-*"), *folder.glob(".step-*")]:
        if other != kept:
            shutil.rmtree(other, ignore_errors=True)
