"""Private demand: one curve over many co-ops, checked by all of them, with no line shown."""
