"""What holds for endpoint API keys: the First Key's fixed description, and that revoked is final."""

from studio.errors import Conflict

FIRST_KEY = "First Key"
MASK = "••••"
MOST_DESCRIPTION = 120


def masked(prefix: str) -> str:
    """How a key is shown where its value is not: `6fbc8f9d-••••`."""
    return f"{prefix}-{MASK}"


def check_may_edit(*, is_first: bool, is_revoked: bool) -> None:
    """Raises `Conflict` with the sentence."""
    if is_first:
        raise Conflict("The First Key and its description cannot be edited.")
    if is_revoked:
        raise Conflict("This API key is revoked; revoked is final.")


def check_may_revoke(*, is_first: bool, is_revoked: bool) -> None:
    """Raises `Conflict` with the sentence."""
    if is_first:
        raise Conflict("The First Key cannot be revoked.")
    if is_revoked:
        raise Conflict("This API key is revoked already; revoked is final.")


def check_may_show(*, is_revoked: bool) -> None:
    """Raises `Conflict` with the sentence."""
    if is_revoked:
        raise Conflict("The value of a revoked API key can no longer be shown.")
