"""Notices on their way: SMTP with verified TLS, a webhook, or a command. What cannot be sent is said, and no more."""

from __future__ import annotations

import json
import smtplib
import subprocess
from collections.abc import Callable
from dataclasses import replace
from html import escape
from typing import Any

from p2c_lib.config import Workspace, safe_url
from p2c_lib.errors import NoticeError, P2CError
from p2c_lib.notices.channels import Channel, channels
from p2c_lib.notices.notice import Notice
from p2c_lib.notices.program import run_program
from p2c_lib.secrecy import masked, masked_value
from p2c_lib.waiting import apart

__all__ = ["announce", "send"]

SECONDS = 15
WHOLE_SECONDS = 75.0  # for all of a notice: a server that trickles does not hold up the night
CARD = "application/vnd.microsoft.card.adaptive"


def announce(notice: Notice, place: Workspace, tell: Callable[[str], None]) -> int:
    """Send a notice to every channel that is told of one of its events; how many got it.

    A channel that cannot be reached, or an entry of p2c.toml that does not fit, is told and raises nothing: the run
    the notice is about is not the worse for it.
    """
    reached = 0
    try:
        wanted = [channel for channel in channels(place) if set(channel.on) & set(notice.events)]
    except P2CError as error:
        tell(f"nobody was told: {error}")
        return 0
    for channel in wanted:
        try:
            send(notice, channel)
            reached += 1
        except P2CError as error:
            tell(str(error))
    return reached


def send(notice: Notice, channel: Channel) -> None:
    """Send a notice through one channel. Raises NoticeError saying why it did not go out."""
    notice = replace(notice, **masked_value(vars(notice)))
    way: Callable[[Notice, Any], None] = {"email": _mail, "webhook": _post, "command": _run}[channel.kind]
    try:
        if channel.kind == "command":
            way(notice, channel.settings)  # not apart: whatever ends the wait for a program ends the program too
        else:
            apart(lambda: way(notice, channel.settings), WHOLE_SECONDS)
    except (OSError, smtplib.SMTPException, ValueError, subprocess.SubprocessError, P2CError) as error:
        said = " ".join(masked(str(error)).split())[:300]
        raise NoticeError(
            f"The notice to {channel.name} was not sent: {said}", hint=f"Try p2c notify test {channel.name}."
        ) from error


def _mail(notice: Notice, settings: Any) -> None:
    from p2c_lib.notices.mail import mail

    mail(notice, settings, WHOLE_SECONDS)


def _post(notice: Notice, settings: Any) -> None:
    from p2c_lib.notices.webhook import post

    url = safe_url(settings["url"].reveal(), "the webhook")
    body = {"teams": _teams, "slack": _slack, "json": Notice.to_dict}[settings["form"]](notice)
    post(url, body, settings["authority"], WHOLE_SECONDS, "The webhook")


def _run(notice: Notice, settings: Any) -> None:
    run_program(settings["command"], json.dumps(notice.to_dict()), 4 * SECONDS)


def _teams(notice: Notice) -> dict[str, Any]:
    """A card, as the Workflows of Teams take it."""
    texts = [{"type": "TextBlock", "text": notice.headline, "weight": "Bolder", "wrap": True}]
    texts += [{"type": "TextBlock", "text": line, "wrap": True} for line in notice.lines if line]
    card = {"$schema": "http://adaptivecards.io/schemas/adaptive-card.json", "type": "AdaptiveCard", "version": "1.4"}
    return {"type": "message", "attachments": [{"contentType": CARD, "content": {**card, "body": texts}}]}


def _slack(notice: Notice) -> dict[str, Any]:
    return {"text": escape(notice.text, quote=False)}
