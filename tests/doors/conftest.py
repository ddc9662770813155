"""The cast, for doors that have none of their own."""

from tests.support.cast import cast

__all__ = ["cast"]
