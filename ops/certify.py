"""`keshikomi certify`: attacks a merchant's staging receiver and says what it got right."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from connectors.address_guard import parse_url
from connectors.signing import parse_private_key, parse_secret
from ops.certify_acknowledging import Acknowledging, acknowledging
from ops.certify_advice import RELEASED_AT
from ops.certify_attacks import Plan
from ops.certify_requests import Attack
from ops.certify_sending import Answer, Sender, sender_to
from streams.clock import Clock
from streams.domain.delivery import GONE, SUCCESS
from streams.domain.errors import Malformed

QUICK_SECONDS = 2.0
"""An answer that takes longer waited for work; at 15 s it would be a failure."""
SLOW_BODY_SECONDS = 3.0
MS_PER_SECOND = 1_000
REDIRECTS, REFUSALS = range(300, 400), range(400, 500)

ALWAYS_ANSWER = "Answer every request, whatever is in it; one without an answer is tried again."
NO_REDIRECT = "A redirect is not followed and counts as a failure: register the final URL."
NOT_GONE = "410 switches the endpoint off: answer it only when you want no more webhooks."
AT_ONCE = "Store the webhook, answer, and work on it afterwards: after 15 s it counts as failed."
NO_CRASH = "This is no fault of yours: answer 401, and let nobody be woken by a 500."
BY_THE_ANSWER = "It acknowledges by the answer; only you can see whether the order had left by then"
BY_A_CALL = (
    "It does not acknowledge by `released_at` in its answer, so a real endpoint with ack_required"
    " is told up to three times, unless your shop calls POST /v1/events/{webhook-id}/ack:"
    " GET /v1/endpoints/{id}/unacknowledged of a real one shows where it did not"
)
WORDS = {True: "right", False: "WRONG", None: "not judged"}
ACKNOWLEDGING: dict[Acknowledging, tuple[bool | None, str]] = {
    Acknowledging.GOOD: (True, BY_THE_ANSWER),
    Acknowledging.BAD: (False, RELEASED_AT),
    Acknowledging.NONE: (None, BY_A_CALL),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Certification:
    """Where the receiver is and what signs for it; private addresses only where allowed.

    `secret` is of `v1`, `private_key` of `v1a`: one of them is there, and both where both are good.
    """

    url: str
    secret: str | None = field(default=None, repr=False)
    old_secret: str | None = field(default=None, repr=False)
    private_key: str | None = field(default=None, repr=False)
    allow_private: bool = False
    quick_seconds: float = QUICK_SECONDS
    slow_body_seconds: float = SLOW_BODY_SECONDS


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What one attack met, and what to do about it where that is wrong.

    What cannot be judged from outside is neither right nor wrong; `advice` says how to see it.
    """

    name: str
    is_right: bool | None
    met: str = ""
    advice: str = ""

    def line(self) -> str:
        """The finding for people."""
        told = ". ".join(part for part in (self.met, self.advice) if part)
        return f"{WORDS[self.is_right]}  {self.name}: {told}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All findings; `to_look_at` is what only the merchant can see."""

    findings: Sequence[Finding]
    to_look_at: Sequence[str]
    is_complete: bool = True
    """Whether all attacks were made; they end with the first when even that is not taken."""

    @property
    def is_success(self) -> bool:
        """Whether everything that can be seen from outside is right."""
        return self.is_complete and not any(each.is_right is False for each in self.findings)

    def lines(self) -> list[str]:
        """The report for people."""
        told = [finding.line() for finding in self.findings]
        if not self.is_complete:
            return [*told, "", "Stopped: while genuine webhooks fail, nothing else means anything."]
        wrong = sum(finding.is_right is False for finding in self.findings)
        unjudged = sum(finding.is_right is None for finding in self.findings)
        look = [
            "Only you can see whether, in your shop:",
            *(f"  - {one}" for one in self.to_look_at),
        ]
        return [*told, "", f"{wrong} wrong of {len(told)}, {unjudged} not judged", "", *look]


async def certify(asked: Certification, *, clock: Clock) -> Report:
    """Make every attack, one after the other.

    Raises:
        Malformed: the URL, a secret or a key cannot be used, or there is none.
    """
    url = parse_url(asked.url, allow_private=asked.allow_private)
    plan = _plan(asked, clock)
    findings: list[Finding] = []
    async with sender_to(
        url, allow_private=asked.allow_private, slow_seconds=asked.slow_body_seconds
    ) as sender:
        for attack in plan.attacks:
            if any(each.name == attack.needs and not each.is_right for each in findings):
                how = f"make `{attack.needs}` right first: until then this would say nothing"
                findings.append(Finding(name=attack.name, is_right=None, advice=how))
                continue
            answers = await _make(sender, attack, clock)
            findings.append(_judge(attack, answers, asked.quick_seconds))
            if len(findings) == 1 and answers[0].status not in SUCCESS:
                return Report(findings=findings, to_look_at=(), is_complete=False)
    unjudged = [Finding(name=name, is_right=None, advice=how) for name, how in plan.unjudged]
    return Report(findings=[*findings, *unjudged], to_look_at=plan.to_look_at)


def _plan(asked: Certification, clock: Clock) -> Plan:
    if not (asked.secret or asked.private_key):
        raise Malformed("give --secret, --private-key or both: what the receiver verifies with")
    return Plan(
        secret=parse_secret(asked.secret) if asked.secret else None,
        old_secret=parse_secret(asked.old_secret) if asked.old_secret else None,
        private_key=parse_private_key(asked.private_key) if asked.private_key else None,
        at=clock(),
    )


async def _make(sender: Sender, attack: Attack, clock: Clock) -> list[Answer]:
    if attack.is_at_once:
        now = int(clock().timestamp())
        return await asyncio.gather(*(sender.send(make(now)) for make in attack.requests))
    return [await sender.send(make(int(clock().timestamp()))) for make in attack.requests]


def _judge(attack: Attack, answers: Sequence[Answer], quick_seconds: float) -> Finding:
    """One wrong answer of several makes the attack's finding; the first is told."""
    for number, answer in enumerate(answers, 1):
        advice = _fault(attack, answer, quick_seconds)
        if advice:
            which = f"request {number} of {len(answers)} " if len(answers) > 1 else ""
            return Finding(
                name=attack.name, is_right=False, met=f"{which}{_met(answer)}", advice=advice
            )
    met = _met(max(answers, key=lambda answer: answer.seconds))
    if not attack.is_read:
        return Finding(name=attack.name, is_right=True, met=met)
    found = acknowledging([answer.text for answer in answers])
    is_right, advice = ACKNOWLEDGING[found]
    return Finding(name=attack.name, is_right=is_right, met=met, advice=advice)


def _met(answer: Answer) -> str:
    took = f"{answer.seconds * MS_PER_SECOND:.0f} ms"
    if answer.status is None:
        return f"got no answer ({answer.failure}, after {took})"
    return f"got {answer.status} after {took}"


def _fault(attack: Attack, answer: Answer, quick_seconds: float) -> str:
    """What to do about an answer; nothing where it is right."""
    status = answer.status
    if status is None:
        return ALWAYS_ANSWER
    if status in REDIRECTS:
        return NO_REDIRECT
    if status == GONE:
        return NOT_GONE
    if attack.must_take and status not in SUCCESS:
        return attack.advice
    if not attack.must_take and status not in REFUSALS:
        return attack.advice if status in SUCCESS else NO_CRASH
    return AT_ONCE if answer.seconds > quick_seconds else ""
