"""No secret stays in a run folder: every file is searched for the secrets and tokens in use, however they are written.

What is found is replaced, and the run says so and fails: who put it there has to know. Only a whole secret counts: a
piece of one may be a customer's name. One that is an everyday word is looked for in no file: a row may hold the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from p2c_lib.config import Secret
from p2c_lib.errors import ConfigError
from p2c_lib.secrecy import MASK, clean_folder
from p2c_lib.secrecy.files import Cleaned

__all__ = ["scrub", "words_of"]

PROBLEM = "secrets"
MOST_NAMED = 10


def scrub(folder: Path, secrets: Iterable[Secret], printed: Iterable[str] = ()) -> dict[str, str]:
    """Replace every secret in the files of a folder; empty, or one problem that names the files.

    Each file stays what it was: Parquet and Arrow however deep a text stands in it, JSON and notebooks with their
    names, databases with their rows, workbooks part by part. A plan is never altered. ``printed`` are files that held
    one which was replaced before, or as they were written.
    """
    for secret in secrets:
        with suppress(ConfigError):
            secret.reveal()
    said = words_of(clean_folder(folder), printed)
    return {PROBLEM: said} if said else {}


def words_of(found: Cleaned, printed: Iterable[str] = ()) -> str:
    """What was found in the files of a folder, in words; empty where there is nothing to tell."""
    cleaned = sorted({*found.cleaned, *printed} - {*found.plans})
    said = []
    if cleaned:
        said.append(f"a secret stood in {_named(cleaned)}; there it was replaced by {MASK}")
    if plans := sorted({str(Path(name).parent) for name in found.plans}):
        said.append(
            f"a secret stands in the plan in {_named(plans)}, which is left as it was made, so that it can be undone"
        )
    if found.unread:
        unread = [f"{name} ({found.why[name]})" for name in found.unread]
        said.append(f"nobody can say whether one stands in files that cannot be read: {_named(unread)}")
    change = ". Change the secret, and what printed it" if cleaned or plans else ""
    return "; ".join(said) + change


def _named(names: Sequence[str]) -> str:
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return ", ".join(names[:MOST_NAMED]) + more
