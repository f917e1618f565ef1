"""What is kept of a provider's body: its bytes as they came, but no card number and no secret.

A field is read as what it says, with its escapes undone, and masked there; then only the bytes of
what was masked become asterisks, so everything else stays as it was sent. A format names the fields
that its notices are made of: they stay exact, because money is matched by them. Nothing here
raises: a body that cannot be read as its format is masked as plain text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import lru_cache
from html import escape, unescape
from urllib.parse import quote, quote_plus, unquote_plus, unquote_to_bytes

from streams.domain.masking import LONG_ENOUGH, SEPARATOR, mask_card_numbers

ENCODINGS = ("utf-8", "cp932", "latin-1")
"""In this order; every byte is something in the last one."""
MASK = "*"
SECRETS_KNOWN_MAX = 4_096

FORM_UNIT = re.compile(r"%[0-9A-Fa-f]{2}|[\s\S]")
JSON_UNIT = re.compile(
    r"\\u[dD][89abAB][0-9A-Fa-f]{2}\\u[dD][c-fC-F][0-9A-Fa-f]{2}"
    r"|\\u[0-9A-Fa-f]{4}|\\[\s\S]|[\s\S]"
)
JSON_TOKEN = re.compile(r'("(?:[^"\\]++|\\[\s\S])*+"?)(\s*:)?|[{}\[\]]')
XML_UNIT = re.compile(r"&#?[0-9A-Za-z]{1,10};|[\s\S]")
XML_TOKEN = re.compile(
    r"(?P<comment><!--[\s\S]*?-->)|<!\[CDATA\[(?P<verbatim>[\s\S]*?)\]\]>"
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
Units = list[tuple[str, Span]]
"""Characters as they are meant, and where each of them is written."""
Hide = Callable[[Units], list[Span]]
"""Where a field must be masked."""


def keep_text(raw: bytes, secrets: Collection[str] = ()) -> bytes:
    """Plain text: every card number and every secret is masked as it stands there."""
    text, encoding = _decoded(raw)
    return _starred(raw, text, _spans(_as_it_stands(text, 0), secrets), encoding)


def mask_everywhere(raw: bytes, secrets: Collection[str]) -> bytes:
    """What nothing is read from: whatever any escape makes a card number or a secret is masked."""
    raw = keep_text(raw, [each for one in secrets for each in _written(one)])
    text, encoding = _decoded(raw)
    spans: list[Span] = []
    for run in ANY_RUN.finditer(text):
        spans += _spans(_any_units(run[0], run.start()), ())
    return _starred(raw, text, spans, encoding)


def keep_form(
    raw: bytes, *, exact: Exact, secret: Collection[str], secrets: Collection[str]
) -> bytes:
    """A form: the fields named in `secret` are masked whatever they hold, the others as texts."""
    pairs = raw.split(b"&")
    for at, pair in enumerate(pairs):
        name, equals, value = pair.partition(b"=")
        key = unquote_to_bytes(name.replace(b"+", b" ")).decode("ascii", "replace").strip()
        if key.casefold() in secret:
            pairs[at] = name + equals + _form_masked(value, _all)
        elif key in exact:
            pairs[at] = name + equals + _form_masked(value, _unless(exact[key], secrets))
        else:
            hide = _unless(None, secrets)
            pairs[at] = _form_masked(name, hide) + equals + _form_masked(value, hide)
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
            units = _json_units(token[1], token.start())
            spans += _spans(units, secrets)
            if depth == 1 and token[2] is not None:
                member = "".join(char for char, _ in units).strip('"')
    return _starred(raw, text, spans, "utf-8")


def keep_xml(raw: bytes, *, encoding: str, exact: Exact, secrets: Collection[str]) -> bytes:
    """XML: every text, tag and comment is masked but those elements."""
    try:
        text = raw.decode(encoding)
    except UnicodeDecodeError:
        return keep_text(raw, secrets)
    if "&#" not in text and "<!" not in text and not _suspect(text, secrets):
        return raw
    spans: list[Span] = []
    for name, units in _xml_runs(text):
        said = "".join(char for char, _ in units).strip()
        if not (name in exact and exact[name](said)):
            spans += _spans(units, secrets)
    return _starred(raw, text, sorted(spans), encoding)


def _unless(form: Callable[[str], bool] | None, secrets: Collection[str]) -> Hide:
    def hide(units: Units) -> list[Span]:
        if form is not None and form("".join(char for char, _ in units).strip()):
            return []
        return _spans(units, secrets)

    return hide


def _all(units: Units) -> list[Span]:
    return [span for char, span in units if char != MASK]


def _form_masked(value: bytes, hide: Hide) -> bytes:
    if not value:
        return value
    text = value.decode("latin-1")
    if value.isascii() and b"%" not in value and b"+" not in value:
        return _starred(value, text, hide(_as_it_stands(text, 0)), "latin-1")
    written = [(match[0], match.span()) for match in FORM_UNIT.finditer(text)]
    data = b"".join(
        unquote_to_bytes(unit.replace("+", " ").encode("latin-1")) for unit, _ in written
    )
    meant, encoding = _decoded(data)
    units: Units = []
    at = 0
    for char in meant:
        after = at + len(char.encode(encoding))
        units.append((char, (written[at][1][0], written[after - 1][1][1])))
        at = after
    return _starred(value, text, hide(units), "latin-1")


def _any_units(written: str, start: int) -> Units:
    units: Units = []
    for match in ANY_UNIT.finditer(written):
        meant = unquote_plus(match[0], "latin-1") if match[0][0] in "%+" else unescape(match[0])
        span = (start + match.start(), start + match.end())
        units.append((_json_char(meant), span))
    return units


@lru_cache(maxsize=SECRETS_KNOWN_MAX)
def _written(secret: str) -> frozenset[str]:
    """How a secret may stand in a body of any format."""
    forms = (quote(secret, safe=""), quote_plus(secret), json.dumps(secret)[1:-1], escape(secret))
    return frozenset((secret, *forms))


def _json_units(token: str, start: int) -> Units:
    if "\\" not in token:
        return _as_it_stands(token, start)
    units: Units = []
    for match in JSON_UNIT.finditer(token):
        span = (start + match.start(), start + match.end())
        units.append((_json_char(match[0]), span))
    return units


def _json_char(written: str) -> str:
    if len(written) == 1:
        return written
    try:
        return str(json.loads(f'"{written}"'))
    except ValueError:
        return MASK


def _xml_runs(text: str) -> Iterator[tuple[str, Units]]:
    """The text of every element with its name; tags and comments have none."""
    inside: list[str] = []
    run: Units = []
    for token in XML_TOKEN.finditer(text):
        group = token.lastgroup or "comment"
        start = token.start(group)
        if group == "text":
            run += _xml_units(token[group], start)
        elif group == "verbatim":
            run += _as_it_stands(token[group], start)
        elif group == "comment":
            # A reader joins what stands on its two sides.
            yield "", _as_it_stands(token[group], start)
        else:
            yield inside[-1] if inside else "", run
            run = []
            yield "", _xml_units(token[group], start)
            _go(inside, token[group])
    yield "", run


def _go(inside: list[str], tag: str) -> None:
    """Follow a tag into its element or out of it."""
    if tag.startswith("</"):
        del inside[-1:]
    elif not tag.endswith("/>") and tag[1] not in "?!":
        name = XML_NAME.match(tag)
        inside.append(name[1] if name else "")


def _xml_units(written: str, start: int) -> Units:
    if "&" not in written:
        return _as_it_stands(written, start)
    units: Units = []
    for match in XML_UNIT.finditer(written):
        meant = unescape(match[0])
        span = (start + match.start(), start + match.end())
        units.append((meant if len(meant) == 1 else MASK, span))
    return units


def _as_it_stands(text: str, start: int) -> Units:
    return [(char, (at, at + 1)) for at, char in enumerate(text, start)]


def _suspect(text: str, secrets: Collection[str]) -> bool:
    return LONG_ENOUGH.search(text) is not None or any(secret in text for secret in secrets)


def _spans(units: Units, secrets: Collection[str]) -> list[Span]:
    """Where it must be masked; a card number and a secret may share characters."""
    text = "".join(char for char, _ in units)
    if not _suspect(text, secrets):
        return []
    hidden = list(mask_card_numbers(text))
    for secret in secrets:
        at = text.find(secret) if secret else -1
        while at >= 0:
            hidden[at : at + len(secret)] = MASK * len(secret)
            at = text.find(secret, at + len(secret))
    pairs = zip(units, hidden, strict=True)
    return [span for (char, span), after in pairs if char != after]


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
