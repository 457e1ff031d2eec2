"""docs/benchmarks.svg: bars of the rates, grouped by scenario, readable on a light and on a dark page."""

from __future__ import annotations

from html import escape

from tools.benchmarks.figures import RATES, Results
from tools.benchmarks.peers import OURS, STANDARD_LOOP, TITLES
from tools.benchmarks.report import number

COLUMN, GAP, MARGIN = 440, 40, 24
LABEL, BAR, THICKNESS, ROW, HEADING, SPACE = 160, 210, 12, 18, 26, 20
TOP = 64

STYLE = """\
text { font: 12px system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; fill: var(--ink) }
.title { font-size: 16px; font-weight: 600 } .head { font-weight: 600 } .note, .peer { fill: var(--muted) }
.page { fill: var(--page) } .bar { fill: var(--bar) } .ours { fill: var(--ours) } .variant { fill: var(--variant) }
:root { --page: #ffffff; --ink: #1f2328; --muted: #59636e; --bar: #afb8c1; --ours: #0969da; --variant: #54a3f5 }
@media (prefers-color-scheme: dark) {
  :root { --page: #0d1117; --ink: #f0f6fc; --muted: #9198a1; --bar: #4d5661; --ours: #4493f8; --variant: #1f6feb }
}
"""


def plot(results: Results) -> str:
    """Returns the picture: two columns of groups. Each group has its own scale."""
    groups = [figure for figure in RATES if set(results.figures.get(figure, {})) - {OURS, STANDARD_LOOP}]
    columns = _columns(results, groups)
    drawn, height = [], TOP
    for index, column in enumerate(columns):
        y = TOP
        for figure in column:
            drawn += _group(results, figure, MARGIN + index * (COLUMN + GAP), y)
            y += _height(results, figure)
        height = max(height, y)
    cores = results.conditions.get("Cores", "the")
    width = 2 * MARGIN + 2 * COLUMN + GAP
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" role="img" viewBox="0 0 {width} {height}" width="{width}">',
            "<title>Requests per second, by scenario and server</title>",
            f"<style>\n{STYLE}</style>",
            f'<rect class="page" width="{width}" height="{height}" rx="6"/>',
            _text("title", MARGIN, 32, "Requests per second"),
            _text(
                "note",
                MARGIN,
                50,
                f"wrk on {cores} cores that it shares with the servers; more is better; scales differ",
            ),
            *drawn,
            "</svg>\n",
        ]
    )


def _columns(results: Results, groups: list[str]) -> tuple[list[str], list[str]]:
    """Returns the groups in two columns of about the same height, in their order."""
    whole = sum(_height(results, figure) for figure in groups)
    left: list[str] = []
    while groups and sum(_height(results, figure) for figure in left) < whole / 2:
        left.append(groups[len(left)])
    return left, groups[len(left) :]


def _servers(results: Results, figure: str) -> list[str]:
    return [server for server in TITLES if server in results.figures[figure]]


def _height(results: Results, figure: str) -> int:
    return HEADING + ROW * len(_servers(results, figure)) + SPACE


def _group(results: Results, figure: str, x: int, y: int) -> list[str]:
    """Returns the bars of a scenario. The simulator's is first."""
    rates = {server: results.median(figure, server) or 0.0 for server in _servers(results, figure)}
    most = max(rates.values())
    drawn = [_text("head", x, y + 14, RATES[figure].title)]
    for index, (server, rate) in enumerate(rates.items()):
        top = y + HEADING + index * ROW
        kind = {OURS: "ours", STANDARD_LOOP: "variant"}.get(server, "bar")
        length = max(1.0, BAR * rate / most)
        drawn += [
            _text("head" if server == OURS else "peer", x, top + 10, TITLES[server]),
            f'<rect class="{kind}" x="{x + LABEL}" y="{top}" width="{length:.1f}" height="{THICKNESS}" rx="2"/>',
            _text("head" if server == OURS else "peer", x + LABEL + length + 6, top + 10, number(rate)),
        ]
    return drawn


def _text(kind: str, x: float, y: float, text: str) -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y}">{escape(text)}</text>'
