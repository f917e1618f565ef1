"""Spellings of signatures and timestamps that no receiver may take, for the signature vectors."""

from __future__ import annotations

import base64

GROUP_ORDER = 2**252 + 27_742_317_777_372_353_535_851_937_790_883_648_493
"""Of ed25519: added to the second half of a signature, a careless verifier takes it twice."""


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


def odd_v1a(right: str) -> list[tuple[str, str, str]]:
    """Spellings of a right ed25519 signature that do not count: name, reason, signature."""
    text = right.removeprefix("v1a,")
    raw = base64.b64decode(text)
    more = int.from_bytes(raw[32:], "little") + GROUP_ORDER
    again = base64.b64encode(raw[:32] + more.to_bytes(32, "little")).decode()
    return [
        ("no base64", "it cannot be read", "v1a,%%%"),
        ("cut short", "a signature has 64 bytes", f"v1a,{text[:44]}"),
        ("nothing after the comma", "it says nothing", "v1a,"),
        ("base64 without its end", "it cannot be read", right.rstrip("=")),
        ("a version in capitals", "no such version", f"V1A,{text}"),
        ("zeros", "it is no signature", f"v1a,{'A' * 86}=="),
        ("the order of the group added", "a second form of the same signature", f"v1a,{again}"),
    ]


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
