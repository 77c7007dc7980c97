"""A spec as a text for another tool."""
