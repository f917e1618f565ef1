"""Shows the demo: a live table where somebody watches, plain lines where a program reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.table import Table

from ops.demo_plays import Payment
from ops.demo_scenes import Scene

ROWS_SPARE = 8
ROWS_MIN = 5
ROWS_AT_END_MAX = 200
FRAMES_PER_SECOND = 8


class Stage:
    """Where the payments are seen."""

    def __init__(self, console: Console, payments: Sequence[Payment], *, is_live: bool) -> None:
        self._console, self._payments, self._is_live = console, payments, is_live
        self._begun: list[Payment] = []
        self._live = Live(
            console=console,
            get_renderable=self._table,
            refresh_per_second=FRAMES_PER_SECOND,
            transient=True,
        )

    def __enter__(self) -> Self:
        if self._is_live:
            self._live.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        if self._is_live:
            self._live.stop()
            rows = self._table(everything=True)
            self._console.print(rows)

    def say(self, text: str, style: str = "") -> None:
        """A line of its own."""
        self._console.print(text, style=style, highlight=False, markup=False)

    def begin(self, payments: Sequence[Payment]) -> None:
        """These payments are being made."""
        self._begun += payments

    def end(self, payments: Sequence[Payment]) -> None:
        """These payments have gone their way."""
        for payment in payments:
            payment.is_done = True
            if not self._is_live:
                self.say(line(payment))

    def _table(self, *, everything: bool = False) -> Table:
        done = sum(payment.is_done for payment in self._begun)
        table = Table(title=f"消込 keshikomi: {done} of {len(self._payments)} payments")
        table.add_column("#", justify="right", style="dim")
        for name in ("channel", "what happened", "outcome"):
            table.add_column(name, overflow="ellipsis", no_wrap=True)
        table.add_column("ms to webhook", justify="right")
        room = max(self._console.height - ROWS_SPARE, ROWS_MIN)
        room = ROWS_AT_END_MAX if everything else room
        for payment in self._begun[-room:]:
            style = "red" if payment.problem else "" if payment.is_done else "dim"
            table.add_row(*cells(payment), style=style)
        return table


def cells(payment: Payment) -> tuple[str, ...]:
    """A payment's row."""
    outcome = payment.problem or payment.outcome or "..."
    ms = "" if payment.ms is None else f"{payment.ms:.1f}"
    return str(payment.number), payment.channel, payment.what, outcome, ms


def line(payment: Payment) -> str:
    """A payment's row where no table is drawn."""
    number, channel, what, outcome, ms = cells(payment)
    took = f" in {ms} ms" if ms else ""
    return f"{number:>4}  {channel:<8}  {what}: {outcome}{took}"


def verdicts(scenes: Sequence[tuple[Scene, Sequence[Payment]]]) -> Iterator[tuple[bool, str]]:
    """Each kind of scene, whether it went as it must, and what it shows."""
    kinds: dict[str, list[Payment]] = {}
    claims: dict[str, str] = {}
    for scene, payments in scenes:
        kinds.setdefault(scene.name, []).extend(payments)
        claims[scene.name] = scene.claim
    for name, payments in kinds.items():
        problems = [payment.problem for payment in payments if payment.problem]
        right = len(payments) - len(problems)
        sentence = f"{name} ({right} of {len(payments)} payments): {claims[name]}"
        yield not problems, "; ".join([sentence, *sorted(set(problems))])


def delays(payments: Sequence[Payment]) -> str:
    """How long the webhooks took, in words."""
    ranked = sorted(payment.ms for payment in payments if payment.ms is not None)
    if not ranked:
        return "no webhook was timed"
    middle, high = ranked[len(ranked) // 2], ranked[int(len(ranked) * 0.95)]
    return (
        f"from a notice to its webhook: half within {middle:.1f} ms, 95 % within {high:.1f} ms, "
        f"all within {ranked[-1]:.1f} ms"
    )


def sums(counts: Mapping[str, int]) -> list[str]:
    """The laws, added up."""
    pending = counts["pending"] + counts["retrying"]
    accepted = (
        f"notices accepted {counts['accepted']} = matched {counts['matched']} "
        f"+ unmatched {counts['unmatched']} + quarantined {counts['quarantined']} "
        f"(and {counts['repeated']} repeats, which changed nothing)"
    )
    started = (
        f"webhooks started {counts['notified']} = delivered {counts['delivered']} "
        f"+ pending {pending} + failed {counts['failed']}"
    )
    return [accepted, started]
