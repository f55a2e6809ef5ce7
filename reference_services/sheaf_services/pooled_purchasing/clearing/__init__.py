"""The award of several offers, and the proof that none gains more (spec 21)."""
