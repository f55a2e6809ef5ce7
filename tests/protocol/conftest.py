import pytest
from tests.protocol.crossing import World, terms_between

from sheaf_protocol.treaty import Terms


@pytest.fixture
def world() -> World:
    """Three federations, and the bridges between them."""
    return World()


@pytest.fixture
def terms(world: World) -> Terms:
    """A treaty that lets entries pass between North and South."""
    return terms_between(world.north, world.south)
