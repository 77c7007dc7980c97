"""Texts made of scenarios: programs, scripts, diagrams."""
