"""What a look at a connection set found, step by step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from p2c_lib.connecting.remedies import SYSTEMS
from p2c_lib.report import Report, Table

__all__ = ["TITLES", "ConnectionCheck", "Finding", "Status"]

Status: TypeAlias = Literal["ok", "warn", "fail", "unknown", "not reached"]
TITLES = {
    "settings": "p2c.toml is complete and its secret can be read",
    "address": "The address answers",
    "tls": "The certificate is trusted",
    "service": "Who answers asks for a token, as the system does",
    "token": "A token is given",
    "identity": "The system knows the application",
    "entities": "The entity sets of the tasks exist",
    "rights": "They may be read",
    "two-systems": "Both connections lead to different systems",
    "columns": "The columns of the templates exist and fit",
    "company": "The company exists",
    "alternate-keys": "Sales rows can be addressed by their business keys",
    "change-tracking": "Sales can tell what changed",
}


@dataclass(frozen=True)
class Finding:
    """One step for one system (``app`` is empty where it is about both): what was found and what to do about it.

    ``unknown`` means that the system did not tell, ``not reached`` that an earlier step failed.
    """

    step: str
    app: Literal["sales", "finops", ""]
    status: Status
    finding: str
    remedy: str = ""

    @property
    def title(self) -> str:
        """What must be so."""
        return TITLES[self.step]

    @property
    def system(self) -> str:
        """The system it is about, as people call it."""
        return SYSTEMS[self.app]

    def to_dict(self) -> dict[str, str]:
        """The finding as plain values."""
        return {**vars(self), "title": self.title}

    def __str__(self) -> str:
        remedy = f" {self.remedy}" if self.remedy else ""
        return f"{self.status}: {self.system}, {self.step}: {self.finding}.{remedy}"


@dataclass(frozen=True)
class ConnectionCheck:
    """All findings about a connection set, in the order of the steps. ``verdict`` is pass, warn or failed."""

    set_name: str
    findings: tuple[Finding, ...]

    @property
    def verdict(self) -> str:
        found = {finding.status for finding in self.findings}
        return "failed" if "fail" in found else "pass" if found == {"ok"} else "warn"

    @property
    def why(self) -> str:
        """How many steps hold, and the first that does not."""
        good = sum(finding.status == "ok" for finding in self.findings)
        first = next((f for f in self.findings if f.status == "fail"), None)
        words = f"{good} of {len(self.findings)} steps hold."
        return words if first is None else f"{words} First to mend: {first.system}, {first.step}."

    def report(self) -> Report:
        """The findings as a table, and below it what to do."""
        rows = tuple((f.status, f.system, f.step, f.finding) for f in self.findings)
        parts = [Table(("status", "system", "step", "finding"), rows)]
        if todo := tuple((f.system, f.step, f.remedy) for f in self.findings if f.remedy):
            parts.append(Table(("system", "step", "what to do"), todo))
        return Report(f"Connection set {self.set_name}", self.verdict, self.why, tuple(parts))

    def to_dict(self) -> dict[str, Any]:
        """Verdict and findings as plain values, without secrets."""
        found = [finding.to_dict() for finding in self.findings]
        return {"set": self.set_name, "verdict": self.verdict, "why": self.why, "findings": found}

    def _repr_html_(self) -> str:
        return self.report()._repr_html_()

    def __repr__(self) -> str:
        return f"ConnectionCheck({self.set_name}, {self.verdict}: {self.why})"
