"""Schedules: cron as sets, one run at a time, missed runs, and what other schedulers are handed."""

from __future__ import annotations

import ast
import configparser
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from p2c_lib.cli import app
from p2c_lib.config import Workspace
from p2c_lib.errors import ConfigError, P2CError, RunError, UnknownName
from p2c_lib.schedule import Cron, Schedule, Schedules
from p2c_lib.schedule.alone import alone
from p2c_lib.schedule.cron import DAYS, MONTHS
from p2c_lib.schedule.export import FORMS, export
from p2c_lib.schedule.scheduler import RUN_LOCK, _Serving, run_now

WORDS = '[notify.me]\nkind = "command"\ncommand = ["{python}", "-c", "{code}"]\n'


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    root = tmp_path / "a 100% space"
    root.mkdir()
    monkeypatch.setenv("P2C_WORKSPACE", str(root))
    return Workspace(root)


def kept(place: Workspace, cron: str = "30 2 * * mon-fri", zone: str = "Europe/Berlin", **more: Any) -> Schedule:
    parameters = {"connection_set": "sandbox", "apply": True, "full": False}
    return Schedules(place).add(Schedule("nightly", cron, zone, parameters=parameters, **more))


@pytest.mark.parametrize(
    ("text", "after", "first"),
    [
        ("30 2 * * *", "2026-03-27T12:00", "2026-03-28T02:30"),
        ("0 2 * * 0", "2026-03-23T00:00", "2026-03-29T03:00"),  # Sunday, and two o'clock does not come that night
        ("0 4 * * 7", "2026-03-23T00:00", "2026-03-29T04:00"),
        ("0 4 * * sun", "2026-03-23T00:00", "2026-03-29T04:00"),
        ("0 4 * * 1", "2026-03-23T05:00", "2026-03-30T04:00"),
        ("*/20 8-18/5 * * *", "2026-03-23T08:41", "2026-03-23T13:00"),
        ("15 6 1 jan,jul *", "2026-03-23T00:00", "2026-07-01T06:15"),
        ("0 0 29 2 *", "2026-03-23T00:00", "2028-02-29T00:00"),
        ("@monthly", "2026-03-23T00:00", "2026-04-01T00:00"),
        ("30 2 * * *", "2026-10-25T00:00", "2026-10-25T02:30"),  # comes twice by the clock
        ("30 2 * * *", "2026-10-25T02:30", "2026-10-26T02:30"),  # and counts once
    ],
)
def test_the_next_moment_of_an_expression(text: str, after: str, first: str) -> None:
    zone = ZoneInfo("Europe/Berlin")
    found = Cron.parsed(text).after(datetime.fromisoformat(after).replace(tzinfo=zone), "Europe/Berlin")
    assert found.astimezone(zone).strftime("%Y-%m-%dT%H:%M") == first


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["61 2 * * *"], "The minute '61' of '61 2 * * *' is none."),
        (["0 24 * * *"], "The hour '24'"),
        (["0 2 0 * *"], "The day '0'"),
        (["0 2 * 13 *"], "The month '13'"),
        (["0 2 * * 8"], "The weekday '8'"),
        (["0 2 * * munday"], "The weekday 'munday'"),
        (["0 5-2 * * *"], "runs backwards"),
        (["*/0 * * * *"], "has the step '0'"),
        (["0 2 * *"], "has 4 fields, not five"),
        (["0 2 31 2 *"], "never comes"),
        (["0 2 1 * mon"], "days of the month and of the week"),
        (["0 2 * * *", "--zone", "Europe/Berln"], "Unknown time zone 'Europe/Berln'"),
        (["0 2 * * *", "acounts"], "Unknown task 'acounts'"),
        (["0 2 * * *", "--param", "ceilin=1"], "Unknown parameter 'ceilin'"),
        (["0 2 * * *", "--param", "ceiling=2"], "The parameter ceiling came as 2"),
        (["0 2 * * *", "--set", "prod"], "Unknown connection set 'prod'"),
        (["0 2 * * *", "--company", "USMF/7"], "The parameter company came as 'USMF/7'"),
        (["0 2 * * *", "--grace", "0"], "A grace of 0 minutes"),
    ],
)
def test_a_mistake_is_named_before_anything_is_kept(words: list[str], says: str, place: Workspace) -> None:
    done = CliRunner().invoke(app, ["schedule", "add", "nightly", *words])
    assert isinstance(done.exception, P2CError)
    assert says in done.exception.message
    assert done.exception.hint
    assert Schedules(place).all() == ()


def test_a_wrong_expression_ends_with_2_and_a_hint(place: Workspace) -> None:
    command = [sys.executable, "-m", "p2c_lib.cli", "schedule", "add", "nightly", "0 25 * * *"]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "P2C_WORKSPACE": str(place.root)})
    assert done.returncode == 2
    assert done.stderr.splitlines()[0] == "error: The hour '25' of '0 25 * * *' is none."
    assert done.stderr.splitlines()[1].startswith("hint: Allowed: 0 to 23.")


def test_schedules_are_added_listed_and_removed(place: Workspace) -> None:
    run = CliRunner()
    words = ["nightly", "30 2 * * *", "accounts", "--zone", "UTC", "--apply", "--incremental", "--param", "ceiling=0.1"]
    words += ["--company", "USMF", "--company", "DEMF"]
    assert run.invoke(app, ["schedule", "add", *words]).exit_code == 0
    assert isinstance(run.invoke(app, ["schedule", "add", *words]).exception, ConfigError)
    assert isinstance(run.invoke(app, ["schedule", "add", "Two words", "@daily"]).exception, ConfigError)
    (one,) = json.loads(run.invoke(app, ["schedule", "list", "--json"]).stdout)["schedules"]
    assert one["parameters"] == {"connection_set": "sandbox", "apply": True, "full": False, "ceiling": 0.1}
    assert Schedules(place).get("nightly").words == [
        "accounts", "--set", "sandbox", "--company", "USMF", "--company", "DEMF",
        "--apply", "--incremental", "--param", "ceiling=0.1",
    ]  # fmt: skip
    assert "next" in run.invoke(app, ["schedule", "list"]).stdout
    assert run.invoke(app, ["schedule", "remove", "nightly"]).exit_code == 0
    assert isinstance(run.invoke(app, ["schedule", "remove", "nightly"]).exception, UnknownName)
    assert Schedules(place).all() == ()


def test_a_broken_file_is_named(place: Workspace) -> None:
    kept(place)
    (place.state / "schedules.json").write_text('{"nightly": {"cron": "x"}}')
    with pytest.raises(ConfigError, match=r"schedules\.json cannot be read"):
        Schedules(place).all()


numbers = {
    "minute": st.integers(0, 59), "hour": st.integers(0, 23), "month": st.integers(1, 12), "weekday": st.integers(0, 6)
}  # fmt: skip


@given(
    st.sets(numbers["minute"], min_size=1, max_size=4),
    st.sets(numbers["hour"], min_size=1, max_size=4),
    st.sets(numbers["month"], min_size=1, max_size=4),
    st.sets(numbers["weekday"], min_size=1, max_size=6),
)
def test_numbers_and_names_mean_the_same_moments(minutes: Any, hours: Any, months: Any, weekdays: Any) -> None:
    def listed(values: Any) -> str:
        return ",".join(map(str, sorted(values)))

    head = f"{listed(minutes)} {listed(hours)} *"
    plain = Cron.parsed(f"{head} {listed(months)} {listed(weekdays)}")
    named = f"{head} {listed(MONTHS[m - 1] for m in months)} {listed(DAYS[d] for d in weekdays)}"
    assert replace(Cron.parsed(named), text="") == replace(plain, text="")
    found = plain.after(datetime(2026, 5, 4, tzinfo=UTC), "UTC")
    assert (found.minute in minutes, found.hour in hours, found.month in months) == (True, True, True)
    assert (found.weekday() + 1) % 7 in weekdays


@given(st.integers(0, 59), st.integers(0, 23), st.sampled_from(["UTC", "Asia/Kolkata", "America/New_York"]))
def test_an_expression_in_utc_comes_at_the_same_moment(minute: int, hour: int, zone: str) -> None:
    cron, now = Cron.parsed(f"{minute} {hour} * * *"), datetime.now(UTC)
    here, there = cron.after(now, zone), Cron.parsed(cron.in_utc(zone)).after(now, "UTC")
    if here.utcoffset() == now.astimezone(ZoneInfo(zone)).utcoffset():
        assert here == there


# one at a time


def test_a_second_start_says_what_runs_since_when(place: Workspace) -> None:
    kept(place)
    with alone(place.state / RUN_LOCK, "the schedule monthly"), pytest.raises(RunError) as caught:
        run_now(place, "nightly", print)
    said = rf"the schedule monthly runs since \d{{4}}-\d\d-\d\d \d\d:\d\d UTC \(process {os.getpid()}\)"
    assert re.match(said, caught.value.message)
    assert caught.value.hint


def test_a_lock_ends_with_its_holder_however_that_ends(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from p2c_lib.schedule.alone import alone\n"
        "with alone(Path(sys.argv[1]), 'a test'):\n print('held', flush=True); time.sleep(60)"
    )
    lock = tmp_path / "x.lock"
    child = subprocess.Popen([sys.executable, "-c", code, str(lock)], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "held\n"
    with pytest.raises(RunError, match="a test runs since"), alone(lock, "another"):
        pass
    child.kill()
    child.wait()
    child.stdout.close()
    with alone(lock, "another"):
        assert lock.exists()


def test_a_run_that_cannot_begin_is_told_and_its_code_is_kept(place: Workspace, tmp_path: Path) -> None:
    """The connection set is gone since the schedule was made: nobody but the scheduler can say so."""
    out = tmp_path / "notice.json"
    code = f"import sys; open('{out}', 'w').write(sys.stdin.read())"
    kept(place)
    file = place.state / "schedules.json"
    file.write_text(file.read_text().replace('"sandbox"', '"gone"'))
    here = Workspace(place.root, {"notify": {"me": {"kind": "command", "command": [sys.executable, "-c", code]}}})
    told: list[str] = []
    assert run_now(here, "nightly", told.append) == 2
    assert told == [
        "nightly: p2c run --set gone --apply --incremental",
        "nightly: ended error",
    ]
    notice = json.loads(out.read_text())
    assert (notice["events"], notice["headline"]) == (["failure"], "p2c: the scheduled run nightly could not begin")
    assert Schedules(place).get("nightly").last.startswith("error 20")


class Serving:
    """``p2c schedule run`` in a process of its own."""

    def __init__(self, place: Workspace) -> None:
        command = [sys.executable, "-m", "p2c_lib.cli", "schedule", "run"]
        environment = {**os.environ, "P2C_WORKSPACE": str(place.root)}
        self.child = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)
        self.lines: list[str] = []

    def until(self, words: str, seconds: float = 60) -> None:
        assert self.child.stderr is not None
        end = time.monotonic() + seconds
        while not any(words in line for line in self.lines):
            assert time.monotonic() < end, self.lines
            line = self.child.stderr.readline()
            assert line, self.lines
            self.lines.append(line.rstrip())

    def stop(self) -> int:
        self.child.send_signal(signal.SIGTERM)
        code = self.child.wait(timeout=60)
        assert self.child.stderr is not None
        self.lines += self.child.stderr.read().splitlines()
        self.child.stderr.close()
        return code


def test_the_scheduler_makes_up_for_what_was_missed_once_and_not_for_what_is_too_old(place: Workspace) -> None:
    store = Schedules(place)
    for name, cron, ago in (("late", "*/10 * * * *", 55), ("stale", "0 3 * * *", 60 * 24 * 3)):
        store.add(Schedule(name, cron, "UTC", parameters={"connection_set": "gone"}, grace=30))
        store.ran(name, datetime.now(UTC) - timedelta(minutes=ago), "")
    three = datetime.now(UTC).replace(hour=3, minute=0, second=0)
    recent = abs((datetime.now(UTC) - three).total_seconds()) < 1800
    serving = Serving(place)
    try:
        serving.until("late: ended error")
        if not recent:
            serving.until("stale: missed at")
        second = subprocess.run(
            [sys.executable, "-m", "p2c_lib.cli", "schedule", "run"], capture_output=True, text=True, timeout=60,
            env={**os.environ, "P2C_WORKSPACE": str(place.root)},
        )  # fmt: skip
        assert second.returncode == 2
        assert "error: a scheduler runs since" in second.stderr
        store.remove("stale")
        kept(place)
        serving.until("stale: removed")
        serving.until("nightly: '30 2 * * mon-fri' Europe/Berlin, next")
    finally:
        code = serving.stop()
    assert code == 0
    assert "stopping; a run under way ends first" in serving.lines
    assert [line for line in serving.lines if line == "late: ended error"] == ["late: ended error"], "coalesced"
    assert store.get("late").last.startswith("error 20")


# for other schedulers


def test_cron_is_handed_a_line_it_can_run(place: Workspace) -> None:
    lines = [line for line in export(kept(place), "cron", place).splitlines() if not line.startswith("#")]
    assert lines[0] == "CRON_TZ=Europe/Berlin"
    *fields, command = lines[1].split(" ", 5)
    assert fields == ["30", "2", "*", "*", "mon-fri"]
    assert "%" not in command.replace(r"\%", "")
    words = command.replace(r"\%", "%").partition(" >> ")[0]
    done = subprocess.run(["sh", "-n", "-c", words], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    asked = words.replace(f"schedule run {'nightly'}", "schedule list")
    assert "nightly: '30 2" in subprocess.run(["sh", "-c", asked], capture_output=True, text=True).stdout


def test_systemd_is_handed_units_it_can_parse(place: Workspace) -> None:
    text = export(kept(place, "*/30 2-4 1,15 6 *"), "systemd", place)
    service, timer = (f"[Unit]{part}" for part in text.split("[Unit]")[1:])
    for part in (service, timer):
        units = configparser.ConfigParser(interpolation=None, strict=True, comment_prefixes=("#",))
        units.optionxform = str  # type: ignore[assignment,method-assign]
        units.read_string(part)
        if units.has_section("Timer"):
            calendar = units["Timer"]["OnCalendar"]
            assert calendar == "*-06-01,15 02,03,04:00,30:00 Europe/Berlin"
            assert units["Timer"]["Persistent"] == "true"
        else:
            assert units["Service"]["ExecStart"].endswith("-m p2c_lib.cli schedule run nightly")
            assert units["Service"]["WorkingDirectory"] == str(place.root).replace("%", "%%")
            assert units["Service"]["Environment"] == f'"P2C_WORKSPACE={str(place.root).replace("%", "%%")}"'
    if shutil.which("systemd-analyze"):
        done = subprocess.run(["systemd-analyze", "calendar", calendar], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("cron", "kind", "found"),
    [
        ("30 2 * * mon-fri", "ScheduleByWeek", ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday"]),
        ("30 2,14 * * *", "ScheduleByDay", []),
        ("0 6 1,15 * *", "ScheduleByMonth", ["1", "15"]),
        ("0 6 * 1 0", "ScheduleByMonthDayOfWeek", ["Sunday"]),
    ],
)
def test_windows_is_handed_a_task_that_is_well_formed(cron: str, kind: str, found: list[str], place: Workspace) -> None:
    root = ElementTree.fromstring(export(kept(place, cron), "windows", place))
    space = {"t": "http://schemas.microsoft.com/windows/2004/02/mit/task"}
    triggers = root.findall("t:Triggers/t:CalendarTrigger", space)
    assert len(triggers) == len(list(Cron.parsed(cron).times()))
    (when,) = triggers[0].findall(f"t:{kind}", space)
    days = [*when.findall("t:DaysOfWeek/*", space), *when.findall("t:DaysOfMonth/*", space)]
    assert [day.text or day.tag.partition("}")[2] for day in days] == found
    assert root.findtext("t:Actions/t:Exec/t:WorkingDirectory", None, space) == str(place.root)
    assert root.findtext("t:Settings/t:MultipleInstancesPolicy", None, space) == "IgnoreNew"


def test_windows_takes_so_many_triggers_and_no_more(place: Workspace) -> None:
    with pytest.raises(ConfigError, match="1440 times a day"):
        export(kept(place, "* * * * *"), "windows", place)


def test_github_is_handed_a_workflow_in_utc_with_the_secrets_by_name(place: Workspace) -> None:
    content = {"connections": {"s": {"secret": "env:P2C_SALES_SECRET"}, "f": {"secret": "env:P2C_FINOPS_SECRET"}}}
    text = export(kept(place, "30 12 * * mon-fri", "Asia/Tokyo"), "github", Workspace(place.root, content))
    flow = yaml.safe_load(text)
    on = flow.get("on", flow.get(True))  # YAML 1.1 reads a bare on as true
    assert on["schedule"] == [{"cron": "30 3 * * mon-fri"}]
    job = flow["jobs"]["run"]
    assert job["env"] == {
        "P2C_FINOPS_SECRET": "${{ secrets.P2C_FINOPS_SECRET }}", "P2C_SALES_SECRET": "${{ secrets.P2C_SALES_SECRET }}"
    }  # fmt: skip
    assert job["steps"][-1]["run"] == "p2c run --set sandbox --apply --incremental || test $? -eq 1"
    with pytest.raises(ConfigError, match="has no one cron expression in UTC"):
        export(replace(kept_again(place), cron="30 2 * * mon", zone="Asia/Tokyo"), "github", place)


def kept_again(place: Workspace) -> Schedule:
    return Schedules(place).get("nightly")


def test_airflow_is_handed_a_dag_of_papermill_operators_in_the_order_of_needs(place: Workspace) -> None:
    tree = ast.parse(export(kept(place), "airflow", place))
    calls = [n for n in ast.walk(tree) if isinstance(n, ast.Call) and getattr(n.func, "id", "") == "PapermillOperator"]
    operators = [{word.arg: ast.literal_eval(word.value) for word in call.keywords} for call in calls]
    assert [one["task_id"] for one in operators] == ["10_products", "20_accounts", "30_contacts", "40_quotes"]
    assert operators[2]["parameters"] == {
        "connection_set": "sandbox", "apply": True, "full": False, "tasks": ["contacts", "contact-customers"]
    }  # fmt: skip
    assert all(Path(one["input_nb"]).is_file() for one in operators)
    order = [ast.unparse(n) for n in ast.walk(tree) if isinstance(n, ast.BinOp) and isinstance(n.op, ast.RShift)]
    assert order == [
        "[nb_20_accounts] >> nb_30_contacts", "[nb_10_products, nb_20_accounts, nb_30_contacts] >> nb_40_quotes"
    ]  # fmt: skip
    (dag,) = [n for n in ast.walk(tree) if isinstance(n, ast.Call) and getattr(n.func, "id", "") == "DAG"]
    words = {word.arg: ast.unparse(word.value) for word in dag.keywords}
    assert words["schedule"] == "'30 2 * * mon-fri'"
    assert "tz='Europe/Berlin'" in words["start_date"]


def test_what_is_exported_holds_no_secret(place: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("P2C_SALES_SECRET", "tell-nobody-0042")
    here = Workspace(place.root, {"connections": {"s": {"secret": "env:P2C_SALES_SECRET"}}})
    one = kept(here)
    for form in FORMS:
        assert "tell-nobody-0042" not in export(one, form, here)
    assert "tell-nobody-0042" not in (place.state / "schedules.json").read_text()
    with pytest.raises(UnknownName):
        export(one, "crontab", here)


def test_a_schedule_that_is_replaced_under_its_name_is_due_at_its_new_times(tmp_path: Path) -> None:
    place, told = Workspace(tmp_path), []
    serving = _Serving(place, told.append)
    Schedules(place).add(Schedule("nightly", "0 2 * * *", "UTC"))
    serving._look()
    Schedules(place).remove("nightly")
    Schedules(place).add(Schedule("nightly", "30 5 * * *", "UTC"))
    serving._look()
    assert [line.partition(",")[0] for line in told] == [
        "nightly: '0 2 * * *' UTC",
        "nightly: removed",
        "nightly: '30 5 * * *' UTC",
    ]
