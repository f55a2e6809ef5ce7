"""Matches transport requests to spare vehicle capacity and splits the cost of the pooled trips."""
