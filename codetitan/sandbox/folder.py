"""The one folder that a program may write to: a tmpfs of its own where this process may mount one, else on disk."""

import os
import secrets
import stat
import tempfile

from codetitan.sandbox import kernel


_MOUNT_POINTS = ("/mnt", "/media", "/srv")


class Folder:
    """A zygote's folder, emptied after each program.

    `bounded`: the file system itself holds the size and the number of files; otherwise `over` must be asked while a
    program runs, and what lies between two questions can be too much.
    """

    def __init__(self, size_mib: int, files: int) -> None:
        self._size, self._files = size_mib << 20, files
        for self.path in _MOUNT_POINTS:
            if os.path.isdir(self.path) and not os.path.dirname(os.__file__).startswith(f"{self.path}/"):
                try:
                    # Seen by this process and its children alone, and gone with them: nothing is left, whatever ends them.
                    kernel.mount_private_tmpfs(self.path, f"size={size_mib}m,nr_inodes={files + 1},mode=700")
                    self.bounded = True
                    return
                except OSError:
                    break
        self.path = tempfile.mkdtemp(prefix="codetitan-sandbox-")
        self.bounded = False

    def give(self, uid: int) -> None:
        """Makes it a user's."""
        os.chown(self.path, uid, uid)

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
        """Removes all that is in it, however deep: folders are moved up before they are removed."""
        prefix, moved = f"{self.path}/{secrets.token_hex(8)}", 0  # a name that a program can't have taken
        while True:
            with os.scandir(self.path) as found:
                entries = list(found)
            if not entries:
                return
            for entry in entries:
                if not entry.is_dir(follow_symlinks=False):
                    os.unlink(entry.path)
                    continue
                os.chmod(entry.path, 0o700)
                with os.scandir(entry.path) as found:
                    inner = list(found)
                for child in inner:
                    if child.is_dir(follow_symlinks=False):
                        os.chmod(child.path, 0o700)  # a folder that moves is written to
                        moved += 1
                        os.rename(child.path, f"{prefix}-{moved}")
                    else:
                        os.unlink(child.path)
                os.rmdir(entry.path)

    def remove(self) -> None:
        """At the end."""
        if not self.bounded:
            self.clear()
            os.rmdir(self.path)
