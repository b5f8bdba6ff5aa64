from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st

from p2c_lib.report import Chart, Facts, Links, Prose, Report, Table, stacked_bars

TABLE = Table(("task", "rows", "share"), (("accounts", 1200, 0.5), ("quotes", 3, None)), "Tasks", total=9)


class Page(HTMLParser):
    """What a browser would see: tags, and the text between them."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text: list[str] = []
        self.attributes: dict[str, str | None] = {}
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes |= dict(attrs)

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def test_a_table_as_text_keeps_numbers_to_the_right() -> None:
    assert TABLE.to_text().splitlines() == [
        "Tasks",
        "task       rows  share",
        "accounts  1,200    0.5",
        "quotes        3",
        "... and 7 more",
    ]


def test_a_report_says_the_same_in_all_three_forms() -> None:
    report = Report("Load", "warn", "One row waits.", (Facts((("rows", 3),)), TABLE, Prose("Mind it.", "Note")))
    assert report.to_text().startswith("Load: warn\nOne row waits.\n  rows  3\n")
    assert report.to_dict()["parts"][1]["rows"][0] == {"task": "accounts", "rows": 1200, "share": 0.5}
    assert {"One row waits.", "accounts", "1,200", "Mind it."} <= {t.strip() for t in Page(report.to_html()).text}


@given(st.text())
def test_text_of_a_customer_never_becomes_markup(text: str) -> None:
    nasty = f"<script>alert(1)</script>{text}\"'><img src=x>"
    parts = (
        Table((nasty,), ((nasty,),), nasty),
        Facts(((nasty, nasty),)),
        Prose(nasty, nasty),
        Chart(nasty, "", nasty),
    )
    report = Report(nasty, nasty, nasty, (*parts, Links(((nasty, nasty),))))
    assert {"script", "img"} & set(Page(report.to_html()).tags + Page(report._repr_html_()).tags) == set()


def test_the_page_stands_alone_and_the_chart_is_in_it() -> None:
    chart = stacked_bars(
        "Rows", [("accounts", "created", 3), ("accounts", "failed", 0)], {"created": "#080", "failed": "#800"}
    )
    html = Report("Load", "pass", "All went in.", (chart,)).to_html()
    page = Page(html)
    assert chart.alt == "accounts created 3"
    assert {"svg", "figure"} <= set(page.tags)
    assert {"script", "link"} & set(page.tags) == set()
    assert [v for k, v in page.attributes.items() if k in {"src", "href"} and str(v).startswith("http")] == []


def test_a_table_of_records_counts_what_it_leaves_out() -> None:
    table = Table.of([{"a": i} for i in range(5)], most=2)
    assert (table.rows, table.total) == (((0,), (1,)), 5)


def test_the_style_of_a_fragment_holds_only_inside_it() -> None:
    style = Report("Load", "pass", "All went in.")._repr_html_().split("<style>")[1].split("</style>")[0]
    assert style.startswith(".p2c.p2c {")
    assert style.count("{") == style.count("}")
