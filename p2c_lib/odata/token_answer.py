"""What an answer with a token says: the token and how long it lasts, or why there is none; it is never repeated."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from p2c_lib.errors import NotAuthorised
from p2c_lib.odata.statuses import with_status
from p2c_lib.secrecy import keep_token, masked

__all__ = ["HINT", "MOST_VALUES", "checked_token", "first_line", "is_passing", "lifetime", "not_understood", "token_of"]

TOKENS = ("access_token", "refresh_token", "id_token")
LONGEST_TOKEN = 16_384  # characters; a header of more is taken by no server of Microsoft's (IIS, Azure)
LONGEST_LIFE = 10 * 365 * 86_400.0
MOST_SAID = 300
MOST_VALUES = 10_000  # of an answer with a token, which has ten
_NOT_IN_A_TOKEN = re.compile(r"[^!-~]")  # RFC 6750 has even fewer
LATER = "Try again in a few minutes: this passes by itself. If it stays, look at the health page of Microsoft Entra."
# Errors of RFC 6749 that say to ask again, and Entra's codes for what passes by itself (its reference of error codes:
# a failure that may be retried, a service unreachable, a request that timed out, too many of a tenant).
PASSING = frozenset({"temporarily_unavailable", "server_error", "slow_down"})
PASSING_CODES = frozenset({40010, 90006, 90012, 90024, 90025, 90033, 90055, 90090, 90091})
_CODE = re.compile(r"\s{0,9}AADSTS([0-9]{1,9})\b")
HINT = "Check the client id, the secret and the tenant of the connection in p2c.toml; with a certificate, its file."


def token_of(body: Mapping[str, Any], where: str, status: int = 0) -> tuple[str, float]:
    """Token and lifetime of a token endpoint's answer. Raises NotAuthorised for one that has none, or none of use."""
    _keep_tokens(body, where, status)
    token = body.get("access_token")
    if token == "" and not body.get("error"):
        raise not_understood(where, status, "its access_token is empty")
    if not token:
        raise _refused(body, where, status)
    if not isinstance(token, str):
        raise not_understood(where, status, f"its access_token is no text but {type(token).__name__}")
    return checked_token(token, where, status), lifetime(body.get("expires_in"), where, status)


def _keep_tokens(body: Mapping[str, Any], where: str, status: int) -> None:
    """Whatever token came is told to nobody. Raises NotAuthorised for one that is none by its length."""
    tokens = {name: told for name in TOKENS if isinstance(told := body.get(name), str)}
    for name, told in tokens.items():
        if len(told) > LONGEST_TOKEN:
            raise _too_long(name, told, where, status)
    for name, told in tokens.items():
        keep_token(told, used=name == "access_token")


def _too_long(name: str, told: str, where: str, status: int) -> NotAuthorised:
    said = f"its {name} has {len(told):,} characters; a token has {LONGEST_TOKEN:,} at most"
    return not_understood(where, status, said)


def checked_token(token: str, where: str, status: int = 0) -> str:
    """The token itself. Raises NotAuthorised for one that no header can carry, or that is no token by its length."""
    if (odd := _NOT_IN_A_TOKEN.search(token)) is not None:
        said = f"a character that no token has (U+{ord(odd[0]):04X} at {odd.start() + 1:,} of {len(token):,})"
        raise not_understood(where, status, f"its access_token holds {said}")
    if len(token) > LONGEST_TOKEN:
        raise _too_long("access_token", token, where, status)
    return token


def is_passing(body: object) -> bool:
    """Whether an answer without a token says that the same request may well be answered with one in a while.

    >>> is_passing({"error": "invalid_request", "error_description": "AADSTS90033: A transient error has occurred."})
    True
    >>> is_passing({"error": "invalid_client", "error_description": "AADSTS7000215: Invalid client secret provided."})
    False
    """
    if not isinstance(body, Mapping) or body.get("access_token") or not body.get("error"):
        return False
    told, codes = body.get("error_description"), body.get("error_codes")
    named = {int(found[1])} if isinstance(told, str) and (found := _CODE.match(told)) else set()
    named |= {code for code in codes if isinstance(code, int)} if isinstance(codes, list) else set()
    return str(body["error"]) in PASSING or not named.isdisjoint(PASSING_CODES)


def _refused(body: Mapping[str, Any], where: str, status: int) -> NotAuthorised:
    told = (first_line(str(body.get(name) or "")) for name in ("error_description", "error"))
    said = with_status(next(filter(None, told), "no reason given"), status, told=False)
    code = masked(str(body.get("error") or ""))[:MOST_SAID]
    hint = LATER if is_passing(body) else HINT
    return NotAuthorised(f"No token from {where}: {said}", status=status, code=code, target=where, hint=hint)


def first_line(said: str) -> str:
    """The first line of what somebody says that has any words, without secrets; empty where none has."""
    lines = (line.strip() for line in masked(said).splitlines())
    return next(filter(None, lines), "")[:MOST_SAID]


def not_understood(where: str, status: int, found: str) -> NotAuthorised:
    """The error for a token endpoint's answer that is none: it never repeats a token."""
    return NotAuthorised(
        f"The token answer of {where} cannot be understood: {found}.",
        status=status,
        target=where,
        hint="An access_token in plain letters and expires_in in seconds are needed. Is token_url the token endpoint's "
        "own address, and does nothing between here and it change its answers?",
    )


def lifetime(told: Any, where: str, status: int = 0) -> float:
    """The seconds a token lasts as its answer tells; an hour, as usual, where it tells nothing."""
    if told is None:
        return 3600.0
    try:
        seconds = float("nan") if isinstance(told, bool) else float(told)
    except (TypeError, ValueError, OverflowError):
        seconds = float("nan")
    if not 0.0 <= seconds < float("inf"):
        raise not_understood(where, status, f"its expires_in is {masked(str(told))[:60]!r}, not seconds")
    return min(seconds, LONGEST_LIFE)
