"""Plots as SVG that stands by itself, drawn by matplotlib.

Matplotlib was chosen on 2026-11-30 among four. It writes plain SVG without a browser, and had five
releases within a year, the last of them in September. Pygal is smaller, but its SVG asks a server
for a script unless told otherwise, and it had no release in the second half of 2025. Bokeh and
Plotly are as well kept, and put megabytes of JavaScript into each page.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence

import matplotlib as mpl
from matplotlib.figure import Figure

Lines = Mapping[str, Sequence[tuple[float, float]]]
"""Points of time and value, by the name of the line."""

WIDTH_INCHES, HEIGHT_INCHES = 9.0, 2.8
LINES_MAX = 12
LEGEND_COLUMNS = 6
# The prologue and the metadata name addresses of other documents, which nothing here needs.
_FOREIGN = re.compile(r"<\?xml.*?\?>|<!DOCTYPE.*?>|<metadata>.*?</metadata>", re.DOTALL)


def plot(title: str, unit: str, lines: Lines) -> str:
    """One plot as an `<svg>` element, time from left to right."""
    figure = Figure(figsize=(WIDTH_INCHES, HEIGHT_INCHES), layout="constrained")
    axes = figure.add_subplot()
    for name, points in list(lines.items())[:LINES_MAX]:
        axes.plot([at for at, _ in points], [value for _, value in points], label=name, lw=1.2)
    axes.set_title(title, loc="left", fontsize=10)
    axes.set_xlabel("seconds from the begin of the schedule", fontsize=8)
    axes.set_ylabel(unit, fontsize=8)
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    axes.tick_params(labelsize=8)
    if lines:
        axes.legend(
            fontsize=7,
            ncols=LEGEND_COLUMNS,
            frameon=False,
            loc="lower right",
            bbox_to_anchor=(1.0, 1.0),
        )
    with io.StringIO() as text, mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": title}):
        figure.savefig(text, format="svg", metadata={"Date": None})
        return _FOREIGN.sub("", text.getvalue()).strip()
