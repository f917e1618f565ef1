"""Whether the address that the API will listen on is free: asked before anything is started."""

from __future__ import annotations

import socket

from streams.domain.errors import KeshikomiError


class PortTaken(KeshikomiError):
    """Something else listens there, or this machine has no such address."""

    code = "port_taken"


def must_be_free(host: str, port: int) -> None:
    """Raise `PortTaken`, in a sentence for whoever chose the address, unless it can be bound."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind((host, port))
        except OSError as error:
            raise PortTaken(
                f"port {port} of {host} cannot be used: {error.strerror}; choose another with "
                "--port or KESHIKOMI_PORT"
            ) from error
