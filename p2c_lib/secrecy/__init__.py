"""Nothing that is secret is told: every secret and token this process holds, in whatever way it is written.

Whoever gets to know a secret says so with ``keep_secret``; whoever prints, logs, keeps or raises a text asks
``masked`` for it first. What a service echoes is then told without it, and a terminal is shown ``harmless`` text.
"""

from p2c_lib.secrecy.files import LEAKED, clean_folder, clean_what_a_run_kept
from p2c_lib.secrecy.harmless import escaped_json, harmless, one_line, visible
from p2c_lib.secrecy.known import (
    MASK,
    forget_secrets,
    is_weak,
    keep_public,
    keep_secret,
    keep_secrets_of_proxies,
    keep_secrets_of_url,
    keep_token,
    kept_value,
    masked,
    masked_bytes,
    masked_value,
    rows_without_secrets,
    without_secrets,
    without_whole_secrets,
)
from p2c_lib.secrecy.left import forget_places, leaves, look_through
from p2c_lib.secrecy.matcher import SHORTEST
from p2c_lib.secrecy.raised import without_secrets_in
from p2c_lib.secrecy.sinks import behind, mask_streams
from p2c_lib.secrecy.tables import clean_column, secret_columns

__all__ = [
    "LEAKED",
    "MASK",
    "SHORTEST",
    "behind",
    "clean_column",
    "clean_folder",
    "clean_what_a_run_kept",
    "escaped_json",
    "forget_places",
    "forget_secrets",
    "harmless",
    "is_weak",
    "keep_public",
    "keep_secret",
    "keep_secrets_of_proxies",
    "keep_secrets_of_url",
    "keep_token",
    "kept_value",
    "leaves",
    "look_through",
    "mask_streams",
    "masked",
    "masked_bytes",
    "masked_value",
    "one_line",
    "rows_without_secrets",
    "secret_columns",
    "visible",
    "without_secrets",
    "without_secrets_in",
    "without_whole_secrets",
]
