"""``p2c``: words to calls, errors to exit codes.

Exit codes: 0 clean, 1 differences or a closed gate, 2 error, 130 interrupted, 143 ended by
SIGTERM. Data goes to stdout, talk to stderr.
"""

from p2c_lib.cli.root import app, main

__all__ = ["app", "main"]
