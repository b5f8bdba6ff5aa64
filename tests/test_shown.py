"""Every result shows itself: a page in the workbench's look for notebooks, one plain line for terminals."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest

import p2c_lib as p2c
from p2c_lib.config import Workspace
from p2c_lib.runs import RunResult
from p2c_lib.sandbox import process

STEPS = ("extract", "map", "check", "reconcile", "plan", "finish")
VOID = {"br", "wbr", "hr"}


class Page(HTMLParser):
    """The text of a page; a tag that is not closed where it was opened is an error."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.within: list[str] = []
        self.text: list[str] = []
        self.feed(html)
        assert self.within == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.within += [] if tag in VOID else [tag]

    def handle_endtag(self, tag: str) -> None:
        assert self.within.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += [] if self.within[-1:] == ["style"] else [data.strip()]


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory, sandbox: process.Running) -> Iterator[p2c.Session]:
    """A session of a workspace of its own, whose systems are the sandbox's."""
    home = tmp_path_factory.mktemp("shown")
    lines = ['[sets.mine]\nsales = "s"\nfinops = "f"\ncompany = "USMF"\n']
    (home / "token").write_text(sandbox.token)
    for name, app, url in (("s", "sales", sandbox.sales_url), ("f", "finops", sandbox.finops_url)):
        facts = {"app": app, "url": url, "client_id": "shown", "secret": f"file:{home / 'token'}"}
        facts["token_url"] = f"{url}/t/oauth2/v2.0/token"
        lines.append(f"[connections.{name}]\n" + "".join(f'{key} = "{value}"\n' for key, value in facts.items()))
    with p2c.connect("mine", workspace=Workspace(home, tomllib.loads("".join(lines)))) as one:
        yield one


@pytest.fixture(scope="module")
def walk(session: p2c.Session) -> p2c.TaskWalk:
    one = p2c.walk("accounts", session)
    assert isinstance(one, p2c.TaskWalk)
    return one


@pytest.mark.parametrize("step", STEPS)
def test_a_result_is_one_line_in_a_terminal_and_a_page_in_a_notebook(walk: p2c.TaskWalk, step: str) -> None:
    value = getattr(walk, step)()
    assert repr(value).startswith(f"{type(value).__name__}(")
    assert "\n" not in repr(value)
    html = value._repr_html_()
    assert html.startswith('<div class="p2c tex2jax_ignore mathjax_ignore"><style>')
    assert Page(html).text


def test_a_frame_tells_where_it_came_from_what_its_columns_hold_and_how_many_rows_there_are(
    walk: p2c.TaskWalk, session: p2c.Session
) -> None:
    said = Page(walk.extract()._repr_html_()).text
    assert said[0] == "Sales accounts"
    assert said[1].startswith("300 rows, ")
    assert ", the service counts 300; complete" in said[1]
    assert session.set.sales.url in said[2]
    assert said[2].endswith("UTC, key accountnumber")
    assert said[3:5] == ["accountnumber", "text, at most 20"]
    assert {"number, up to 10 places", "whole number"} <= set(said)
    assert [word for word in said if word.endswith("columns more")]


def test_numbers_stand_without_zeros_that_only_fill_and_choices_by_their_labels(walk: p2c.TaskWalk) -> None:
    said = Page(walk.extract()._repr_html_()).text
    assert "86,500" in said
    assert "86500.0000" not in said


def test_the_steps_counts_stand_side_by_side(walk: p2c.TaskWalk) -> None:
    said = Page(walk.check()._repr_html_()).text
    at = said.index("read")
    assert said[at : at + 6] == ["read", "300", "passed", "296", "quarantined", "4"]
    said = Page(walk.finish()._repr_html_()).text
    assert said[said.index("unchanged") + 1] == "154"


def test_a_session_shows_both_systems_and_no_secret(session: p2c.Session, sandbox: process.Running) -> None:
    said = Page(session._repr_html_()).text
    assert [word for word in said if word] == [
        *("connection set", "mine", "Sales", f"{sandbox.sales_url} as shown"),
        *("F&O", f"{sandbox.finops_url} as shown", "company", "USMF"),
    ]
    assert sandbox.token not in session._repr_html_() + repr(session)


def test_a_run_shows_its_tasks_and_what_did_not_end(walk: p2c.TaskWalk, tmp_path: Path) -> None:
    page = Workspace(tmp_path).state / "report.html"
    result = RunResult("r1", "error", page, (walk.finish(),), {"quotes": "held: it needs <accounts>"}, 2.5)
    assert repr(result) == "RunResult(r1: error; accounts)"
    said = Page(result._repr_html_()).text
    assert {"accounts", "quotes", "held: it needs <accounts>"} <= set(said)
