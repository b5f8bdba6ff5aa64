"""Fault profiles: how often a request is refused, cut off or late; a seed makes the same trouble again."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import get_type_hints

from p2c_lib.errors import SandboxError, UnknownName

__all__ = ["ENDS", "PROFILES", "Faults", "faults_of", "profile"]


@dataclass(frozen=True)
class Faults:
    """How often what goes wrong; a rate is a share of requests from 0 to 1, the rates of one request's end add up to 1.

    ``throttled`` 429, ``unavailable`` 503 (an HTML page, as a gateway sends), ``failed`` 500, ``reset`` the connection
    drops (for half of them after the work is done), ``truncated`` the body ends early, ``sign_in_page`` 200 with a web
    page and ``sign_in_redirect`` 302, as where something signs people in before the service is reached. ``slow``
    requests wait ``slow_seconds`` first. ``parts`` is the share of a batch's operations that fail. ``deltas`` is the
    share of delta tokens that have expired. ``token_seconds`` after its first use a token is refused (0: never).
    ``trickled`` answers come a byte every ``trickle_seconds``. ``tokens`` is the share of token requests that are
    answered 429. ``retry_after``: what a 429 or 503 asks for, in seconds; 0 leaves the header out. A text is sent as it
    is ("0", "-5", "soon"), but ``date:SECONDS``, which is sent as the date so many seconds from now.
    """

    seed: int = 1
    throttled: float = 0.0
    unavailable: float = 0.0
    failed: float = 0.0
    reset: float = 0.0
    truncated: float = 0.0
    sign_in_page: float = 0.0
    sign_in_redirect: float = 0.0
    slow: float = 0.0
    slow_seconds: float = 0.5
    parts: float = 0.0
    deltas: float = 0.0
    token_seconds: float = 0.0
    retry_after: float | str = 1.0
    trickled: float = 0.0
    trickle_seconds: float = 1.0
    tokens: float = 0.0

    def __post_init__(self) -> None:
        """Refuse rates that are none."""
        rates = {name: getattr(self, name) for name in _RATES}
        for name, rate in rates.items():
            if not 0 <= rate <= 1:
                raise SandboxError(f"Fault '{name}' cannot be {rate}.", hint="A rate is a number from 0 to 1.")
        together = sum(rates[name] for name in ENDS)
        if together > 1:
            raise SandboxError(f"The rates of {', '.join(ENDS)} add up to {together:g}.", hint="They share 1.")
        for name in ("slow_seconds", "token_seconds", "trickle_seconds", "retry_after"):
            seconds = getattr(self, name)
            if not isinstance(seconds, str) and not 0 <= seconds <= 3600:
                raise SandboxError(f"Fault '{name}' cannot be {seconds}.", hint="Seconds, from 0 to 3600.")
        self.wait(datetime.now(UTC))

    def wait(self, now: datetime) -> str | None:
        """What ``Retry-After`` says; None for no such header."""
        told = self.retry_after
        if not isinstance(told, str):
            return f"{told:g}" if told else None
        if not _HEADER.fullmatch(told):
            raise SandboxError(f"No header can hold {told!r}.", hint="One line of letters, digits and signs of ASCII.")
        if not told.startswith(_DATE):
            return told
        try:
            return format_datetime(now + timedelta(seconds=float(told.removeprefix(_DATE))), usegmt=True)
        except (ValueError, OverflowError):
            raise SandboxError(
                f"{told!r} is no date.", hint="Write date: and seconds from now, such as date:-5."
            ) from None

    @property
    def any(self) -> bool:
        """Whether anything goes wrong at all."""
        return self.token_seconds > 0 or any(getattr(self, name) for name in _RATES)


ENDS = ("throttled", "unavailable", "failed", "reset", "truncated", "sign_in_page", "sign_in_redirect", "trickled")
_RATES = (*ENDS, "slow", "parts", "deltas", "tokens")
_HEADER = re.compile(r"[!-~]([ -~]{0,98}[!-~])?")
_DATE = "date:"

PROFILES: Mapping[str, Faults] = {
    "none": Faults(),
    "busy": Faults(throttled=0.05, slow=0.1, slow_seconds=0.2),
    "flaky": Faults(throttled=0.02, unavailable=0.02, failed=0.01, reset=0.02, truncated=0.02, parts=0.01),
    "storm": Faults(
        throttled=0.1, unavailable=0.05, failed=0.03, reset=0.05, truncated=0.05, parts=0.05, slow=0.1, deltas=0.5,
        token_seconds=5.0, retry_after=0.2, slow_seconds=0.1,
    ),
    "expiring": Faults(token_seconds=2.0, deltas=1.0),
    "past": Faults(throttled=0.2, tokens=0.2, retry_after="date:-5"),
    "hour": Faults(throttled=0.02, unavailable=0.02, tokens=0.02, retry_after="date:3600"),
    "trickle": Faults(trickled=0.02),
}  # fmt: skip


def profile(chosen: str | Path) -> Faults:
    """A profile by its name, or from a YAML file of the fields of `Faults`.

    >>> profile("busy").throttled
    0.05
    """
    if str(chosen) in PROFILES:
        return PROFILES[str(chosen)]
    path = Path(chosen)
    if not path.is_file():
        raise UnknownName("fault profile", str(chosen), PROFILES)
    import yaml

    try:
        wanted = yaml.safe_load(path.read_text("utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise SandboxError(f"{path.name} is not YAML: {error}.", hint="Write one 'name: value' a line.") from error
    return faults_of(wanted, where=path.name)


def faults_of(wanted: object, *, where: str) -> Faults:
    """A profile from plain values; an unknown name or a value of another kind is refused."""
    if not isinstance(wanted, dict):
        raise SandboxError(
            f"{where} is no list of faults.", hint=f"Known: {', '.join(f.name for f in fields(Faults))}."
        )
    hints = get_type_hints(Faults)
    for name, value in wanted.items():
        if name not in hints:
            raise UnknownName("fault", str(name), hints, where=where)
        taken = {int: int, float: int | float}.get(hints[name], int | float | str)
        if isinstance(value, bool) or not isinstance(value, taken):
            raise SandboxError(f"Fault '{name}' in {where} cannot be {value!r}.", hint="It takes a number.")
    return Faults(**wanted)
