"""Small members without a node: their sponsor's list of them, their pages (spec 20)."""

from sheaf_node.seats.door import Door
from sheaf_node.seats.model import LinkWish, ListWish, NewSeat
from sheaf_node.seats.seating import Seating
from sheaf_node.seats.shelf import SeatShelf

__all__ = ["Door", "LinkWish", "ListWish", "NewSeat", "SeatShelf", "Seating"]
