"""What is kept of customers is its owner's alone, whatever the umask; of a group where the folder is open to one.

The state folder of a workspace is made 0700. ``chmod 2770 .p2c`` opens it to its group, who may then write there too:
that is the option, and what is made from then on is the group's as well. Everybody else is kept out in any case.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path

__all__ = ["private_file", "private_folder", "umask_for"]

OWNER, GROUP = 0o700, 0o2770


def private_folder(folder: Path) -> None:
    """Make a folder if it is not there, and take away what others may do in it. Raises OSError."""
    folder.mkdir(mode=OWNER, parents=True, exist_ok=True)
    if os.name != "posix":
        return
    found = folder.stat()
    allowed = GROUP if _is_shared(found) else OWNER
    mode = stat.S_IMODE(found.st_mode)
    if mode & ~allowed and found.st_uid == os.geteuid():
        folder.chmod(mode & allowed)


def private_file(file: Path) -> None:
    """Make an empty file in a folder of that kind, if it is not there. Raises OSError."""
    with suppress(FileExistsError):
        os.close(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        if _is_shared(file.parent.stat()):
            file.chmod(0o660)


def umask_for(folder: Path) -> int:
    """The umask under which files of a state folder are made: its group's too where that may write there."""
    try:
        return 0o007 if _is_shared(folder.stat()) else 0o077
    except OSError:
        return 0o077


def _is_shared(found: os.stat_result) -> bool:
    """Whether a folder was opened to its group on purpose: no umask makes one that hands its group on."""
    return bool(found.st_mode & stat.S_IWGRP and found.st_mode & stat.S_ISGID)
