"""Makes docs/signature-vectors.json: `python -m tests.signature_vectors` writes it anew."""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from connectors.signing import format_secret

PATH = Path(__file__).parents[1] / "docs" / "signature-vectors.json"
ABOUT = (
    "Signature vectors of keshikomi's webhooks (Standard Webhooks 1.0.0). Each request is `valid`"
    " or not for a receiver that knows these `secrets` and whose clock says `now` (seconds since"
    " 1970); `body` is signed as its UTF-8 bytes. Names of headers may be in any case."
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

    def vector(
        self,
        name: str,
        reason: str,
        *,
        is_valid: bool = False,
        body: str = BODY,
        secrets: Sequence[bytes] = (CURRENT,),
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
            "secrets": [format_secret(secret) for secret in secrets],
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
        return [
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


BODIES = {
    "Japanese": '{"type":"invoice.paid","data":{"name":"山田 太郎","kana":"ﾔﾏﾀﾞ","mark":"𠮷👍"}}',
    "escapes": '{"type":"invoice.paid","data":{"name":"\\u5c71\\/\\""}}',
    "a line end after it": f"{BODY}\n",
    "white space around it": f" \r\n{BODY}\t ",
    "dots in it": '{"a.b":"1.2"}',
    "nothing in it": "",
}
ODD_IDS = {"a path": "../evt_1", "a dot": "evt.1", "far too long": "e" * 5_000}


def odd_signatures(right: str) -> dict[str, str]:
    """Spellings in which a right signature does not count, and what is none."""
    return {
        "no base64": "v1,%%%",
        "base64 cut short": f"v1,{right[:20]}",
        "base64 without its end": f"v1,{right.rstrip('=')}",
        "nothing after the comma": "v1,",
        "no version": right,
        "an unknown version only": f"v2,{right}",
        "a version in capitals": f"V1,{right}",
        "another scheme": "sha256=" + base64.b64decode(right).hex(),
        "commas between two": f"v1,{right},v1,{right}",
        "white space only": " ",
        "letters beyond ASCII": f"v1,{right[:-2]}é=",
        "far too many": " ".join([*["v1,AAAA"] * 1_000, f"v1,{right}"]),
    }


def odd_timestamps(now: int) -> dict[str, str]:
    """What is not whole seconds since 1970 in ASCII digits."""
    return {
        "a word": "now",
        "a fraction": f"{now}.0",
        "a sign": f"+{now}",
        "negative": f"-{now}",
        "milliseconds": str(now * 1_000),
        "an exponent": f"{now}e0",
        "infinite": "inf",
        "wide digits": str(now).translate({ord("0") + n: ord("０") + n for n in range(10)}),
        "far too long": "9" * 5_000,
        "zeros before it": str(now).zfill(5_000),
    }


def file_text() -> str:
    """The published file."""
    content = {"about": ABOUT, "tolerance_seconds": 300, "vectors": Maker(NOW).all()}
    return json.dumps(content, ensure_ascii=False, indent=1) + "\n"


if __name__ == "__main__":
    PATH.write_text(file_text(), "utf-8")
