"""Makes docs/signature-vectors.json: `python -m tests.signature_vectors` writes it anew."""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from connectors.signing import format_secret, public_key_of
from tests.odd_forms import odd_signatures, odd_timestamps, odd_v1a

PATH = Path(__file__).parents[1] / "docs" / "signature-vectors.json"
ABOUT = (
    "Signature vectors of keshikomi's webhooks (Standard Webhooks 1.0.0). Each request is `valid`"
    " or not for a receiver that knows these `secrets` and whose clock says `now` (seconds since"
    " 1970); `body` is signed as its UTF-8 bytes. Names of headers may be in any case."
    " `vectors` are for every receiver; `vectors_v1a` only for one that verifies ed25519: there"
    " `whpk_` in `secrets` is a public key."
)
NOW = 1_795_482_903
CURRENT, OLD, STRANGER = bytes(range(32)), bytes(range(32, 64)), bytes(range(64, 96))
BODY = '{"type":"invoice.paid","timestamp":"2026-11-24T01:15:03Z","data":{}}'
ID = "evt_7d1f0c3a9b2e4f5680c1d2e3f4a5b6c7"
WORDS = ("id", "timestamp", "signature")

Vector = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Maker:
    """Makes the vectors as of one moment, in seconds since 1970."""

    now: int

    def all(self) -> list[Vector]:
        """Every vector, the good ones first."""
        return [*self.good(), *self.bad_content(), *self.bad_form()]

    def signature(
        self,
        secret: bytes = CURRENT,
        *,
        timestamp: str | None = None,
        body: str = BODY,
        webhook_id: str = ID,
    ) -> str:
        """The right signature for what is given, whatever it looks like."""
        text = str(self.now) if timestamp is None else timestamp
        digest = hmac.digest(secret, f"{webhook_id}.{text}.{body}".encode(), "sha256")
        return "v1," + base64.b64encode(digest).decode()

    def v1a(self, key: bytes = CURRENT, *, body: str = BODY) -> str:
        """The right ed25519 signature of a private key."""
        signed = f"{ID}.{self.now}.{body}".encode()
        signature = Ed25519PrivateKey.from_private_bytes(key).sign(signed)
        return "v1a," + base64.b64encode(signature).decode()

    def vector(
        self,
        name: str,
        reason: str,
        *,
        is_valid: bool = False,
        body: str = BODY,
        secrets: Sequence[bytes | str] = (CURRENT,),
        seconds_later: int = 0,
        **headers: str | None,
    ) -> Vector:
        """A genuine request but for what is given; a header that is None is missing."""
        sent: dict[str, str | None] = {
            "webhook-id": ID,
            "webhook-timestamp": str(self.now),
            "webhook-signature": self.signature(body=body),
            **{f"webhook-{word}": value for word, value in headers.items()},
        }
        return {
            "name": name,
            "valid": is_valid,
            "reason": reason,
            "secrets": [
                secret if isinstance(secret, str) else format_secret(secret) for secret in secrets
            ],
            "now": self.now + seconds_later,
            "headers": {header: value for header, value in sent.items() if value is not None},
            "body": body,
        }

    def good(self) -> list[Vector]:
        """What every receiver must take."""

        def vector(name: str, reason: str, **changes: Any) -> Vector:
            return self.vector(name, reason, is_valid=True, **changes)

        new, old = self.signature(), self.signature(OLD)
        capital = vector("headers in capitals", "names of headers have no case")
        capital["headers"] = {name.title(): value for name, value in capital["headers"].items()}
        unknown = f"v9,AAAA v1a,{'A' * 86}== {new}"
        bytes_count = "the bytes are signed as they are: nothing is trimmed, parsed or written anew"
        return [
            vector("genuine", "one signature, of the one secret"),
            capital,
            vector("rotation", "the second signature is of the secret", signature=f"{old} {new}"),
            vector(
                "rotation, the receiver is behind",
                "it knows only the old secret, and one of the signatures is of that",
                secrets=(OLD,),
                signature=f"{new} {old}",
            ),
            vector(
                "rotation, the sender is behind",
                "the receiver knows both secrets",
                secrets=(CURRENT, OLD),
                signature=old,
            ),
            vector("an unknown version beside a good one", "it is passed over", signature=unknown),
            vector(
                "v1a of a stranger beside a good v1",
                "no v1a can make a good v1 bad",
                signature=f"{self.v1a(STRANGER)} {new}",
            ),
            vector("oldest", "300 s old is not too old", seconds_later=300),
            vector("newest", "300 s ahead is not too new", seconds_later=-300),
            *(
                vector(f"a body with {what}", bytes_count, body=body)
                for what, body in BODIES.items()
            ),
        ]

    def bad_content(self) -> list[Vector]:
        """Requests that are well-formed, and not what was signed."""
        right = self.signature()
        reason = "what was signed is not what came"
        bodies = {
            "changed": BODY.replace("{}", "[]"),
            "with a line end added": f"{BODY}\n",
            "of JSON written anew": BODY.replace(":", ": "),
        }
        stranger, old = self.signature(STRANGER), self.signature(OLD)
        hidden = f"v1a,{right.removeprefix('v1,')}"
        v1a_reason = "the receiver knows no public key"
        return [
            self.vector("v1a alone", v1a_reason, signature=self.v1a()),
            self.vector("a bad v1 beside v1a", v1a_reason, signature=f"{stranger} {self.v1a()}"),
            self.vector("the v1 signature called v1a", "HMAC is no ed25519", signature=hidden),
            self.vector("the secret of a stranger", "it is not ours", signature=stranger),
            self.vector("the old secret", "the receiver does not know it", signature=old),
            *(
                self.vector(f"a body {what}", reason, body=body, signature=right)
                for what, body in bodies.items()
            ),
            self.vector("a changed id", reason, id=ID.replace("7", "8")),
            self.vector("a changed timestamp", reason, timestamp=str(self.now + 1)),
            self.vector("too old", "by more than 300 s", seconds_later=301),
            self.vector("too new", "by more than 300 s", seconds_later=-301),
        ]

    def _lacking(self, word: str, text: str | None) -> Vector:
        changes: dict[str, Any] = {word: text}
        how, reason = ("no", "it is missing") if text is None else ("an empty", "it says nothing")
        return self.vector(f"{how} webhook-{word}", reason, **changes)

    def bad_form(self) -> list[Vector]:
        """Requests whose headers cannot be read, or must not be, though what they say is signed."""
        lacks = [self._lacking(word, text) for text in (None, "") for word in WORDS]
        signatures = [
            self.vector(f"a signature: {what}", "it cannot be read", signature=text)
            for what, text in odd_signatures(self.signature().removeprefix("v1,")).items()
        ]
        timestamps = [
            self.vector(
                f"a timestamp: {what}",
                "it is not whole seconds since 1970",
                timestamp=text,
                signature=self.signature(timestamp=text),
            )
            for what, text in odd_timestamps(self.now).items()
        ]
        ids = [
            self.vector(
                f"an id: {what}",
                "no id of keshikomi looks so",
                id=text,
                signature=self.signature(webhook_id=text),
            )
            for what, text in ODD_IDS.items()
        ]
        return [*lacks, *signatures, *timestamps, *ids]

    def of_v1a(self) -> list[Vector]:
        """For receivers that verify ed25519: `PUBLIC` is of the private key `CURRENT`."""
        right, v1, stranger = self.v1a(), self.signature(OLD), self.v1a(STRANGER)
        both = (OLD, PUBLIC)
        good = [
            ("ed25519", "one signature, of the private key", right, (PUBLIC,)),
            ("v1 and v1a, the key of v1a", "one of them is right", f"{v1} {right}", (PUBLIC,)),
            ("v1 and v1a, both keys", "during a change of the kind", f"{right} {v1}", both),
            ("v1a alone, both keys", "the change of the kind is over", right, both),
            ("a good v1, a bad v1a, both keys", "one is enough", f"{stranger} {v1}", both),
            ("a bad v1, a good v1a, both keys", "one is enough", f"v1,AAAA {right}", both),
            ("two v1a, the second is right", "a rotation", f"{stranger} {right}", (PUBLIC,)),
        ]
        confused = self.signature(base64.b64decode(PUBLIC.removeprefix("whpk_")))
        bad = [
            ("ed25519 of a stranger", "it is not ours", stranger, (PUBLIC,)),
            ("v1 alone, the key of v1a", "its secret is not known", v1, (PUBLIC,)),
            ("the public key as a secret of v1", "anybody may know it", confused, (PUBLIC,)),
            ("the public key as a secret, both keys", "anybody may know it", confused, both),
            ("v1a called v1", "ed25519 is no HMAC", right.replace("v1a,", "v1,"), both),
            *((f"v1a: {what}", reason, text, (PUBLIC,)) for what, reason, text in odd_v1a(right)),
        ]
        made = [
            self.vector(name, reason, is_valid=valid, signature=signature, secrets=secrets)
            for valid, cases in ((True, good), (False, bad))
            for name, reason, signature, secrets in cases
        ]
        signed: dict[str, Any] = {"secrets": (PUBLIC,), "signature": right}
        empty = {**signed, "body": "", "signature": self.v1a(body="")}
        return [
            *made,
            self.vector("v1a: an empty body", "the bytes as they are", is_valid=True, **empty),
            self.vector("v1a: a changed body", "it was not signed", body=f"{BODY}\n", **signed),
            self.vector("v1a: a changed id", "it was not signed", id=f"{ID}0", **signed),
            self.vector("v1a: a changed time", "as above", timestamp=str(self.now + 1), **signed),
            self.vector("v1a: too old", "by more than 300 s", seconds_later=301, **signed),
            self.vector("v1a: too new", "by more than 300 s", seconds_later=-301, **signed),
        ]


PUBLIC = public_key_of(CURRENT)
BODIES = {
    "Japanese": '{"type":"invoice.paid","data":{"name":"山田 太郎","kana":"ﾔﾏﾀﾞ","mark":"𠮷👍"}}',
    "escapes": '{"type":"invoice.paid","data":{"name":"\\u5c71\\/\\""}}',
    "a line end after it": f"{BODY}\n",
    "white space around it": f" \r\n{BODY}\t ",
    "dots in it": '{"a.b":"1.2"}',
    "nothing in it": "",
}
ODD_IDS = {"a path": "../evt_1", "a dot": "evt.1", "far too long": "e" * 5_000}


def file_text() -> str:
    """The published file."""
    content: dict[str, Any] = {
        "about": ABOUT,
        "tolerance_seconds": 300,
        "vectors": Maker(NOW).all(),
    }
    content["vectors_v1a"] = Maker(NOW).of_v1a()
    return json.dumps(content, ensure_ascii=False, indent=1) + "\n"


if __name__ == "__main__":
    PATH.write_text(file_text(), "utf-8")
