"""Payment references for an invoice: those we issue, and those that a gateway uses already."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from api.accounts import AccountConfigs
from api.decoding import pointer_of
from api.errors import wrong
from api.requests import InvoiceRequest
from connectors.channel import JAPAN, Account, Channel
from streams.domain.errors import Malformed
from streams.domain.ids import AccountId, InvoiceId
from streams.domain.invoice import Reference
from streams.domain.notice import ChannelKind
from streams.domain.numbers import Chain, digital_numbers, slip_free_use
from streams.domain.slip import AMOUNT_YEN_MAX as SLIP_YEN_MAX
from streams.domain.slip import build_barcode
from streams.messages import AccountSet

DSK_MAKER_CODE = "929023"
"""The code under which all slips go that DSK collects."""
MAKER_CODE_DEFAULT = "999999"
COMPANY_CODE_DEFAULT = "99999"
"""For accounts whose format has no codes of its own: slips that no real shop takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draw:
    """A reference still to be drawn; the next attempt gives another number."""

    account: Account
    kind: ChannelKind
    chain: Chain | None = None
    attempt: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Tied:
    """A reference as it is shown, and as this account's notices give it."""

    shown: Reference
    canonical: str
    draw: Draw | None = None

    @property
    def claimed(self) -> Reference:
        """The reference under which it is claimed: two spellings of one number are one claim."""
        return replace(self.shown, value=self.canonical)


class Issuer:
    """Draws and checks the references of one registration."""

    def __init__(
        self, *, key: bytes, channels: Mapping[str, Channel], configs: AccountConfigs
    ) -> None:
        self._key, self._channels, self._configs = key, channels, configs

    def plan(self, asked: InvoiceRequest, accounts: Sequence[AccountSet]) -> list[Draw]:
        """What is to be drawn, by the merchant's oldest account of each channel, or 422."""
        faults: list[tuple[str, str]] = []
        draws: list[Draw] = []
        if asked.channels and asked.amount_yen > SLIP_YEN_MAX:
            faults.append(("/amount_yen", f"a konbini takes at most {SLIP_YEN_MAX} yen"))
        for place, kind in enumerate(asked.channels):
            row = next((row for row in accounts if row.channel is kind), None)
            if row is None:
                faults.append((pointer_of(("channels", place)), "you have no account of this kind"))
                continue
            account = self._configs.current(row)
            chains = tuple(Chain) if kind is ChannelKind.KONBINI_DIGITAL else (None,)
            draws += [Draw(account=account, kind=kind, chain=chain) for chain in chains]
        if len(set(asked.channels)) < len(asked.channels):
            faults.append(("/channels", "a channel is named twice"))
        if faults:
            raise wrong(*faults)
        return draws

    def given(self, asked: InvoiceRequest, accounts: Sequence[AccountSet]) -> list[Tied]:
        """The references that the merchant gave, each in an account of theirs, or 422."""
        known = {row.account_id: row for row in accounts}
        tied: dict[tuple[str, str], Tied] = {}
        faults: list[tuple[str, str]] = []
        for place, reference in enumerate(asked.references):
            row = known.get(AccountId(reference.account_id))
            if row is None:
                where = pointer_of(("references", place, "account_id"))
                faults.append((where, "you have no such channel account"))
                continue
            try:
                canonical = self._channels[row.format].canonical_reference(reference.value)
            except Malformed as error:
                faults.append((pointer_of(("references", place, "value")), str(error)))
                continue
            shown = Reference(account_id=row.account_id, value=reference.value)
            if (row.account_id, canonical) in tied:
                faults.append((pointer_of(("references", place)), "the reference is given twice"))
            tied[row.account_id, canonical] = Tied(shown=shown, canonical=canonical)
        if faults:
            raise wrong(*faults)
        return list(tied.values())

    def draw(self, draw: Draw, asked: InvoiceRequest, invoice_id: InvoiceId) -> Tied:
        """The reference of a draw: the same again for the same attempt."""
        value = (
            self._slip(draw, asked, invoice_id)
            if draw.chain is None
            else self._digital(draw, draw.chain, invoice_id)
        )
        shown = Reference(
            account_id=draw.account.account_id, value=value, channel=draw.kind, chain=draw.chain
        )
        channel = self._channels[draw.account.format]
        try:
            return Tied(shown=shown, canonical=channel.canonical_reference(value), draw=draw)
        except Malformed:
            detail = f"the format {channel.name} has no references of the channel {draw.kind}"
            raise wrong(("/channels", detail)) from None

    def _slip(self, draw: Draw, asked: InvoiceRequest, invoice_id: InvoiceId) -> str:
        free_use = slip_free_use(
            key=self._key,
            invoice_id=invoice_id,
            attempt=draw.attempt,
            company_code=_company_code(draw.account),
        )
        return build_barcode(
            maker_code=_maker_code(draw.account),
            free_use=free_use,
            due_date=asked.due_at.astimezone(JAPAN).date(),
            revenue_stamp=asked.revenue_stamp,
            amount_yen=asked.amount_yen,
        )

    def _digital(self, draw: Draw, chain: Chain, invoice_id: InvoiceId) -> str:
        return digital_numbers(
            key=self._key,
            invoice_id=invoice_id,
            chain=chain,
            attempt=draw.attempt,
            company_code=_company_code(draw.account),
        ).reference


def _maker_code(account: Account) -> str:
    if account.format == "dsk":
        return DSK_MAKER_CODE
    return account.config.get("maker_code", MAKER_CODE_DEFAULT)


def _company_code(account: Account) -> str:
    return account.config.get("company_code", COMPANY_CODE_DEFAULT)
