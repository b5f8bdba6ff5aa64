"""Told: a run that failed, met a closed gate or found drift says so by e-mail, webhook or command."""

from p2c_lib.notices.channels import Channel, channels
from p2c_lib.notices.notice import EVENTS, Notice, notice_of
from p2c_lib.notices.send import announce, send

__all__ = ["EVENTS", "Channel", "Notice", "announce", "channels", "notice_of", "send"]
