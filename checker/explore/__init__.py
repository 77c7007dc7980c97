"""Exhaustive exploration, breadth first: every state, every transition, shortest witnesses."""
