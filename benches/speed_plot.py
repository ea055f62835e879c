"""The plot of peers.py: a bar for raddle and a mark for each peer in every row, on a logarithmic axis, as plain SVG.

The picture brings its own ground, so that it reads well on a light page and on a dark one, whatever the page's own
colours are; it follows the reader's colour scheme where the viewer tells it.
"""

import math
from xml.sax.saxutils import escape

WIDTH, LEFT, RIGHT, TOP, STEP = 860, 284, 60, 64, 19
MARKS = {
    "multiprocessing": "M-4,-4h8v8h-8z",
    "aiologic": "M-4.5,0a4.5,4.5 0 1,0 9,0a4.5,4.5 0 1,0 -9,0z",
    "fastrlock": "M0,-5.5L5.5,0L0,5.5L-5.5,0z",
    "_queue": "M0,-5L5,4.5H-5z",
    "_thread": "M0,5L5,-4.5H-5z",
}
RULES = """
  text {{ font: 12px system-ui, sans-serif; fill: {text}; }}
  .ground {{ fill: {ground}; stroke: {faint}; }}
  .bar {{ fill: {bar}; }}
  .grid {{ stroke: {faint}; }}
  .one {{ stroke: {text}; }}
  .peer {{ fill: {mark}; stroke: {ground}; }}
  .less {{ fill: {ground}; stroke: {mark}; stroke-width: 1.5; }}
"""
LIGHT = RULES.format(ground="#ffffff", text="#1f2328", faint="#d5dae0", bar="#3d7fd6", mark="#d9730d")
DARK = RULES.format(ground="#12161c", text="#e2e6eb", faint="#343b45", bar="#4a8ce0", mark="#f5a04c")


def text(x, y, words, anchor="start"):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(words)}</text>'


def mark(x, y, name, less):
    return f'<path class="{"less" if less else "peer"}" transform="translate({x:.1f},{y:.1f})" d="{MARKS[name]}"/>'


def axis(values):
    """Where a ratio lies, and the ticks: 1 and 3 of every power of ten that the values reach."""
    low, high = math.log10(min(values) / 1.1), math.log10(max(values) * 1.1)
    ticks = [m * 10.0**e for e in range(math.floor(low), math.ceil(high) + 1) for m in (1, 3)]
    scale = (WIDTH - LEFT - RIGHT) / (high - low)
    return lambda value: LEFT + (math.log10(value) - low) * scale, [t for t in ticks if low <= math.log10(t) <= high]


def legend(names):
    x, parts = 16, ['<rect class="bar" x="16" y="14" width="14" height="10"/>', text(36, 23, "raddle")]
    x += 72
    for name in names:
        parts += [mark(x, 19, name, False), text(x + 10, 23, name)]
        x += 32 + 7 * len(name)
    return [*parts, mark(x, 19, "aiologic", True), text(x + 10, 23, "hollow: promises less, so not compared")]


def draw(rows):
    """Returns the SVG of rows: a name, raddle's ratio, and a list of (peer, ratio, whether it promises less)."""
    place, ticks = axis([1.0, *(r for _, ratio, peers in rows for r in (ratio, *(p[1] for p in peers)))])
    used = {peer for _, _, peers in rows for peer, _, _ in peers}
    bottom = TOP + STEP * len(rows)
    parts = legend([name for name in MARKS if name in used])
    for tick in ticks:
        x = place(tick)
        parts.append(f'<path class="{"one" if tick == 1 else "grid"}" d="M{x:.1f},{TOP - 6}V{bottom}"/>')
        parts.append(text(x, TOP - 12, f"{tick:g}x", "middle"))
    for number, (name, ratio, peers) in enumerate(rows):
        y = TOP + STEP * number + STEP / 2
        start, end = sorted((place(1), place(ratio)))
        parts.append(text(LEFT - 10, y + 4, name, "end"))
        parts.append(f'<rect class="bar" x="{start:.1f}" y="{y - 6:.1f}" width="{end - start:.1f}" height="12"/>')
        parts += [mark(place(value), y, peer, less) for peer, value, less in peers]
        last = max(end, *(place(value) + 6 for _, value, _ in peers), 0)
        parts.append(text(last + 6, y + 4, f"{ratio:.{0 if ratio >= 10 else 1}f}x"))
    height = bottom + 34
    parts.append(text(LEFT, bottom + 20, "times faster than the standard library (the line at 1x); logarithmic"))
    title = "How many times faster than the standard library raddle and its peers are"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{title}">\n'
        f"<title>{title}</title>\n<style>{LIGHT}@media (prefers-color-scheme: dark) {{{DARK}}}</style>\n"
        f'<rect class="ground" x="0.5" y="0.5" width="{WIDTH - 1}" height="{height - 1}" rx="6"/>\n'
        + "\n".join(parts)
        + "\n</svg>\n"
    )
