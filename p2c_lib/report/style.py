"""The look of a report: light, dark and on paper; the same tables and charts in a page and in a notebook."""

from __future__ import annotations

__all__ = ["PAGE", "STYLE", "fragment"]

PAGE = """
:root {
  color-scheme: light dark;
  --line: #d0d7de; --soft: #f6f8fa; --text: #1f2328; --quiet: #59636e; --back: #fff; --link: #0550ae;
}
@media (prefers-color-scheme: dark) {
  :root { --line: #3d444d; --soft: #161b22; --text: #e6edf3; --quiet: #9198a1; --back: #0d1117; --link: #79b8ff; }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--back); color: var(--text); font: 15px/1.5 system-ui, "Segoe UI", sans-serif; }
header, main, footer { max-width: 78rem; margin: 0 auto; padding: 0 1.5rem; }
header { padding-top: 1.5rem; }
footer { padding-top: 2rem; padding-bottom: 2rem; color: var(--quiet); font-size: .85rem; }
a { color: var(--link); }
:focus-visible { outline: 2px solid var(--link); outline-offset: 2px; }
section { margin-top: 2.2rem; }
section > h2 { border-bottom: 1px solid var(--line); padding-bottom: .2rem; }
nav ul { display: flex; flex-wrap: wrap; gap: .2rem 1.1rem; list-style: none; margin: 1.2rem 0 0; padding: 0; }
.scroll table { min-width: 60%; }
@media (max-width: 40rem) {
  body { font-size: 14px; }
  header, main, footer { padding-left: 1rem; padding-right: 1rem; }
  .scroll table { min-width: 100%; }
  .scroll tbody th, .scroll tfoot th { position: sticky; left: 0; background: var(--back); }
  .scroll tbody th { max-width: 9rem; white-space: normal; overflow-wrap: break-word; }
}
@page { margin: 14mm 12mm; }
@media print {
  :root { --line: #b8bfc6; --soft: #f6f8fa; --text: #000; --quiet: #444; --back: #fff; --link: #000; }
  html { font-size: 11px; }
  body { font-size: 10.5px; }
  header, main, footer { max-width: none; padding: 0; }
  nav { display: none; }
  a { text-decoration: none; }
  .scroll { overflow: visible; }
  .scroll table { width: 100%; font-size: 9px; }
  th, td { padding: .15rem .3rem; }
  td, tbody th { overflow-wrap: anywhere; }
  .short { white-space: normal; }
  .word { white-space: nowrap; }
  thead { display: table-header-group; }
  tr, figure, .figures, .verdict { break-inside: avoid; }
  h2, caption, figcaption { break-after: avoid; }
  .verdict, .mark, .swatch, rect { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
"""

STYLE = """
h1 { font-size: 1.6rem; line-height: 1.25; margin: 0; }
h2 { font-size: 1.15rem; margin: 1.6rem 0 .6rem; }
h3 { font-size: 1.05rem; margin: .3rem 0; }
.subtitle { color: var(--quiet, inherit); margin: .2rem 0 0; overflow-wrap: anywhere; }
.verdict {
  border-left: .4rem solid #0969da; padding: .6rem .9rem; margin: .8rem 0; background: var(--soft, transparent);
  font-size: 1.1em;
}
.verdict strong { text-transform: uppercase; margin-right: .5rem; letter-spacing: .03em; }
.verdict .sign { display: inline-block; width: 1.5em; height: 1.5em; line-height: 1.5em; margin-right: .5rem;
  border-radius: 50%; text-align: center; font-weight: 700; color: #fff; background: #0969da; }
.verdict.ok { border-color: #1a7f37; } .verdict.ok .sign { background: #1a7f37; }
.verdict.warning { border-color: #9a6700; } .verdict.warning .sign { background: #9a6700; }
.verdict.stop { border-color: #cf222e; } .verdict.stop .sign { background: #cf222e; }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(6.5rem, 1fr)); gap: .6rem; margin: 1rem 0;
  padding: 0; }
.figures div { border: 1px solid var(--line, #8884); border-radius: 6px; padding: .4rem .7rem; margin: 0; }
.figures dt, .figures dd { float: none; width: auto; margin: 0; padding: 0; }
.figures dt { color: var(--quiet, inherit); font-size: .85rem; font-weight: 400; }
.figures dd { font-size: 1.5rem; line-height: 1.3; font-variant-numeric: tabular-nums; }
.scroll { overflow-x: auto; margin: .6rem 0 1rem; }
table { border-collapse: collapse; margin: 0; font-size: .9rem; }
caption { text-align: left; font-weight: 600; padding: .2rem 0; caption-side: top; }
th, td { border-bottom: 1px solid var(--line, #8884); padding: .25rem .6rem; text-align: left; vertical-align: top; }
td, tbody th { overflow-wrap: break-word; max-width: 34rem; }
thead th { vertical-align: bottom; }
tbody th { font-weight: 500; }
tfoot th, tfoot td { font-weight: 600; border-top: 2px solid var(--line, #8884); }
.n { text-align: right; font-variant-numeric: tabular-nums; }
td.n, .word, .short { white-space: nowrap; }
.mark { white-space: nowrap; font-weight: 500; }
.mark span { display: inline-block; width: 1.2em; text-align: center; font-weight: 700; }
.more { color: var(--quiet, inherit); font-size: .85rem; }
figure { margin: .8rem 0 1.2rem; }
figcaption { font-weight: 600; font-size: .9rem; }
.legend { display: flex; flex-wrap: wrap; gap: .1rem 1rem; list-style: none; margin: .3rem 0; padding: 0;
  font-size: .85rem; }
.swatch { display: inline-block; width: .8em; height: .8em; margin-right: .4em; border-radius: 2px; }
"""


# A notebook beside its list of files is narrow: names and texts break rather than leave the page, a word does not.
CELL = """
th, td { padding: .25rem .4rem; }
td, tbody th { overflow-wrap: anywhere; min-width: 3.2rem; }
td.n { min-width: 2rem; }
td, .word, .short { white-space: normal; }
.word { overflow-wrap: break-word; }
.wide th, .wide td { padding: .25rem .2rem; font-size: .76rem; min-width: 0; }
"""


def fragment(html: str) -> str:
    """HTML for a notebook cell in the workbench's look, for both themes of JupyterLab.

    JupyterLab would take what stands between two dollar signs for a formula; prices are none.
    """
    return f'<div class="p2c tex2jax_ignore mathjax_ignore"><style>.p2c.p2c {{{STYLE}{CELL}}}</style>{html}</div>'
