"""The nodes and the scripted peer of the federation and node tests, for attacks on them."""

from tests.federation.conftest import scene, world
from tests.node.conftest import bench

__all__ = ["bench", "scene", "world"]
