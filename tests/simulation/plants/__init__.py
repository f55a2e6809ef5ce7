"""The planted bugs, by the room that they are in."""
