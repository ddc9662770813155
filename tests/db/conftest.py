"""What every test of rows and services may ask for."""

from tests.support.cast import cast, control_broker
from tests.support.rings import folder

__all__ = ["cast", "control_broker", "folder"]
