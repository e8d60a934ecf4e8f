"""A plot: a series as an SVG that reads on light and on dark paper."""

import math
from html import escape

from tests.speed.growth.points import Series, number

WIDTH, HEIGHT = 720, 400
LEFT, RIGHT, TOP, BOTTOM = 96, 40, 64, 80
HEADROOM = 1.15
"""The axis ends so far above the highest point, for its figure."""
STEPS = (1, 2, 2.5, 5, 10)
GAPS = 5
"""At most, between the figures of the y axis."""
STYLE = """
:root { color: #1f2328; background: #ffffff }
.line0 { color: #0b5cad } .line1 { color: #b3470b }
@media (prefers-color-scheme: dark) {
  :root { color: #e6edf3; background: #0d1117 }
  .line0 { color: #6cb0ff } .line1 { color: #ff9d5c }
}
text { font: 13px system-ui, sans-serif; fill: currentColor; text-anchor: middle }
.title { font-size: 15px; font-weight: 600; text-anchor: start }
.key { text-anchor: start } .tick { text-anchor: end }
path { stroke: currentColor; fill: none; stroke-width: 2 }
circle { fill: currentColor }
.line1 path { stroke-dasharray: 6 4 }
.grid path { stroke-width: 1; opacity: .2 }
"""


def svg(series: Series) -> str:
    """Draw the columns of a series that are to be drawn: sizes on a logarithmic axis, cost on one that begins at 0."""
    lines = [series.line(column) for column in series.drawn]
    sizes = [point.size for point in series.points]
    ticks = _ticks(max(cost for line in lines for _, cost in line) * HEADROOM)
    low, high = math.log10(sizes[0]), math.log10(max(sizes[-1], sizes[0] * 2))

    def x(size: float) -> float:
        return LEFT + (math.log10(size) - low) / (high - low) * (WIDTH - LEFT - RIGHT)

    def y(cost: float) -> float:
        return HEIGHT - BOTTOM - cost / ticks[-1] * (HEIGHT - TOP - BOTTOM)

    parts = [_text(16, 26, series.title, "title"), _text(WIDTH / 2, HEIGHT - 14, f"{series.grows} (logarithmic)")]
    parts.append(f'<g transform="translate(22 {y(ticks[-1] / 2):.0f}) rotate(-90)">{_text(0, 0, series.unit)}</g>')
    for tick in ticks:
        parts.append(f'<g class="grid"><path d="M{LEFT} {y(tick):.1f}H{WIDTH - RIGHT}"/></g>')
        parts.append(_text(LEFT - 24, y(tick) + 4, f"{tick:,g}", "tick"))
    parts += [_text(x(size), HEIGHT - BOTTOM + 38, f"{size:,}") for size in sizes]
    for place, (column, line) in enumerate(zip(series.drawn, lines, strict=True)):
        below = -10 + 28 * place  # so that the figures of two lines that lie close stand apart
        path = "L".join(f"{x(size):.1f} {y(cost):.1f}" for size, cost in line)
        key_x = LEFT + 130 * place
        parts += [
            f'<g class="line{place}">',
            f'<path d="M{path}"/><path d="M{key_x} 46h26"/>{_text(key_x + 34, 50, column, "key")}',
            *(f'<circle cx="{x(size):.1f}" cy="{y(cost):.1f}" r="4"/>' for size, cost in line),
            *(_text(x(size), y(cost) + below, number(cost)) for size, cost in line),
            "</g>",
        ]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
        f'role="img">\n<title>{escape(series.title)}: {escape(series.unit)}</title>\n<style>{STYLE}</style>\n'
        + "\n".join(parts)
        + "\n</svg>\n"
    )


def _ticks(highest: float) -> list[float]:
    """Give round figures from 0 to the highest one or a little more."""
    power = 10.0 ** math.floor(math.log10(highest / GAPS))
    step = next(step * power for step in STEPS if step * power * GAPS >= highest)
    return [step * count for count in range(math.ceil(highest / step) + 1)]


def _text(x: float, y: float, text: str, kind: str = "") -> str:
    of_kind = f' class="{kind}"' if kind else ""
    return f'<text x="{x:.1f}" y="{y:.1f}"{of_kind}>{escape(text)}</text>'
