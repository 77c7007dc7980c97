"""Checkpoints of long runs: the state of a search in a file, and the search taken up again from it."""
