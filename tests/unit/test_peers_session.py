"""A load on a peer ends when what it accepted has come, and what came is judged."""

from __future__ import annotations

from collections.abc import Mapping

from loadtests.arrivals import Arrival
from loadtests.generator import Answered
from loadtests.peers.http_peer import Address
from loadtests.peers.peer import SECRET, Endpoint
from loadtests.peers.session import Session
from loadtests.peers.svix import Svix
from tests.unit.test_peers_figures import an_arrival

STATUSES = {"ORD-0000000": 0, "ORD-0000001": 202, "ORD-0000002": 202}
UNCERTAIN, FIRST, SECOND = STATUSES


class Answers:
    """A connection to a peer that answers at once, each reference as it is told to."""

    starved = 0

    async def open(self) -> None: ...

    def fire(self, request: bytes, answered: Answered) -> None:
        (status,) = (STATUSES[each] for each in STATUSES if each.encode() in request)
        answered(status, b"", 0)


class Trickle:
    """A receiver that has what is given by now, one group more each time that it is asked."""

    def __init__(self, *groups: list[Arrival]) -> None:
        self._groups, self._have = list(groups), list[Arrival]()

    async def served(self) -> Mapping[str, int]:
        return {"/ok/a": 2}

    async def new_arrivals(self, first: int) -> list[Arrival]:
        self._have += self._groups.pop(0) if self._groups else []
        return self._have[first:]


def a_session(receiver: Trickle) -> tuple[Session, Endpoint]:
    endpoint = Endpoint(path="/ok/a", secret=SECRET, key="app_1")
    peer = Svix(Address(url="http://127.0.0.1:1", token=""))
    made = Session(peer=peer, receiver=receiver, client=Answers(), endpoints=[endpoint])
    return made, endpoint


async def test_what_was_accepted_is_waited_for_beside_what_came_without_an_answer() -> None:
    receiver = Trickle([an_arrival(UNCERTAIN), an_arrival(FIRST)], [], [an_arrival(SECOND)])
    made, endpoint = a_session(receiver)

    load, _ = await made.load(await made.events([endpoint], 3), 1_000)

    assert (endpoint.accepted, endpoint.uncertain) == ([FIRST, SECOND], [UNCERTAIN])
    assert load.arrivals.keys() == STATUSES.keys()
    assert list(made.wrong(repeats_allowed=False, complete=True)) == []


async def test_what_never_comes_ends_the_wait_and_is_told() -> None:
    made, endpoint = a_session(Trickle([an_arrival(FIRST), an_arrival(FIRST)]))

    load, _ = await made.load(await made.events([endpoint], 3), 1_000, wait=0.01)

    assert (load.repeats, load.references) == (1, list(STATUSES))
    wrong = list(made.wrong(repeats_allowed=False, complete=True))
    assert wrong == [
        f"/ok/a: never told of ('invoice.paid', '{SECOND}')",
        "/ok/a: 1 webhooks came again",
    ]
    assert list(made.wrong(repeats_allowed=True, complete=False)) == []


async def test_what_nobody_was_to_be_told_is_wrong() -> None:
    stray = [an_arrival(FIRST, path="/ok/b"), an_arrival(SECOND), an_arrival(FIRST)]
    made, endpoint = a_session(Trickle(stray))

    await made.load(await made.events([endpoint], 3), 1_000)

    assert list(made.wrong(repeats_allowed=False, complete=True)) == [
        "/ok/b: no endpoint has this address"
    ]


async def test_what_a_load_cost_is_taken_when_the_peer_has_done_all_of_it() -> None:
    asked = []

    class Watched(Svix):
        def processes(self) -> Mapping[str, int]:
            asked.append("cost")
            return {}

        async def quiet(self) -> None:
            asked.append("quiet")

    made, endpoint = a_session(Trickle([an_arrival(FIRST), an_arrival(SECOND)]))
    made.peer = Watched(Address(url="http://127.0.0.1:1", token=""))

    await made.load(await made.events([endpoint], 3), 1_000)

    assert asked == ["cost", "quiet", "cost"]
