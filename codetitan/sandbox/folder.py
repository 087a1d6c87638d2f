"""The one folder that a program may write to: a tmpfs of its own where this process may mount one, else on disk."""

import os
import stat
from collections.abc import Iterable

from codetitan.sandbox.kernel import calls

_MOUNT_POINTS = ("/mnt", "/media", "/srv")


class Folder:
    """A zygote's folder, emptied after each program. It is not mounted over what is `needed`; on disk
    it is in the folder `temporary`.

    `bounded`: the file system itself holds the size and the number of files; otherwise `over` must be asked while a
    program runs, and what lies between two questions can be too much.
    """

    def __init__(self, size_mib: int, files: int, needed: Iterable[str], temporary: str) -> None:
        self._size, self._files = size_mib << 20, files
        kept = [f"{path}/" for path in needed]
        for self.path in _MOUNT_POINTS:
            if os.path.isdir(self.path) and not any(path.startswith(f"{self.path}/") for path in kept):
                try:
                    # Seen by this process and its children alone, and gone with them, whatever ends them.
                    calls.mount_private_tmpfs(self.path, f"size={size_mib}m,nr_inodes={files + 1},mode=700")
                    self.bounded = True
                    return
                except OSError:
                    break
        self.path = f"{temporary}/codetitan-sandbox-{os.urandom(8).hex()}"
        os.mkdir(self.path, 0o700)
        self.bounded = False

    def over(self) -> bool:
        """Whether there is more in it than may be."""
        files, size, folders = 0, 0, [self.path]
        while folders:
            try:
                with os.scandir(folders.pop()) as entries:
                    for entry in entries:
                        found = entry.stat(follow_symlinks=False)
                        files += 1
                        size += found.st_blocks * 512
                        if files > self._files or size > self._size:
                            return True
                        if stat.S_ISDIR(found.st_mode):
                            folders.append(entry.path)
            except FileNotFoundError:
                continue
            except OSError:  # a folder that can't be read, or a path too long
                return True
        return False

    def clear(self) -> None:
        """Removes all that is in it, however deep, with one open folder at a time."""
        here = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
        names: list[str] = []  # of the folders from the outermost to `here`
        left = [_emptied(here)]  # the folders that are still in each of them
        try:
            while True:
                if left[-1]:
                    names.append(left[-1].pop())
                    os.chmod(names[-1], 0o700, dir_fd=here)
                    following = os.open(names[-1], os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=here)
                    left.append(_emptied(following))
                elif names:
                    following = os.open("..", os.O_RDONLY | os.O_DIRECTORY, dir_fd=here)
                    os.rmdir(names.pop(), dir_fd=following)
                    left.pop()
                else:
                    return
                os.close(here)
                here = following
        finally:
            os.close(here)

    def remove(self) -> None:
        """At the end."""
        if not self.bounded:
            self.clear()
            os.rmdir(self.path)


def _emptied(folder: int) -> list[str]:
    """Removes the files in an open folder; returns the names of the folders in it."""
    with os.scandir(folder) as found:
        entries = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in found]
    for name, is_folder in entries:
        if not is_folder:
            os.unlink(name, dir_fd=folder)
    return [name for name, is_folder in entries if is_folder]
