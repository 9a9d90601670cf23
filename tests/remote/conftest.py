"""The fixtures of `machines`, for the tests of this room."""

from tests.remote.machines import far, served

__all__ = ["far", "served"]
