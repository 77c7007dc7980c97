"""Concrete syntax: grammar, tree, parser, printer."""
