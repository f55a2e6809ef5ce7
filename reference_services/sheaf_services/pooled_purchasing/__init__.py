"""Pooled purchasing: members' demands joined into one buy that every node can check."""
