"""``p2c schedule``: runs that start by themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from p2c_lib.cli.show import JsonOption, SetOption, json_line, say, tell
from p2c_lib.config import SANDBOX, workspace

if TYPE_CHECKING:
    from p2c_lib.schedule import Schedule

__all__ = ["schedule"]

Name = Annotated[str, typer.Argument(metavar="NAME", help="The schedule.")]

schedule = typer.Typer(help="Runs that start by themselves.", no_args_is_help=True)


@schedule.command()
def add(
    name: Name,
    cron: Annotated[str, typer.Argument(help="Minute, hour, day, month, weekday: '30 2 * * mon-fri'.")],
    tasks: Annotated[list[str] | None, typer.Argument(help="Tasks to run; all by default.")] = None,
    *,
    zone: Annotated[str, typer.Option(help="Time zone, such as Europe/Berlin; this machine's by default.")] = "",
    connection_set: SetOption = SANDBOX,
    apply: Annotated[bool, typer.Option("--apply/--plan-only", help="Write, or only say what would be.")] = False,
    full: Annotated[bool, typer.Option("--full/--incremental", help="Read all, or only what changed.")] = True,
    company: Annotated[list[str] | None, typer.Option(help="An F&O company; repeat it for several.")] = None,
    param: Annotated[list[str] | None, typer.Option(help="A notebook parameter, name=value.")] = None,
    grace: Annotated[int, typer.Option(help="Minutes a missed run may start late.")] = 60,
) -> None:
    """Keep a run by name, with when it starts. Everything is checked first."""
    from p2c_lib.errors import UnknownName
    from p2c_lib.mapping import known_tasks
    from p2c_lib.runs.described import parse_parameters
    from p2c_lib.runs.parameters import RunParameters, checked_by
    from p2c_lib.schedule import Schedule, Schedules

    here = workspace()
    for task in tasks or []:
        if task not in (known := known_tasks(here)):
            raise UnknownName("task", task, known)
    given: dict[str, Any] = {"connection_set": connection_set}
    given |= ({"apply": True} if apply else {}) | ({} if full else {"full": False})
    given |= parse_parameters(param or [])
    for one in company or [""]:
        checked_by(RunParameters, {"company": one, **given})
    here.connection_set(str(given["connection_set"]))
    made = Schedules(here).add(Schedule(name, cron, zone, tuple(tasks or ()), given, tuple(company or ()), grace))
    tell(_line(made))
    say("It starts by p2c schedule run, left running, or by what p2c schedule export prints for another scheduler.")


@schedule.command("list")
def list_(*, as_json: JsonOption = False) -> None:
    """Show every schedule: when it runs next, and how it ended last."""
    from p2c_lib.schedule import Schedules

    found = Schedules(workspace()).all()
    if as_json:
        json_line({"schedules": [one.to_dict() for one in found]})
        return
    for one in found:
        tell(_line(one))
    if not found:
        say("There is no schedule. Make one: p2c schedule add nightly '30 2 * * *' --apply --incremental")


@schedule.command()
def remove(name: Name) -> None:
    """Forget a schedule."""
    from p2c_lib.schedule import Schedules

    Schedules(workspace()).remove(name)
    say(f"{name} is removed; what another scheduler was told of it stays there")


@schedule.command()
def run(
    name: Annotated[str, typer.Argument(metavar="[NAME]", help="The one schedule to run now.")] = "",
) -> None:
    """Start every run when it is due, until Ctrl-C; or one of them now, with its exit code.

    One scheduled run at a time: a second one says so and leaves with 2.
    """
    from p2c_lib.schedule.scheduler import run_now, serve

    if name:
        raise typer.Exit(abs(run_now(workspace(), name, say)))
    serve(workspace(), say)


@schedule.command()
def export(form: Annotated[str, typer.Argument(help="cron, systemd, windows, github or airflow.")], name: Name) -> None:
    """Print a schedule as another scheduler takes it."""
    from p2c_lib.schedule import Schedules
    from p2c_lib.schedule.export import export as exported

    here = workspace()
    tell(exported(Schedules(here).get(name), form, here), end="")


def _line(one: Schedule) -> str:
    last = f"; last: {one.last}" if one.last else ""
    return (
        f"{one.name}: '{one.cron}' {one.zone}, next {one.next():%Y-%m-%d %H:%M %Z}: p2c run {' '.join(one.words)}{last}"
    )
