"""One unit of work: a service's transaction, retried whole where the database says "again"."""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from django.db import IntegrityError, OperationalError, connection, transaction

P = ParamSpec("P")
R = TypeVar("R")

TRIES = 3
AGAIN = {"40001", "40P01", "55P03"}  # serialization failure, deadlock, lock not available


def unit_of_work(service: Callable[P, R]) -> Callable[P, R]:
    """Run in one transaction; on deadlock, serialization failure or a lost race for a unique row, anew.

    Inside another unit the outer one decides, so nothing is retried half.
    """

    @wraps(service)
    def whole(*args: P.args, **kwargs: P.kwargs) -> R:
        if connection.in_atomic_block:
            with transaction.atomic():
                return service(*args, **kwargs)
        for _ in range(TRIES - 1):
            try:
                with transaction.atomic():
                    return service(*args, **kwargs)
            except (IntegrityError, OperationalError) as error:
                if not _worth_another(error):
                    raise
        with transaction.atomic():
            return service(*args, **kwargs)

    return whole


def _worth_another(error: Exception) -> bool:
    if isinstance(error, IntegrityError):
        return True
    return getattr(error.__cause__, "sqlstate", None) in AGAIN or "database is locked" in str(error)
