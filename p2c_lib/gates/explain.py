"""The suites in words a data steward reads: ``expectations/README.md``, made from the suites themselves."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from p2c_lib.gates.suite import STAGES, Expectation, Suite, read_suite

__all__ = ["explained", "readme"]

MEANING = {
    "critical": "the row is set aside and does not load; about a whole table or the destination, the load stops",
    "warning": "the row loads and is flagged",
    "info": "it is noted and changes nothing",
}
STAGE = {
    "source": "What came",
    "mapped": "What would be sent",
    "destination": "What the destination must know",
}
INTRODUCTION = """# What the gate expects

Every row that is about to be written is judged first. These are the rules, task by task and stage by stage, as the
suites in this folder state them: `<task>.source.json` about the rows as they came, `<task>.json` about the rows as they
would be sent, `<task>.destination.json` about what the destination must know for any of them to go in. The suites are
Great Expectations files: edit them with Great Expectations or by hand, then renew this page with
`python -m p2c_lib.gates.explain expectations`.

"""


def readme(folder: Path) -> str:
    """The page for all suites of a folder, task by task in the order of their names."""
    meaning = "".join(f"- **{severity}**: {words}.\n" for severity, words in MEANING.items())
    suites = [read_suite(path) for path in folder.glob("*.json")]
    suites.sort(key=lambda suite: (suite.path.name.split(".")[0], STAGES.index(suite.stage)))
    return INTRODUCTION + meaning + "".join(explained(suite) for suite in suites)


def explained(suite: Suite) -> str:
    """One suite as a heading and a table: the rule, what a failing row is told, and what to do about it."""
    title = suite.meta.get("title") or suite.name
    head = "| rule | severity | what is said | what to do |\n|---|---|---|---|\n"
    about = f"{STAGE[suite.stage]} (`{suite.path.name}`)."
    return f"\n## {suite.name}: {title}\n\n{about}\n\n{head}{''.join(_line(rule) for rule in suite.expectations)}"


def _line(rule: Expectation) -> str:
    said = rule.reason.replace("{", "*").replace("}", "*")
    share = rule.kwargs.get("mostly", 1)
    rest = "" if share == 1 else f" ({share:.0%} of the rows are enough)"
    rest += "".join(f" (where {name} is {answer})" for name, answer in rule.option.items())
    cells = (rule.name + rest, rule.severity, said, str(rule.meta.get("remedy") or ""))
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |\n"


def main(arguments: Sequence[str]) -> None:
    """Write ``README.md`` into the folder named."""
    folder = Path(arguments[0] if arguments else "expectations")
    (folder / "README.md").write_text(readme(folder), "utf-8")


if __name__ == "__main__":
    import sys

    main(sys.argv[1:])
