"""What is kept of a provider's body: its bytes as they came, but no card number and no secret.

A field is read as what it says, with its escapes undone, and masked there; then only the bytes of
what was masked become asterisks, so everything else stays as it was sent. A format names the fields
that its notices are made of: they stay exact, because money is matched by them. Nothing here
raises: a body that cannot be read as its format is masked as plain text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from html import escape, unescape
from urllib.parse import quote, quote_plus, unquote_plus, unquote_to_bytes

from streams.domain.masking import LONG_ENOUGH, SEPARATOR, mask_card_numbers

ENCODINGS = ("utf-8", "cp932", "latin-1")
"""In this order; every byte is something in the last one."""
MASK = "*"
SECRETS_KNOWN_MAX = 4_096

FORM_BYTE = re.compile(rb"%[0-9A-Fa-f]{2}|[\s\S]")
JSON_UNIT = re.compile(
    r"\\u[dD][89abAB][0-9A-Fa-f]{2}\\u[dD][c-fC-F][0-9A-Fa-f]{2}"
    r"|\\u[0-9A-Fa-f]{4}|\\[\s\S]|[\s\S]"
)
JSON_TOKEN = re.compile(r'("(?:[^"\\]++|\\[\s\S])*+"?)(\s*:)?|[{}\[\]]')
XML_UNIT = re.compile(r"&#?[0-9A-Za-z]{1,10};|[\s\S]")
# What is not ended ends with the text, so no opener is ever looked at twice.
XML_TOKEN = re.compile(
    r"(?P<silent><!--[\s\S]*?(?:-->|\Z)|<\?[\s\S]*?(?:\?>|\Z))"
    r"|<!\[CDATA\[(?P<verbatim>[\s\S]*?)(?:\]\]>|\Z)"
    r"|(?P<tag><(?:[^<>\"']|\"[^\"]*\"|'[^']*')*+>)|(?P<text>[^<]+|<)"
)
XML_NAME = re.compile(r"</?([^\s/>]*)")

ANY_UNIT = re.compile(r"%[0-9A-Fa-f]{2}|\\u[0-9A-Fa-f]{4}|&#[0-9A-Za-z]{1,10};|[\s\S]")
ANY_DIGIT = r"(?:\d|%3[0-9]|\\u003[0-9]|&#(?:x0*3[0-9]|0*(?:4[89]|5[0-7]));)"
ANY_SEPARATOR = rf"(?:{SEPARATOR}|\+|%20|%2[dD]|\\u0020|\\u002[dD])"
ANY_RUN = re.compile(rf"{ANY_DIGIT}(?:{ANY_SEPARATOR}{{0,2}}{ANY_DIGIT}){{12,}}")

Exact = Mapping[str, Callable[[str], bool]]
"""Fields that stay as they came, each with the form in which it can be what it is read as."""
Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Said:
    """A text as it is meant, and where each character is written: at `start` on if not listed."""

    text: str
    start: int = 0
    written: Sequence[Span] | None = None

    def spans(self, secrets: Collection[str]) -> list[Span]:
        """What must be masked; a card number and a secret may share characters."""
        if not _suspect(self.text, secrets):
            return []
        hidden = list(mask_card_numbers(self.text))
        for secret in secrets:
            at = self.text.find(secret) if secret else -1
            while at >= 0:
                hidden[at : at + len(secret)] = MASK * len(secret)
                at = self.text.find(secret, at + len(secret))
        if "".join(hidden) == self.text:
            return []
        places = self.places()
        pairs = enumerate(zip(self.text, hidden, strict=True))
        return [places[at] for at, (before, after) in pairs if before != after]

    def places(self) -> Sequence[Span]:
        """Where each character is written."""
        if self.written is not None:
            return self.written
        return [(at, at + 1) for at in range(self.start, self.start + len(self.text))]


def keep_text(raw: bytes, secrets: Collection[str] = ()) -> bytes:
    """Plain text: every card number and every secret is masked as it stands there."""
    text, encoding = _decoded(raw)
    return _starred(raw, text, Said(text).spans(secrets), encoding)


def mask_everywhere(raw: bytes, secrets: Collection[str]) -> bytes:
    """What nothing is read from: whatever any escape makes a card number or a secret is masked."""
    raw = keep_text(raw, [each for one in secrets for each in _written(one)])
    text, encoding = _decoded(raw)
    spans: list[Span] = []
    for run in ANY_RUN.finditer(text):
        spans += _said(ANY_UNIT, _any_char, run[0], run.start()).spans(())
    return _starred(raw, text, spans, encoding)


def keep_form(
    raw: bytes, *, exact: Exact, secret: Collection[str], secrets: Collection[str]
) -> bytes:
    """A form: the fields named in `secret` are masked whatever they hold, the others as texts."""
    pairs = raw.split(b"&")
    for at, pair in enumerate(pairs):
        name, equals, value = pair.partition(b"=")
        key = _form_said(name).text.strip()
        if key.casefold() in secret:
            pairs[at] = name + equals + _form_starred(value)
        elif key in exact:
            pairs[at] = name + equals + _form_masked(value, secrets, exact[key])
        else:
            pairs[at] = _form_masked(name, secrets) + equals + _form_masked(value, secrets)
    return b"&".join(pairs)


def keep_json(raw: bytes, *, exact: Collection[str], secrets: Collection[str]) -> bytes:
    """JSON: every string is masked but those members of the outermost object."""
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        return keep_text(raw, secrets)
    # The intake comes through here with every notice, and hardly one holds anything that long.
    if "\\u" not in text and not _suspect(text, secrets):
        return raw
    spans: list[Span] = []
    depth, member = 0, ""
    for token in JSON_TOKEN.finditer(text):
        if token[1] is None:
            depth += 1 if token[0] in "{[" else -1
        elif depth == 1 and token[2] is None and member in exact:
            member = ""
        else:
            said = _json_said(token[1], token.start())
            spans += said.spans(secrets)
            if depth == 1 and token[2] is not None:
                member = said.text.strip('"')
    return _starred(raw, text, spans, "utf-8")


def keep_xml(raw: bytes, *, encoding: str, exact: Exact, secrets: Collection[str]) -> bytes:
    """XML: everything is masked but the text of those elements."""
    try:
        text = raw.decode(encoding)
    except UnicodeDecodeError:
        return keep_text(raw, secrets)
    if "&#" not in text and "<!" not in text and not _suspect(text, secrets):
        return raw
    spans: list[Span] = []
    for name, said in _xml_said(text):
        if not (name in exact and exact[name](said.text.strip())):
            spans += said.spans(secrets)
    return _starred(raw, text, sorted(spans), encoding)


def _form_starred(value: bytes) -> bytes:
    """All of it, unless the provider has done so already."""
    if not unquote_to_bytes(value).strip(MASK.encode()):
        return value
    return FORM_BYTE.sub(MASK.encode(), value)


def _form_masked(
    value: bytes, secrets: Collection[str], form: Callable[[str], bool] | None = None
) -> bytes:
    said = _form_said(value)
    if form is not None and form(said.text.strip()):
        return value
    return _starred(value, value.decode("latin-1"), said.spans(secrets), "latin-1")


def _form_said(value: bytes) -> Said:
    if value.isascii() and b"%" not in value and b"+" not in value:
        return Said(value.decode("ascii"))
    written = [match.span() for match in FORM_BYTE.finditer(value)]
    text, encoding = _decoded(unquote_to_bytes(value.replace(b"+", b" ")))
    places: list[Span] = []
    at = 0
    for char in text:
        after = at + len(char.encode(encoding))
        places.append((written[at][0], written[after - 1][1]))
        at = after
    return Said(text, written=places)


def _said(unit: re.Pattern[str], read: Callable[[str], str], written: str, start: int) -> Said:
    """The units of a written text, each read as one character."""
    found = list(unit.finditer(written))
    places = [(start + match.start(), start + match.end()) for match in found]
    return Said("".join(read(match[0]) for match in found), written=places)


def _one(char: str) -> str:
    return char if len(char) == 1 else MASK


def _any_char(written: str) -> str:
    if written[0] in "%+":
        return _one(unquote_plus(written, "latin-1"))
    return _json_char(written) if written[0] == "\\" else _one(unescape(written))


@lru_cache(maxsize=SECRETS_KNOWN_MAX)
def _written(secret: str) -> frozenset[str]:
    """How a secret may stand in a body of any format."""
    forms = (quote(secret, safe=""), quote_plus(secret), json.dumps(secret)[1:-1], escape(secret))
    return frozenset((secret, *forms))


def _json_said(token: str, start: int) -> Said:
    if "\\" not in token:
        return Said(token, start)
    return _said(JSON_UNIT, _json_char, token, start)


def _json_char(written: str) -> str:
    if len(written) == 1:
        return written
    try:
        return _one(json.loads(f'"{written}"'))
    except ValueError:
        return MASK


def _xml_said(text: str) -> Iterator[tuple[str, Said]]:
    """The text of every element with its name; tags, comments and instructions have none."""
    inside: list[str] = []
    parts: list[Said] = []
    for token in XML_TOKEN.finditer(text):
        group = token.lastgroup or "silent"
        written, start = token[group], token.start(group)
        if group == "text":
            parts.append(_xml_text(written, start))
        elif group == "verbatim":
            parts.append(Said(written, start))
        elif group == "silent":
            # A reader joins what stands on its two sides.
            yield "", Said(written, start)
        else:
            yield inside[-1] if inside else "", _joined(parts)
            parts = []
            yield "", _xml_text(written, start)
            _go(inside, written)
    yield "", _joined(parts)


def _go(inside: list[str], tag: str) -> None:
    """Follow a tag into its element or out of it."""
    if tag.startswith("</"):
        del inside[-1:]
    elif not tag.endswith("/>") and tag[1] != "!":
        name = XML_NAME.match(tag)
        inside.append(name[1] if name else "")


def _joined(parts: Sequence[Said]) -> Said:
    if len(parts) == 1:
        return parts[0]
    places = [place for part in parts for place in part.places()]
    return Said("".join(part.text for part in parts), written=places)


def _xml_text(written: str, start: int) -> Said:
    if "&" not in written:
        return Said(written, start)
    return _said(XML_UNIT, lambda unit: _one(unescape(unit)), written, start)


def _suspect(text: str, secrets: Iterable[str]) -> bool:
    return LONG_ENOUGH.search(text) is not None or any(secret in text for secret in secrets)


def _decoded(raw: bytes) -> tuple[str, str]:
    """A text in which every character has its place in the bytes."""
    for encoding in ENCODINGS:
        try:
            text = raw.decode(encoding)
            # Not every CP932 text is the same bytes again, but it is as many of them.
            if len(text.encode(encoding)) == len(raw):
                return text, encoding
        except UnicodeError:
            continue
    raise AssertionError("latin-1 takes every byte")


def _starred(raw: bytes, text: str, spans: Sequence[Span], encoding: str) -> bytes:
    """The bytes with an asterisk in place of each span of the text."""
    if not spans:
        return raw
    pieces: list[bytes] = []
    at = seen = 0
    for start, end in spans:
        first = at + len(text[seen:start].encode(encoding))
        pieces += [raw[at:first], MASK.encode()]
        at, seen = first + len(text[start:end].encode(encoding)), end
    return b"".join([*pieces, raw[at:]])
