"""Where notices go, as ``[notify.<name>]`` of p2c.toml says; secrets only by reference.

```toml
[notify.mail]
kind = "email"
host = "smtp.contoso.com"
from = "p2c@contoso.com"
to = ["finance-it@contoso.com"]
user = "p2c@contoso.com"
password = "env:P2C_SMTP_PASSWORD"  # security = "starttls" (the default, port 587) or "tls" (port 465)

[notify.team]
kind = "webhook"
form = "teams"  # or "slack", or "json" for a program
url = "env:P2C_TEAMS_URL"  # such an address is a secret itself
on = ["failure", "gate"]  # by default failure, gate and drift

[notify.pager]
kind = "command"
command = ["/usr/local/bin/page", "finance-it"]  # is given the notice as JSON on its input
```
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from p2c_lib.config import LOOPBACK, Secret, Workspace, checked_table
from p2c_lib.errors import ConfigError, UnknownName
from p2c_lib.notices.notice import EVENTS, USUAL

__all__ = ["Channel", "channels"]

ALWAYS = {"kind", "on"}
KEYS: Mapping[str, tuple[set[str], set[str]]] = {
    "email": ({"host", "from", "to"}, {"port", "security", "user", "password", "authority"}),
    "webhook": ({"url"}, {"form", "authority"}),
    "command": ({"command"}, set()),
}
PORTS = {"starttls": 587, "tls": 465, "none": 25}
FORMS = ("teams", "slack", "json")


@dataclass(frozen=True)
class Channel:
    """One way to tell: ``settings`` are those of its kind, checked; ``on`` are the events it is told of."""

    name: str
    kind: str
    on: tuple[str, ...]
    settings: Mapping[str, Any] = field(default_factory=dict)


def channels(place: Workspace) -> tuple[Channel, ...]:
    """The channels of a workspace. Raises ConfigError or UnknownName for an entry that does not fit."""
    entries = place.content.get("notify", {})
    if not isinstance(entries, dict):
        raise ConfigError("notify in p2c.toml is no table.", hint="Write [notify.mail] and its keys below it.")
    return tuple(_channel(name, entry, place.root) for name, entry in entries.items())


def _channel(name: str, entry: Any, root: Path) -> Channel:
    where = f"notify.{name}"
    kind = entry.get("kind") if isinstance(entry, dict) else None
    if kind is None:
        raise ConfigError(f"{where} has no kind.", hint=f"Write kind = one of {', '.join(KEYS)}.")
    if kind not in KEYS:
        raise UnknownName("kind", str(kind), KEYS, where=where)
    needed, further = KEYS[kind]
    given = checked_table(entry, ALWAYS | needed | further, needed, where)
    on = given.get("on", list(USUAL))
    for event in _texts(on, f"{where}.on"):
        if event not in EVENTS:
            raise UnknownName("event", event, EVENTS, where=f"{where}.on")
    if "authority" in given and not (root / str(given["authority"])).is_file():
        raise ConfigError(f"{where}.authority: there is no file {root / str(given['authority'])}.")
    settings = {"email": _email, "webhook": _webhook, "command": _command}[kind](given, where)
    authority = str(root / str(given["authority"])) if "authority" in given else None
    return Channel(name, kind, tuple(on), {**settings, "authority": authority})


def _email(given: Mapping[str, Any], where: str) -> dict[str, Any]:
    security = str(given.get("security", "starttls"))
    if security not in PORTS:
        raise UnknownName("security", security, PORTS, where=where)
    if security == "none" and given["host"] not in LOOPBACK:
        raise ConfigError(f"{where} would send unprotected.", hint='Use security = "starttls" or "tls".')
    port = given.get("port", PORTS[security])
    if isinstance(port, bool) or not isinstance(port, int) or not 0 < port < 65_536:
        raise ConfigError(f"{where}.port is {port!r}.", hint="Write a number, such as 587.")
    if ("user" in given) != ("password" in given):
        raise ConfigError(f"{where} needs both user and password, or neither.")
    to = _texts(given["to"], f"{where}.to")
    addresses = [str(given["from"]), *to]
    if bad := [one for one in addresses if "@" not in one or any(c in one for c in "\r\n,<>")]:
        raise ConfigError(f"{where} has the address {bad[0]!r}.", hint="Write plain addresses: finance@contoso.com.")
    secret = Secret(str(given["password"])) if "password" in given else None
    facts = {"host": str(given["host"]), "port": port, "security": security, "from": str(given["from"]), "to": to}
    return facts | {"user": given.get("user"), "password": secret}


def _webhook(given: Mapping[str, Any], where: str) -> dict[str, Any]:
    form = str(given.get("form", "teams"))
    if form not in FORMS:
        raise UnknownName("form", form, FORMS, where=where)
    return {"form": form, "url": Secret(str(given["url"]))}


def _command(given: Mapping[str, Any], where: str) -> dict[str, Any]:
    return {"command": _texts(given["command"], f"{where}.command")}


def _texts(given: Any, where: str) -> list[str]:
    if not isinstance(given, list) or not given or not all(isinstance(one, str) and one for one in given):
        raise ConfigError(f"{where} is no list of texts.", hint='Write ["...", "..."].')
    return list(given)
