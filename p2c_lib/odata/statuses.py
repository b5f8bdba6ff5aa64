"""What the status of an answer says: whether asking again may help, whether something may have begun, what to do.

Besides HTTP's own statuses there are those of what stands before a service: Cloudflare's from 520 on, IIS' 440 and 449,
nginx' 499, and those of proxies for a service that is silent.
"""

from __future__ import annotations

import re

__all__ = ["NOT_BEGUN", "OF_THE_SERVICE", "TRANSIENT", "fails_inside", "remedy", "with_status"]

OF_GATEWAYS = frozenset({*range(520, 528), 530, 598, 599})
TRANSIENT = frozenset({408, 425, 429, 502, 503, 504}) | OF_GATEWAYS
FOR_GOOD = frozenset({501, 505, 506, 507, 508, 510, 511})  # the same request ends the same
NOT_BEGUN = frozenset({425, 429, 503})  # where the service itself says so, it did not take the request up
OF_THE_SERVICE = frozenset({400, 401, 403, 404, 405, 409, 412, 413, 422})  # that it explains in words of its own

_LATER = "Try again in a minute; if it stays, look at the service's health page."
_SIGN_IN = (
    "The sign-in at something between here and the service has ended: sign in to it anew (a VPN, a proxy), or let "
    "this machine through without it."
)
_GAVE_UP = (
    "What stands between here and the service gave up before the answer came: try again, asking for less at once."
)
_IN_ITS_PLACE = (
    "These are not the service's own words: look at what stands between here and it (a proxy, a gateway, a VPN), and "
    "whether url in p2c.toml is right."
)
_ODD = (
    "Neither service is known to answer so: look at what stands between here and it (a proxy, a gateway, a VPN), and "
    "whether url in p2c.toml is right; then try again."
)
_REMEDIES = {
    440: _SIGN_IN,
    449: _SIGN_IN,
    460: _GAVE_UP,
    494: "A header is too long for what stands before the service: a token of very many groups may be.",
    499: _GAVE_UP,
    500: _LATER,
    525: "What stands before the service and the service have no TLS in common: whoever runs it has to mend that.",
    526: "What stands before the service does not trust its certificate: whoever runs it has to mend that.",
}


def fails_inside(status: int) -> bool:
    """Whether whoever answers failed on a request of its own account; a question may be put again a few times."""
    return 500 <= status < 600 and status not in TRANSIENT | FOR_GOOD


def remedy(status: int) -> str:
    """What to do about an answer whose words tell nothing of that."""
    if status in TRANSIENT or fails_inside(status):
        return _REMEDIES.get(status, _LATER)
    return _REMEDIES.get(status, _IN_ITS_PLACE if status in OF_THE_SERVICE else _ODD)


def with_status(said: str, status: int, *, told: bool) -> str:
    """Words about an answer, with its status; without it where the service itself tells in words what is wrong.

    >>> with_status("web server is down.", 521, told=False)
    'web server is down (status 521).'
    >>> with_status("5000 rows of 500 gone", 500, told=False), with_status("HTTP 500 Broken", 500, told=False)
    ('5000 rows of 500 gone (status 500)', 'HTTP 500 Broken')
    """
    if not status or (told and status in OF_THE_SERVICE) or _names(said, status):
        return said
    end = "." if said.endswith(".") else ""
    return f"{said.removesuffix('.')} (status {status}){end}"


def _names(said: str, status: int) -> bool:
    """Whether words name a status as one, and not a number that happens to be the same."""
    named = rf"(?:http|http/[0-9.]{{1,4}}|status|code|error)[ :=]{{1,3}}{status}\b"
    return (
        re.search(named, said, re.IGNORECASE) is not None
        or re.search(rf"\b{status}(?: [A-Z]|$|[.):])", said) is not None
    )
