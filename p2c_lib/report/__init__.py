"""What happened, as a value: verdict, facts, tables and charts that become text, HTML or JSON.

A report never computes: stages hand it their results. Everything that came from a customer's system is escaped, and
the HTML stands alone: no script, no font and no picture from elsewhere.

>>> report = Report("Load", verdict="pass", why="All 3 rows went in.", parts=(Facts((("rows", 3),)),))
>>> print(report.to_text())
Load: pass
All 3 rows went in.
  rows  3
"""

from p2c_lib.report.cells import Link, Mark, Share
from p2c_lib.report.charts import Chart, columns, stacked_bars
from p2c_lib.report.page import Report
from p2c_lib.report.parts import Facts, Figures, Links, Part, Prose, Section, Table
from p2c_lib.report.style import fragment

__all__ = [
    "Chart",
    "Facts",
    "Figures",
    "Link",
    "Links",
    "Mark",
    "Part",
    "Prose",
    "Report",
    "Section",
    "Share",
    "Table",
    "columns",
    "fragment",
    "stacked_bars",
]
