"""Reconciliation: two frames by key, what differs and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

from p2c_lib.reconcile.columns import compared_columns
from p2c_lib.reconcile.engine import find
from p2c_lib.reconcile.result import Reconciliation
from p2c_lib.reconcile.sides import Side, Snapshot

if TYPE_CHECKING:
    from p2c_lib.mapping import Template

__all__ = ["Reconciliation", "Snapshot", "reconcile"]


def reconcile(expected: Side, actual: Side, template: Template) -> Reconciliation:
    """Compare what should be there with what is, by key, under the template's compare rules.

    Keys pair as the destination compares them (``RowKey``). Every row lands in one class: equal, changed, missing,
    extra, duplicate (its key stands more than once on a side; never paired) or invalid (it has no key, or one
    that came as no well-formed text, so that nobody knows which). Either side may be a Snapshot, which stays on disk.
    Raises FrameError where the frames do not fit together.
    """
    findings = find(expected, actual, compared_columns(expected, actual, template))
    return Reconciliation(expected, actual, template, findings.classes, findings.differences)
