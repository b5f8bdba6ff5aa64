"""Commands of the command line, called in this process."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from p2c_lib.cli import main


def called(words: Sequence[str]) -> int:
    """A command in this process, as its script starts it; its exit code."""
    before = sys.argv, sys.stdout, sys.stderr, sys.excepthook
    sys.argv = ["p2c", *words]
    try:
        main()
    except SystemExit as ended:
        return int(ended.code or 0)
    finally:
        sys.argv, sys.stdout, sys.stderr, sys.excepthook = before
    return 0
