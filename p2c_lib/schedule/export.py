"""A schedule as other schedulers want it: cron, systemd, Windows' Task Scheduler, GitHub Actions, Airflow."""

from __future__ import annotations

import json
import re
import shlex
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from xml.sax.saxutils import escape

from p2c_lib.config import Workspace
from p2c_lib.errors import ConfigError, UnknownName
from p2c_lib.mapping import known_tasks
from p2c_lib.runs.graph import units
from p2c_lib.schedule.cron import DAYS, Cron
from p2c_lib.schedule.store import Schedule

__all__ = ["FORMS", "export"]

WEEKDAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
MONTH_NAMES = (
    "January February March April May June July August September October November December".split()  # noqa: SIM905
)
# The Task Scheduler takes no more triggers a task.
MOST_TRIGGERS = 48
FAR = "2026-01-01"


def export(schedule: Schedule, form: str, place: Workspace) -> str:
    """The text to hand to the scheduler named ``form``.

    Raises UnknownName for another, and ConfigError where that scheduler cannot say what the schedule says.
    """
    if form not in FORMS:
        raise UnknownName("scheduler", form, FORMS)
    return FORMS[form](schedule, place)


def _command(schedule: Schedule) -> list[str]:
    """Carries the run out under the workspace's lock, so that two never run at once."""
    return [sys.executable, "-m", "p2c_lib.cli", "schedule", "run", schedule.name]


def _cron(schedule: Schedule, place: Workspace) -> str:
    cron = Cron.parsed(schedule.cron)
    log = place.state / f"schedule-{schedule.name}.log"
    words = f"P2C_WORKSPACE={shlex.quote(str(place.root))} {shlex.join(_command(schedule))}"
    line = f"cd {shlex.quote(str(place.root))} && {words} >> {shlex.quote(str(log))} 2>&1".replace("%", r"\%")
    return (
        f"# p2c {schedule.name}. A cron without CRON_TZ (Debian's is one) goes by the zone of the machine.\n"
        f"# Cron forgets what it missed while the machine was off.{_needed(place)}\n"
        f"CRON_TZ={schedule.zone}\n{' '.join(cron.fields)} {line}\n"
    )


def _systemd(schedule: Schedule, place: Workspace) -> str:
    cron = Cron.parsed(schedule.cron)
    days = ",".join(DAYS[day].title() for day in cron.weekdays)
    date = f"*-{_two(cron.months)}-{_two(cron.days)}"
    time = f"{_two(cron.hours)}:{_two(cron.minutes)}:00"
    calendar = " ".join(filter(None, (days, date, time, schedule.zone)))
    unit = f"p2c-{schedule.name}"
    command = " ".join(_systemd_word(word) for word in _command(schedule))
    return f"""\
# ~/.config/systemd/user/{unit}.service
[Unit]
Description=p2c {schedule.name}
Wants=network-online.target
After=network-online.target

[Service]
Type=oneshot
WorkingDirectory={_doubled(str(place.root))}
Environment={_systemd_word(f"P2C_WORKSPACE={place.root}")}
ExecStart={command}{_needed(place)}
# 1 is a run that found differences or a closed gate: told by notices, no failure of the unit
SuccessExitStatus=1
KillSignal=SIGINT
TimeoutStopSec=600

# ~/.config/systemd/user/{unit}.timer, then: systemctl --user enable --now {unit}.timer
[Unit]
Description=When p2c {schedule.name} runs

[Timer]
OnCalendar={calendar}
Persistent=true

[Install]
WantedBy=timers.target
"""


def _windows(schedule: Schedule, place: Workspace) -> str:
    cron = Cron.parsed(schedule.cron)
    times = list(cron.times())
    if len(times) > MOST_TRIGGERS:
        raise ConfigError(
            f"'{schedule.cron}' comes {len(times)} times a day; the Task Scheduler takes {MOST_TRIGGERS} triggers.",
            hint="Use p2c schedule run, or fewer times.",
        )
    triggers = "".join(_trigger(cron, hour, minute) for hour, minute in times)
    program, *words = _command(schedule)
    return f"""\
<?xml version="1.0"?>
<!-- schtasks /Create /TN "p2c {escape(schedule.name)}" /XML this-file.xml
     The Task Scheduler goes by the machine's own zone; this schedule's is {escape(schedule.zone)}. -->
<Task version="1.2" xmlns="http://schemas.microsoft.com/windows/2004/02/mit/task">
  <RegistrationInfo><Description>p2c {escape(schedule.name)}</Description></RegistrationInfo>
  <Triggers>{triggers}
  </Triggers>
  <Settings>
    <MultipleInstancesPolicy>IgnoreNew</MultipleInstancesPolicy>
    <StartWhenAvailable>true</StartWhenAvailable>
    <RunOnlyIfNetworkAvailable>true</RunOnlyIfNetworkAvailable>
    <ExecutionTimeLimit>PT0S</ExecutionTimeLimit>
  </Settings>
  <Actions>
    <Exec>
      <Command>{escape(program)}</Command>
      <Arguments>{escape(" ".join(words))}</Arguments>
      <WorkingDirectory>{escape(str(place.root))}</WorkingDirectory>
    </Exec>
  </Actions>
</Task>
"""


def _trigger(cron: Cron, hour: int, minute: int) -> str:
    """One moment of a day, on the days the expression names."""
    if cron.weekdays and not cron.months:
        names = "".join(f"<{WEEKDAYS[day]} />" for day in cron.weekdays)
        when = f"<ScheduleByWeek><WeeksInterval>1</WeeksInterval><DaysOfWeek>{names}</DaysOfWeek></ScheduleByWeek>"
    elif not (cron.weekdays or cron.months or cron.days):
        when = "<ScheduleByDay><DaysInterval>1</DaysInterval></ScheduleByDay>"
    else:
        months = "".join(f"<{MONTH_NAMES[month - 1]} />" for month in cron.months or range(1, 13))
        if cron.weekdays:
            names = "".join(f"<{WEEKDAYS[day]} />" for day in cron.weekdays)
            weeks = "".join(f"<Week>{week}</Week>" for week in (1, 2, 3, 4, "Last"))
            days = f"<Weeks>{weeks}</Weeks><DaysOfWeek>{names}</DaysOfWeek><Months>{months}</Months>"
            when = f"<ScheduleByMonthDayOfWeek>{days}</ScheduleByMonthDayOfWeek>"
        else:
            days = "".join(f"<Day>{day}</Day>" for day in cron.days or range(1, 32))
            when = f"<ScheduleByMonth><DaysOfMonth>{days}</DaysOfMonth><Months>{months}</Months></ScheduleByMonth>"
    begin = f"<StartBoundary>{FAR}T{hour:02}:{minute:02}:00</StartBoundary>"
    return f"\n    <CalendarTrigger>{begin}<Enabled>true</Enabled>{when}</CalendarTrigger>"


def _github(schedule: Schedule, place: Workspace) -> str:
    import yaml

    cron = Cron.parsed(schedule.cron)
    words = shlex.join(["p2c", "run", *schedule.words])
    secrets = {name: f"${{{{ secrets.{name} }}}}" for name in _environment_names(place)}
    job = {
        "runs-on": "ubuntu-latest",
        "timeout-minutes": 350,
        **({"env": secrets} if secrets else {}),
        "steps": [
            {"uses": "actions/checkout@v4"},
            {"uses": "actions/setup-python@v5", "with": {"python-version": "3.11"}},
            {"run": "pip install p2c-lib"},
            {"run": f"{words} || test $? -eq 1"},
        ],
    }
    content = {
        "name": f"p2c {schedule.name}",
        "on": {"schedule": [{"cron": cron.in_utc(schedule.zone)}], "workflow_dispatch": {}},
        "concurrency": f"p2c-{schedule.name}",
        "permissions": {"contents": "read"},
        "jobs": {"run": job},
    }
    text = yaml.safe_dump(content, sort_keys=False, width=200).replace("'on':", "on:")
    return (
        f"# .github/workflows/p2c-{schedule.name}.yml\n"
        f"# GitHub's cron is in UTC: '{schedule.cron}' {schedule.zone}, by the offset of today; mind daylight saving.\n"
        "# The machine is new for each run: name a PostgreSQL ledger in p2c.toml. Marks of incremental runs stay on a\n"
        "# machine, so here every run reads everything. Exit 1 (differences, a closed gate) is told by notices.\n"
        f"{text}"
    )


def _airflow(schedule: Schedule, place: Workspace) -> str:
    """A DAG of papermill operators, one a notebook, in the order the tasks need one another."""
    parameters = dict(schedule.parameters)
    wanted = [task for task in known_tasks(place) if not schedule.tasks or task in schedule.tasks]
    steps = units(place, wanted)
    home = {task: _identifier(step.name) for step in steps for task in step.tasks}
    lines = list(_operators(steps, parameters, place))
    for step in steps:
        before = sorted({home[task] for task in step.waits_for()})
        lines += [f"    [{', '.join(before)}] >> {_identifier(step.name)}"] if before else []
    return f'''\
r"""p2c {schedule.name}: one papermill operator for each notebook of the walk.

Needs apache-airflow-providers-papermill beside p2c-lib. Each notebook leaves a run of its own in the ledger. Where one
run with its report, its notices and p2c run --resume is wanted, use a BashOperator instead:
    BashOperator(task_id="walk", bash_command={json.dumps(_bash(schedule, place))})
"""

import pendulum
from airflow import DAG
from airflow.providers.papermill.operators.papermill import PapermillOperator

with DAG(
    dag_id={json.dumps(f"p2c_{schedule.name}")},
    schedule={json.dumps(" ".join(Cron.parsed(schedule.cron).fields))},
    start_date=pendulum.datetime(2026, 1, 1, tz={json.dumps(schedule.zone)}),
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=None,
) as dag:
{chr(10).join(lines)}
'''


def _operators(steps: Any, parameters: Mapping[str, Any], place: Workspace) -> Iterator[str]:
    for step in steps:
        given = {**parameters, "tasks": list(step.tasks)}
        output = place.state / "airflow" / f"{step.name}-{{{{ ts_nodash }}}}.ipynb"
        yield (
            f"    {_identifier(step.name)} = PapermillOperator(\n"
            f"        task_id={json.dumps(step.name)},\n"
            f"        input_nb={json.dumps(str(place.notebook(step.notebook)))},\n"
            f"        output_nb={json.dumps(str(output))},\n"
            f"        parameters={given!r},\n"
            '        kernel_name="python3",\n'
            "    )"
        )


def _bash(schedule: Schedule, place: Workspace) -> str:
    return f"P2C_WORKSPACE={shlex.quote(str(place.root))} {shlex.join(_command(schedule))} || test $? -eq 1"


def _identifier(name: str) -> str:
    return "nb_" + re.sub(r"\W", "_", name)


def _environment_names(place: Workspace) -> list[str]:
    """The environment variables that p2c.toml refers to."""
    return sorted(set(re.findall(r"env:([A-Za-z_]\w*)", json.dumps(dict(place.content), default=str))))


def _needed(place: Workspace) -> str:
    names = ", ".join(_environment_names(place))
    return f"\n# p2c.toml refers to {names}: set that in the environment of the run." if names else ""


def _two(numbers: tuple[int, ...]) -> str:
    return ",".join(f"{number:02}" for number in numbers) or "*"


def _doubled(text: str) -> str:
    return text.replace("%", "%%")


def _systemd_word(word: str) -> str:
    quoted = word.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{_doubled(quoted)}"' if re.search(r'[\s"\'\\%]', word) else word


FORMS: Mapping[str, Callable[[Schedule, Workspace], str]] = {
    "cron": _cron,
    "systemd": _systemd,
    "windows": _windows,
    "github": _github,
    "airflow": _airflow,
}
