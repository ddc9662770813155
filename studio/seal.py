"""Secrets: how they are digested, sealed, signed and kept from being printed.

Four keys, separate on purpose: the pepper of key digests, the seal of stored values, the gateways' seal
and control's signature on routes; each node's wire key is derived from its join token. A key is 32 bytes
in URL-safe base64; several, separated by commas, form a ring: the first one is used, all are accepted.
"""

import base64
import hashlib
import hmac
import os
import secrets

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from studio.secret import Secret as Secret

NONCE = 12
SIGNATURE = 64


class Unsealable(ValueError):
    """The box was made with another key, for another purpose, or was changed on the way."""


def new_key() -> str:
    return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()


def new_signing_pair() -> tuple[str, str]:
    """(private, public) for the signature on routes."""
    private = Ed25519PrivateKey.generate()
    raw = serialization.Encoding.Raw
    return (
        spelled(private.private_bytes(raw, serialization.PrivateFormat.Raw, serialization.NoEncryption())),
        spelled(private.public_key().public_bytes(raw, serialization.PublicFormat.Raw)),
    )


def digest(pepper: bytes, value: str) -> bytes:
    """What is stored and looked up in place of a key's value: 32 bytes of HMAC-SHA256."""
    return hmac.digest(pepper, value.encode(), "sha256")


def derive(secret: str, purpose: str) -> bytes:
    """A key of 32 bytes for one purpose, from a secret that has enough entropy by itself."""
    return HKDF(hashes.SHA256(), 32, salt=None, info=b"studio:" + purpose.encode()).derive(secret.encode())


def ring(value: str) -> list[bytes]:
    """The keys of a ring as written in the environment. Raises ValueError for a malformed one."""
    keys = [base64.urlsafe_b64decode(part) for part in value.split(",") if part.strip()]
    if not keys or any(len(key) != 32 for key in keys):
        raise ValueError("a key ring holds keys of 32 bytes in URL-safe base64, separated by commas")
    return keys


def seal(key: bytes, plain: bytes, purpose: str) -> bytes:
    """AES-256-GCM with a random nonce in front; `purpose` must be the same at opening."""
    nonce = os.urandom(NONCE)
    return nonce + AESGCM(key).encrypt(nonce, plain, purpose.encode())


def unseal(keys: list[bytes], box: bytes, purpose: str) -> bytes:
    """The plain bytes, tried with each key of the ring. Raises `Unsealable`."""
    for key in keys:
        try:
            return AESGCM(key).decrypt(box[:NONCE], box[NONCE:], purpose.encode())
        except (InvalidTag, ValueError):
            continue
    raise Unsealable(purpose)


def sign(private: bytes, message: bytes) -> bytes:
    """The message with its Ed25519 signature of 64 bytes in front."""
    return Ed25519PrivateKey.from_private_bytes(private).sign(message) + message


def public_of(private: bytes) -> bytes:
    raw = serialization.Encoding.Raw, serialization.PublicFormat.Raw
    return Ed25519PrivateKey.from_private_bytes(private).public_key().public_bytes(*raw)


def verify(publics: list[bytes], signed: bytes) -> bytes:
    """The message without its signature. Raises `Unsealable` when no key of the ring made it."""
    signature, message = signed[:SIGNATURE], signed[SIGNATURE:]
    for public in publics:
        try:
            Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
        except InvalidSignature:
            continue
        return message
    raise Unsealable("signature")


def fingerprint(value: bytes) -> str:
    """A short name for some bytes, to compare without showing them."""
    return hashlib.sha256(value).hexdigest()[:12]


def spelled(raw: bytes) -> str:
    """A key as it is written in a ring."""
    return base64.urlsafe_b64encode(raw).decode()
