"""``python -m p2c_lib.sandbox serve``: the sandbox without the rest of the workbench."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from p2c_lib.errors import P2CError


def main(arguments: list[str] | None = None) -> int:
    """Parse the arguments, serve, and answer the exit code: 0, or 2 with one line of what is wrong."""
    parser = argparse.ArgumentParser(prog="python -m p2c_lib.sandbox")
    verbs = parser.add_subparsers(dest="verb", required=True)
    serving = verbs.add_parser("serve", help="serve both systems on 127.0.0.1")
    serving.add_argument("--sales-port", type=int, default=None)
    serving.add_argument("--finops-port", type=int, default=None)
    serving.add_argument("--home", type=Path, default=Path(".p2c/sandbox"), help="where server.json is written")
    serving.add_argument("--state", type=Path, default=None, help="where the rows are kept (default: home)")
    serving.add_argument("--token", default=os.environ.get("P2C_SANDBOX_TOKEN"), help="or P2C_SANDBOX_TOKEN")
    serving.add_argument("--tls", action="store_true", help="https with a certificate of its own making")
    serving.add_argument("--no-limits", action="store_true", help="without the service protection limits of Sales")
    serving.add_argument(
        "--faults", default="none", help="a fault profile: none, busy, flaky, storm, expiring or a file"
    )
    serving.add_argument("--admin", action="store_true", help="let PUT /sandbox/faults change the profile")
    serving.add_argument("--attached", action="store_true", help="stop when standard input ends")
    given = parser.parse_args(arguments)
    from p2c_lib.sandbox.server import serve

    try:
        serve(
            given.home,
            sales_port=given.sales_port,
            finops_port=given.finops_port,
            state=given.state,
            token=given.token,
            tls=given.tls,
            limits=not given.no_limits,
            faults=given.faults,
            admin=given.admin,
            attached=given.attached,
        )
    except P2CError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
