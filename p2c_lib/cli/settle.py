"""``p2c settle``: the rules that would settle the differences of a task, and putting some of them into its template."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from p2c_lib.cli.show import JsonOption, SetOption, json_line, say, session_of, tell
from p2c_lib.config import SANDBOX
from p2c_lib.errors import UnknownName

if TYPE_CHECKING:
    from pathlib import Path

    from p2c_lib.mapping import Template
    from p2c_lib.mapping.rewriting import Rewritten
    from p2c_lib.reconcile.preview import Preview
    from p2c_lib.session import Session

__all__ = ["settle"]

HEAD = ("number", "cause", "proposal", "differences", "become", "gone", "new")


def settle(
    task: Annotated[str, typer.Argument(help="The task whose differences are looked at.")],
    accept: Annotated[list[int] | None, typer.Argument(help="Numbers of the proposals to accept.")] = None,
    *,
    connection_set: SetOption = SANDBOX,
    as_json: JsonOption = False,
) -> None:
    """Say which rules would settle a task's differences and what each would do to every row.

    With numbers, those go into the workspace's template (templates/TASK.yml), which is used from then on; nothing is
    written to either system.
    """
    from p2c_lib.flow import TaskWalk

    with session_of(connection_set) as session:
        walk = TaskWalk(task, session)
        recon = walk.reconcile()
        proposals = [recon.preview(cluster.fix) for cluster in recon.clusters if cluster.fix]
        _show(proposals, as_json=as_json)
        if accept:
            chosen = _chosen(proposals, accept)
            after = recon.accepting(seen.fix for seen in chosen)
            file, change = _saved(chosen, walk.template, session)
            tell(change.diff(f"templates/{file.name}").rstrip())
            for lost in change.lost:
                say(lost)
            say(f"{recon.differences.num_rows:,} differences become {after.differences.num_rows:,}; template: {file}")


def _show(proposals: Sequence[Preview], *, as_json: bool) -> None:
    from p2c_lib.report import Table

    if as_json:
        json_line([seen.to_dict() for seen in proposals])
        return
    rows = tuple(
        (number, p.fix.cause, p.fix.words, p.before, p.after, p.resolved, p.made)
        for number, p in enumerate(proposals, 1)
    )
    tell(Table(HEAD, rows).to_text() if rows else "No rule would settle any of the differences.")


def _chosen(proposals: Sequence[Preview], numbers: Sequence[int]) -> list[Preview]:
    for number in numbers:
        if not 1 <= number <= len(proposals):
            raise UnknownName("proposal", str(number), [str(n) for n in range(1, len(proposals) + 1)])
    return [proposals[number - 1] for number in dict.fromkeys(numbers)]


def _saved(chosen: Sequence[Preview], template: Template, session: Session) -> tuple[Path, Rewritten]:
    """The template with the fixes in it, where the workspace's own templates are, and what changed in its text."""
    from p2c_lib.mapping.rewriting import save

    for seen in chosen:
        template = seen.fix.into(template)
    file = session.workspace.root / "templates" / f"{template.task}.yml"
    return file, save(template, file)
