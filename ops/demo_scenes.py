"""The scenes of the demo, what each one claims, and which of them make so many payments."""

from __future__ import annotations

from dataclasses import dataclass

from ops.demo_plays import (
    REPEATS,
    Payment,
    Play,
    hanging_server,
    nobodys,
    paid_after_cancel,
    paid_before_registered,
    paid_by_file,
    paid_by_gmo,
    paid_by_sbps,
    paid_twice,
    repeated,
    taken_back,
    unreadable,
    wrong_amount,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A story of one or more payments."""

    name: str
    claim: str
    rows: tuple[tuple[str, str], ...]
    play: Play


def _scene(name: str, claim: str, play: Play, *rows: tuple[str, str]) -> Scene:
    return Scene(name=name, claim=claim, rows=rows, play=play)


GMO_FORM, SBPS_XML, DSK_CSV = "GMO form", "SBPS XML", "DSK CSV"
PLAIN = _scene(
    "GMO notices",
    "each clears its invoice and is told at once",
    paid_by_gmo,
    (GMO_FORM, "paid in a konbini"),
)
SCENES = (
    PLAIN,
    _scene(
        "SBPS 速報, then 確報",
        "both are one payment; the order is released at the 速報",
        paid_by_sbps,
        (SBPS_XML, "速報, then 確報"),
    ),
    _scene(
        "a DSK file, uploaded twice",
        "each slip in it clears its invoice; the second upload changes nothing",
        paid_by_file,
        *[(DSK_CSV, "速報 in a file, uploaded twice")] * 3,
    ),
    _scene(
        "the same notice again",
        "it is acknowledged, counted apart, and told once",
        repeated,
        (GMO_FORM, f"sent {REPEATS + 1} times"),
    ),
    _scene(
        "a 速報 taken back (速報取消)",
        "the invoice is open again and the order stopped",
        taken_back,
        (SBPS_XML, "速報, then 速報取消"),
    ),
    _scene(
        "another merchant's server hangs",
        "his webhooks wait, nobody else does",
        hanging_server,
        (GMO_FORM, "to a merchant whose server hangs"),
    ),
    _scene(
        "a wrong amount",
        "the invoice is part paid, the rest stays open, nothing is released",
        wrong_amount,
        (GMO_FORM, "100 yen too little"),
    ),
    _scene(
        "paid over two channels",
        "the second payment is told as a duplicate, the order is released once",
        paid_twice,
        (GMO_FORM, "first of two for one invoice"),
        (SBPS_XML, "second of two for one invoice"),
    ),
    _scene(
        "paid before the invoice was registered",
        "it waits as unmatched, and is matched when the invoice comes",
        paid_before_registered,
        (GMO_FORM, "no invoice yet"),
    ),
    _scene(
        "paid after the invoice was cancelled",
        "the merchant is told that money came for a cancelled invoice",
        paid_after_cancel,
        (GMO_FORM, "invoice cancelled before"),
    ),
    _scene(
        "paid for nothing we know",
        "it is told and stays visible as unmatched",
        nobodys,
        (GMO_FORM, "unknown order"),
    ),
    _scene(
        "an authentic notice that cannot be read",
        "it is acknowledged and kept in quarantine",
        unreadable,
        (GMO_FORM, "amount is no number"),
    ),
)
ONCE = {nobodys, unreadable}
"""What needs a person to mend it; once is enough."""


def cast_of(count: int) -> list[tuple[Scene, list[Payment]]]:
    """The scenes that make so many payments: each one in turn, and plain ones where none fits."""
    cast: list[tuple[Scene, list[Payment]]] = []
    number, turn = 0, 0
    while number < count:
        scene = SCENES[turn % len(SCENES)]
        is_again = turn >= len(SCENES) and scene.play in ONCE
        if is_again or number + len(scene.rows) > count:
            scene = PLAIN
        payments = [
            Payment(number=number + place + 1, channel=channel, what=what, scene=scene.name)
            for place, (channel, what) in enumerate(scene.rows)
        ]
        cast.append((scene, payments))
        number, turn = number + len(payments), turn + 1
    return cast
