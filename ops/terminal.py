"""Text for a terminal, which must not obey what a stranger sent."""

from __future__ import annotations


def visible(text: str) -> str:
    """The text with everything that is not printable written out; line ends stay."""
    return "".join(
        character if character.isprintable() or character == "\n" else ascii(character)[1:-1]
        for character in text
    )


def reason_of(error: OSError) -> str:
    """What the system refused and why, in words and without its number."""
    if error.strerror is None or error.filename is None:
        return str(error)
    return f"{error.filename}: {error.strerror}"
