"""The nodes and the scripted peer of the federation tests, for attacks on them."""

from tests.federation.conftest import scene, world

__all__ = ["scene", "world"]
