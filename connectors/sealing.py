"""Secrets at rest: sealed under the master key, bound to their owner, opened by any known key."""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from streams.domain.errors import Sealed

MASTER_KEY_BYTES_MIN = 32
KEY_BYTES = 32
NONCE_BYTES = 12
KEY_ID_CHARACTERS = 8
VERSION = "s1"


class Sealer:
    """Seals under the first master key and opens what any of them sealed (AES-256-GCM).

    The owner's id is authenticated with the secret, so a sealed value that is moved to another
    owner does not open. To rotate, put the new key first and keep the old one behind it.
    """

    def __init__(self, master_keys: Sequence[bytes]) -> None:
        if not master_keys or any(len(key) < MASTER_KEY_BYTES_MIN for key in master_keys):
            message = f"a master key must have at least {MASTER_KEY_BYTES_MIN} bytes"
            raise ValueError(message)
        self._newest = master_keys[0]
        self._ciphers = {_key_id(key): AESGCM(_derived(key, "seal")) for key in master_keys}
        self._newest_id = _key_id(self._newest)

    def __repr__(self) -> str:
        return f"Sealer(key ids: {', '.join(self._ciphers)})"

    def seal(self, plain: bytes, owner: str) -> str:
        """Encrypt for an owner: version, key id, nonce and ciphertext as one line of text."""
        nonce = os.urandom(NONCE_BYTES)
        sealed = self._ciphers[self._newest_id].encrypt(nonce, plain, owner.encode())
        text = base64.urlsafe_b64encode(nonce + sealed).decode()
        return f"{VERSION}.{self._newest_id}.{text}"

    def unseal(self, sealed: str, owner: str) -> bytes:
        """Decrypt what was sealed for this owner, or raise `Sealed`."""
        version, _, rest = sealed.partition(".")
        key_id, _, text = rest.partition(".")
        cipher = self._ciphers.get(key_id)
        if version != VERSION or cipher is None:
            raise Sealed(f"a secret of {owner} is sealed under a key that is not known here")
        try:
            data = base64.b64decode(text.encode(), altchars=b"-_", validate=True)
            return cipher.decrypt(data[:NONCE_BYTES], data[NONCE_BYTES:], owner.encode())
        except (InvalidTag, ValueError, binascii.Error):
            raise Sealed(f"a secret of {owner} cannot be unsealed") from None

    def seals_so(self, sealed: str) -> bool:
        """Whether it was sealed under the key that seals now."""
        return sealed.startswith(f"{VERSION}.{self._newest_id}.")

    def derive(self, purpose: str) -> bytes:
        """A key for another purpose, from the newest master key."""
        return _derived(self._newest, purpose)


def _derived(master: bytes, purpose: str) -> bytes:
    info = f"keshikomi {purpose}".encode()
    return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=info).derive(master)


def _key_id(master: bytes) -> str:
    # A digest of a derived key: it names the master key and tells nothing about it.
    return hashlib.sha256(_derived(master, "key id")).hexdigest()[:KEY_ID_CHARACTERS]
