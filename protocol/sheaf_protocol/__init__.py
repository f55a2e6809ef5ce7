"""Sheaf's protocol as a library without I/O: bytes, time and randomness come in as arguments."""
