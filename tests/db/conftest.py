"""What every test of rows and services may ask for."""

from tests.support.cast import cast, control_broker

__all__ = ["cast", "control_broker"]
