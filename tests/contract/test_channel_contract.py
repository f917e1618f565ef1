"""What every channel format keeps, tried on its samples in `tests/samples/<format>/`.

`account.json` is the account that the samples were made for; `good-*.body` and `refused-*.body` are
bodies as they come over the wire, and the `.json` beside each says what must be read, or by which
step it must be refused. A new format is tried as soon as it has samples.
"""

from __future__ import annotations

import json
import re
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.channel import Account, Channel, Incoming, Reply, load_channels
from streams.domain.errors import Malformed, NotAuthentic, RemoteError
from streams.domain.ids import AccountId, MerchantId, NoticeId
from streams.domain.notice import ChannelKind, Notice, check_notice

SAMPLES = Path(__file__).parents[1] / "samples"
CHANNELS = load_channels()
NOW = datetime(2026, 12, 24, tzinfo=UTC)
REASONS_TO_REFUSE = {
    *("tampered", "truncated", "empty", "nul", "wrong-encoding", "unknown-status"),
    *("amount-zero", "amount-negative", "amount-float", "amount-huge", "amount-wide"),
    *("year-0", "year-9999", "not-a-date"),
}
HUGE = 4_000_000


def read_json(path: Path) -> Any:
    return json.loads(path.read_text("utf-8"))


def bodies(kind: str, *names: str) -> list[Path]:
    folders = [SAMPLES / name for name in names or CHANNELS]
    return [path for folder in folders for path in sorted(folder.glob(f"{kind}-*.body"))]


def name_of(path: Path) -> str:
    return f"{path.parent.name}-{path.stem}"


def channel_of(path: Path) -> Channel:
    return CHANNELS[path.parent.name]


def settings_of(name: str) -> Any:
    return read_json(SAMPLES / name / "account.json")


def account_of(name: str, *, account_id: str = "ca_sample") -> Account:
    settings = settings_of(name)
    return Account(
        account_id=AccountId(account_id),
        merchant_id=MerchantId("mer_sample"),
        channel=ChannelKind(settings["channel"]),
        format=name,
        config=settings["config"],
    )


def incoming_of(path: Path, body: bytes | None = None) -> Incoming:
    headers = read_json(path.with_suffix(".json"))["headers"]
    return Incoming(
        body=path.read_bytes() if body is None else body,
        content_type=headers.get("content-type", ""),
        headers=headers,
    )


def take(channel: Channel, incoming: Incoming) -> tuple[Notice, ...]:
    """Everything that stands between a request and an accepted notice."""
    account = account_of(channel.name)
    if settings_of(channel.name)["posts"]:
        channel.authenticate(incoming, account.config)
    notices = channel.parse(incoming, account)
    for notice in notices:
        check_notice(notice, now=NOW)
    return notices


def what_is_said(notice: Notice) -> dict[str, Any]:
    said = asdict(notice)
    store = notice.store and [notice.store.chain, notice.store.code]
    return said | {"paid_at": notice.paid_at.isoformat(), "store": store}


every_channel = pytest.mark.parametrize("name", sorted(CHANNELS))
every_good_sample = pytest.mark.parametrize("path", bodies("good"), ids=name_of)
every_refused_sample = pytest.mark.parametrize("path", bodies("refused"), ids=name_of)


@every_good_sample
def test_a_good_sample_is_read_as_it_was_meant(path: Path) -> None:
    expected = read_json(path.with_suffix(".json"))["notices"]

    notices = take(channel_of(path), incoming_of(path))

    # The ids are compared too: were they derived in another way, a notice that is sent
    # again after an upgrade would count twice.
    said = [what_is_said(notice) for notice in notices]
    assert [{k: one[k] for k in want} for one, want in zip(said, expected, strict=True)] == expected


@every_good_sample
def test_the_same_bytes_again_are_the_same_notices(path: Path) -> None:
    first, again = (take(channel_of(path), incoming_of(path)) for _ in range(2))

    assert first == again


@every_channel
def test_different_samples_are_different_notices(name: str) -> None:
    notices = [n for path in bodies("good", name) for n in take(CHANNELS[name], incoming_of(path))]

    assert len(notices) > 1
    assert len({notice.notice_id for notice in notices}) == len(notices)


@every_good_sample
def test_another_account_has_other_ids(path: Path) -> None:
    channel, incoming = channel_of(path), incoming_of(path)
    ours = channel.parse(incoming, account_of(channel.name))
    theirs = channel.parse(incoming, account_of(channel.name, account_id="ca_other"))

    for one, other in zip(ours, theirs, strict=True):
        assert one.notice_id != other.notice_id
        assert one.payment_id != other.payment_id


@every_channel
def test_the_samples_cover_what_must_be_refused(name: str) -> None:
    refused = {path.stem.removeprefix("refused-") for path in bodies("refused", name)}

    assert refused >= REASONS_TO_REFUSE


@every_refused_sample
def test_a_refused_sample_is_refused_by_the_step_that_it_names(path: Path) -> None:
    channel, incoming = channel_of(path), incoming_of(path)
    account = account_of(channel.name)
    by = read_json(path.with_suffix(".json"))["by"]

    if by == "authenticate":
        with pytest.raises(NotAuthentic):
            channel.authenticate(incoming, account.config)
        return
    if settings_of(channel.name)["posts"]:
        channel.authenticate(incoming, account.config)
    if by == "check":
        (notice,) = channel.parse(incoming, account)
        with pytest.raises(Malformed):
            check_notice(notice, now=NOW)
        return
    with pytest.raises(Malformed) as refusal:
        channel.parse(incoming, account)
    assert str(refusal.value), "the reason is told"


@every_channel
def test_every_part_of_the_configuration_counts(name: str) -> None:
    settings = settings_of(name)
    path = bodies("good", name)[0]
    if not settings["posts"]:
        with pytest.raises(NotAuthentic):
            CHANNELS[name].authenticate(incoming_of(path), settings["config"])
        return

    for field in CHANNELS[name].config:
        other = settings["config"] | {field.name: settings["config"][field.name][:-1] + "8"}
        with pytest.raises(NotAuthentic):
            CHANNELS[name].authenticate(incoming_of(path), other)


@every_channel
def test_the_configuration_describes_itself(name: str) -> None:
    channel, config = CHANNELS[name], settings_of(name)["config"]

    assert channel.name == name
    assert {field.name for field in channel.config} == set(config)
    for field in channel.config:
        assert re.fullmatch(field.pattern, config[field.name])
        assert not re.fullmatch(field.pattern, "")
        assert field.meaning
    assert channel.content_types
    assert {kind.lower() for kind in channel.content_types} == channel.content_types


@every_good_sample
def test_a_body_cut_anywhere_tells_of_no_other_money(path: Path) -> None:
    channel, whole = channel_of(path), incoming_of(path)
    known = {(n.reference, n.amount_yen, n.kind) for n in take(channel, whole)}

    for length in range(len(whole.body)):
        try:
            notices = take(channel, incoming_of(path, whole.body[:length]))
        except RemoteError:
            continue
        assert {(n.reference, n.amount_yen, n.kind) for n in notices} <= known


@every_channel
@pytest.mark.parametrize("filler", [b"\0", b"a", b"<a>", b"[", b"&=", b"\r\n", b"\xff", b'"'])
def test_a_huge_body_is_refused(name: str, filler: bytes) -> None:
    path = bodies("good", name)[0]
    huge = filler * (HUGE // len(filler))

    for body in (huge, path.read_bytes() + huge):
        with pytest.raises(RemoteError):
            take(CHANNELS[name], incoming_of(path, body))


@every_channel
@given(body=st.binary(max_size=400))
def test_any_bytes_raise_nothing_but_what_foreign_bytes_may(name: str, body: bytes) -> None:
    channel, account = CHANNELS[name], account_of(name)
    incoming = Incoming(body=body, headers={"x-keshikomi-signature": "sha256="})

    with pytest.raises(NotAuthentic):
        channel.authenticate(incoming, account.config)
    with pytest.raises(Malformed):
        channel.parse(incoming, account)


@every_channel
@given(data=st.data())
def test_a_sample_with_changed_bytes_raises_nothing_else_either(
    name: str, data: st.DataObject
) -> None:
    channel = CHANNELS[name]
    path = data.draw(st.sampled_from(bodies("good", name)))
    body = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    incoming = incoming_of(path, bytes(body))

    # Anything but an error of the sender's would end this test.
    with suppress(RemoteError):
        channel.authenticate(incoming, account_of(name).config)
    with suppress(RemoteError):
        channel.parse(incoming, account_of(name))


@every_channel
def test_references_are_brought_into_the_form_of_the_notices(name: str) -> None:
    channel, given_forms = CHANNELS[name], settings_of(name)["canonical"]
    said = {
        notice.reference
        for path in bodies("good", name)
        for notice in take(channel, incoming_of(path))
    }

    assert {form: channel.canonical_reference(form) for form in given_forms} == given_forms
    assert {channel.canonical_reference(reference) for reference in said} == said
    assert said & set(given_forms.values())


@every_channel
@pytest.mark.parametrize("reference", ["", "\0", "a\nb", "\ud800", "x" * 129, "9" * 1_000])
def test_what_cannot_be_a_reference_is_refused(name: str, reference: str) -> None:
    with pytest.raises(Malformed):
        CHANNELS[name].canonical_reference(reference)


@every_channel
@given(text=st.text(max_size=60))
def test_a_canonical_reference_is_canonical(name: str, text: str) -> None:
    channel = CHANNELS[name]
    try:
        once = channel.canonical_reference(text)
    except Malformed:
        return
    assert channel.canonical_reference(once) == once


@every_channel
@given(reason=st.text(max_size=80))
def test_every_answer_can_be_sent(name: str, reason: str) -> None:
    channel = CHANNELS[name]
    incoming = Incoming(body=reason.encode("utf-8", "surrogatepass"))
    answers = [
        channel.accepted(None, False),  # noqa: FBT003  # as the API calls it
        channel.accepted(NoticeId("ntc_1"), True),  # noqa: FBT003  # as the API calls it
        *(say(reason) for say in (channel.not_authentic, channel.unreadable, channel.unavailable)),
    ]

    for answer in answers:
        if answer is not None:
            fitted = channel.fit(answer, incoming)
            assert isinstance(fitted, Reply)
            assert fitted.content_type.isascii()
            assert 200 <= fitted.status <= 503
