"""Every error the workbench raises, on one page.

    P2CError
    ├── ConfigError            p2c.toml, connection sets, secrets
    ├── UnknownName            a task, set, parameter, column, key ... that does not exist
    ├── TemplateError          a template that cannot be read or does not fit
    ├── SuiteError             an expectation suite that cannot be read or does not fit
    ├── FrameError             a frame that lacks what a step needs
    │   └── UnfitToken         a token for later changes that is of something else than is asked
    ├── GateClosed             the gate stopped the load
    ├── PlanError              a plan that must not be applied
    │   ├── PlanAltered        its files do not have its hash
    │   └── WrongEnvironment   made for other systems than these
    ├── RunError               a notebook run that failed
    ├── NoticeError            a notice that did not go out
    ├── SandboxError           the sandbox could not start, load or stop
    └── ServiceError           Sales or F&O answered with an error, or not at all
        ├── Unreachable        no answer
        │   └── Untrusted      its certificate is not trusted, or no TLS is spoken there
        ├── NotAuthorised      no token, or a refused one
        ├── NotTheService      a sign-in page, a proxy or another system answered
        ├── NotFound           no such row
        ├── NoRoute            no such address: the router knows no set or key like it
        ├── UrlTooLong         the address is longer than the service takes
        ├── Duplicate          a row with that key is there already
        ├── Drifted            the row moved since it was read (etag)
        ├── Throttled          asked to wait longer than the time budget
        ├── Rejected           the service refused the data
        ├── Unsendable         a write that no request can carry: its key or a value has no form there
        ├── IncompleteRead     what arrived is not the whole
        ├── AnswerTooLarge     more came than one answer may have
        └── NotSent            asked to stop before it was sent

Every error says what came, what is allowed and what to do next: ``message`` in one line and ``hint`` on its own.
Parts that a program may want are attributes. ``can_retry`` tells whether the same call may succeed later. What an error
says is without secrets, whatever a service echoed, and so is the exception it stands for; and it is harmless to show:
control characters and what turns letters around are written as what they are (``\\x1b``).
``StopRun`` is beside the tree: a notebook raises it where nothing is left to do, which is no error.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any

from p2c_lib.secrecy import harmless, masked, masked_value, without_secrets_in

__all__ = [
    "AnswerTooLarge",
    "ConfigError",
    "Drifted",
    "Duplicate",
    "FrameError",
    "GateClosed",
    "IncompleteRead",
    "NoRoute",
    "NotAuthorised",
    "NotFound",
    "NotSent",
    "NotTheService",
    "NoticeError",
    "P2CError",
    "PlanAltered",
    "PlanError",
    "Rejected",
    "RunError",
    "SandboxError",
    "ServiceError",
    "StopRun",
    "SuiteError",
    "TemplateError",
    "Throttled",
    "UnfitToken",
    "UnknownName",
    "Unreachable",
    "Unsendable",
    "Untrusted",
    "UrlTooLong",
    "WrongEnvironment",
]


HALF = re.compile("[\ud800-\udfff]")


def _shown(text: str) -> str:
    """A text that any terminal, file and page can show, whatever a service said or a value that is told of holds.

    What steers a terminal or turns letters around is written as what it is; half a character is U+FFFD.
    """
    return text if text.isascii() and text.isprintable() else harmless(HALF.sub("\ufffd", text))


class P2CError(Exception):
    """Any error of the workbench: one line of what is wrong, and a hint of what to do."""

    can_retry = False

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        without_secrets_in(sys.exception())
        super().__init__(_shown(masked(message)))
        self.message = message
        self.hint = hint

    def __setattr__(self, name: str, value: Any) -> None:
        value = masked_value(value)
        super().__setattr__(name, _shown(value) if isinstance(value, str) else value)

    def __str__(self) -> str:
        return f"{self.message} {self.hint}" if self.hint else self.message

    def to_dict(self) -> dict[str, Any]:
        """The error as plain values, for ``--json`` and the ledger."""
        parts = {k: v for k, v in vars(self).items() if k not in {"message", "hint"}}
        return {"error": type(self).__name__, "message": self.message, "hint": self.hint, **parts}


class ConfigError(P2CError):
    """``p2c.toml``, a connection set or a secret reference does not fit."""


class StopRun(Exception):
    """A notebook has nothing left to do: its later cells are skipped and its run ends cleanly.

    Raised in a cell as ``raise p2c.StopRun("no account changed since yesterday")``.
    """


class UnknownName(P2CError):
    """A name that does not exist, with the names that do and the nearest one.

    >>> str(UnknownName("task", "acounts", ["accounts", "contacts"]))
    "Unknown task 'acounts'. Did you mean 'accounts'? Allowed: accounts, contacts."

    ``because`` says of a name that exists why it is none that can be used.
    """

    def __init__(
        self, kind: str, came: str, known: Iterable[str], *, where: str | None = None, because: str | None = None
    ) -> None:
        names = sorted(known)
        near = get_close_matches(came.lower(), [n.lower() for n in names], n=1, cutoff=0.6)
        nearest = next((n for n in names if near and n.lower() == near[0]), None)
        place = f" in {where}" if where else ""
        guess = f"Did you mean '{nearest}'? " if nearest else ""
        shown = ", ".join(names[:40]) + (f" and {len(names) - 40} more" if len(names) > 40 else "")
        allowed = f"Allowed: {shown}." if names else "There is none."
        said = f"{came}{place} {because}." if because else f"Unknown {kind} '{came}'{place}."
        super().__init__(said, hint=f"{guess}{allowed}")
        self.kind, self.came, self.known, self.nearest = kind, came, names, nearest


class TemplateError(P2CError):
    """A mapping template is wrong; ``path`` names the place, such as ``fields[3].apply[0]``."""

    def __init__(self, message: str, *, path: str | None = None, hint: str | None = None) -> None:
        super().__init__(f"{path}: {message}" if path else message, hint=hint)
        self.path = path


class SuiteError(P2CError):
    """An expectation suite is wrong; names the file and the expectation."""


class FrameError(P2CError):
    """A frame lacks a column, a type or rows that a step needs."""


class UnfitToken(FrameError):
    """A token for later changes does not belong to what is asked with it: another set, other columns, or no token."""


class GateClosed(P2CError):
    """The gate stopped the load: the verdict says why."""


class PlanError(P2CError):
    """A plan that must not be applied."""


class PlanAltered(PlanError):
    """The plan's files are not those it was hashed with."""


class WrongEnvironment(PlanError):
    """The plan was made for other systems than the session speaks to."""


class RunError(P2CError):
    """A notebook run did not finish."""


class NoticeError(P2CError):
    """A notice about a run did not go out; the run itself is not touched by it."""


class SandboxError(P2CError):
    """The sandbox could not be started, loaded or stopped."""


class ServiceError(P2CError):
    """A system's answer that is not the one asked for.

    ``status`` is the HTTP status (0: no answer), ``code`` the service's own code, ``target`` the row or set asked
    for, ``request_id`` what the service's support asks for; ``told`` says that these are the service's own words.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int = 0,
        code: str = "",
        target: str = "",
        request_id: str = "",
        hint: str | None = None,
        told: bool = False,
    ) -> None:
        super().__init__(message, hint=hint)
        self.told = told
        self.status, self.code, self.target, self.request_id = status, code, target, request_id


class Unreachable(ServiceError):
    """No answer: refused connection, time-out, reset, or a name that does not resolve."""

    can_retry = True


class Untrusted(Unreachable):
    """Nothing was sent: the certificate is not trusted, or what listens there does not speak TLS as it is needed."""

    can_retry = False


class NotAuthorised(ServiceError):
    """No token could be had, or the service refused it (401, 403)."""


class NotTheService(ServiceError):
    """What answered is not the service: a web page, a redirect to sign in, a proxy, or another system."""


class NotFound(ServiceError):
    """No such row: the service looked for it and it is not there."""


class NoRoute(ServiceError):
    """No such address: an entity set the service does not have, or a key its router cannot take apart.

    It says nothing about any row: one that is meant by the address may well be there.
    """


class UrlTooLong(ServiceError):
    """The address is longer than the service, or what stands before it, takes."""


class Duplicate(ServiceError):
    """A row with the same key is there already."""


class Drifted(ServiceError):
    """The row changed after it was read: its etag is not the one sent."""


class Throttled(ServiceError):
    """The service asked to wait (429) for longer than the time budget allows."""

    can_retry = True


class Rejected(ServiceError):
    """The service refused the data: a rule, a length, a missing reference."""


class Unsendable(ServiceError):
    """A write that no request can carry: its row cannot be addressed, or a value has no form on the wire.

    Nothing was sent of it, and trying again does not help.
    """


class IncompleteRead(ServiceError):
    """What arrived is not the whole: a page cut short, a count that does not agree."""

    can_retry = True


class AnswerTooLarge(ServiceError):
    """An answer is larger than one may be, as it comes or unpacked, or holds more than there is memory for."""


class NotSent(ServiceError):
    """The caller asked to stop before this was sent: nothing happened at the service."""

    can_retry = True
