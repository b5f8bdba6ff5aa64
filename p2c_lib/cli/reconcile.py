"""``p2c reconcile`` and ``p2c duplicates``: how the systems compare, and what a person decided about doubles."""

from __future__ import annotations

import getpass
from typing import Annotated

import typer

from p2c_lib.cli.show import JsonOption, SetOption, json_line, say, session_of, tell
from p2c_lib.config import SANDBOX
from p2c_lib.errors import ConfigError

__all__ = ["duplicates", "reconcile"]

KindArgument = Annotated[str, typer.Argument(help="accounts, contacts or customers.")]


def reconcile(
    tasks: Annotated[list[str] | None, typer.Argument(help="Tasks to reconcile.")] = None,
    *,
    every: Annotated[bool, typer.Option("--all", help="All tasks, orphans and doubles: the whole company.")] = False,
    connection_set: SetOption = SANDBOX,
    as_json: JsonOption = False,
) -> None:
    """Compare both systems and say why they differ; writes to neither. Exit 1 when they do."""
    from p2c_lib.company import PARTIES, reconcile_all
    from p2c_lib.mapping import known_tasks

    known = known_tasks()
    if not every and not tasks:
        raise ConfigError("Nothing to reconcile was named.", hint=f"Name tasks ({', '.join(known)}), or give --all.")
    with session_of(connection_set) as session:
        chosen = known if every else tuple(tasks or ())
        view = reconcile_all(session, chosen, parties=tuple(PARTIES) if every else (), tell=say)
        folder = session.workspace.state / "reconciliations"
        folder.mkdir(parents=True, exist_ok=True)
        page = view.report().save(folder / f"{session.set.name}-{session.company}.html")
    if as_json:
        json_line(view.to_dict() | {"report": str(page)})
    else:
        tell(view.table().to_text())
        tell(view.causes().to_text())
        tell(f"report: {page}")
    raise typer.Exit(0 if view.clean else 1)


duplicates = typer.Typer(help="The same party twice within one system.", no_args_is_help=True)


@duplicates.command(name="list")
def list_pairs(kind: KindArgument, *, connection_set: SetOption = SANDBOX, as_json: JsonOption = False) -> None:
    """List the pairs nobody decided on yet, the likeliest first."""
    from p2c_lib.company import duplicates_of
    from p2c_lib.ledger import open_ledger
    from p2c_lib.report import Table

    with session_of(connection_set) as session:
        ledger = open_ledger(session.workspace.ledger)
        try:
            found = duplicates_of(kind, session, ledger)
        finally:
            ledger.close()
    pairs = found.open.to_pylist()
    if as_json:
        json_line({"kind": kind, "recall": found.recall, "open": pairs})
        return
    columns = ("key", "name", "key of the other", "its name", "likeness")
    rows = tuple((p["key_a"], p["name_a"], p["key_b"], p["name_b"], round(p["score"], 1)) for p in pairs)
    tell(Table(columns, rows).to_text())
    say(str(found))


@duplicates.command()
def decide(
    kind: KindArgument,
    key: Annotated[str, typer.Argument(help="Key of one row.")],
    other: Annotated[str, typer.Argument(help="Key of the other.")],
    decision: Annotated[str, typer.Argument(help="same, or 'not same'.")],
    *,
    connection_set: SetOption = SANDBOX,
    by: Annotated[str, typer.Option(help="Who decides; by default you.")] = "",
) -> None:
    """Say whether two rows are one party; the pair is never asked again."""
    from p2c_lib.company import PARTIES
    from p2c_lib.config import workspace
    from p2c_lib.errors import UnknownName
    from p2c_lib.keys import RowKey
    from p2c_lib.ledger import open_ledger

    if kind not in PARTIES:
        raise UnknownName("kind of party", kind, PARTIES)
    here = workspace()
    here.connection_set(connection_set)
    ledger = open_ledger(here.ledger)
    try:
        party = PARTIES[kind].query.key, PARTIES[kind].query.app
        pair = (RowKey(*party).given(key.strip()), RowKey(*party).given(other.strip()))
        ledger.decide(
            connection_set=connection_set, entity=kind, pair=pair, decision=decision, by=by or getpass.getuser()
        )
    finally:
        ledger.close()
    tell(f"{key} and {other}: {decision}")
