"""What a call that must succeed raises when it does not."""

from __future__ import annotations


class Refused(RuntimeError):
    """A call that must succeed did not."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status
