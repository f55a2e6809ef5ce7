"""Tools that implementers need as much as we do: a log author, a link pair, vectors."""
