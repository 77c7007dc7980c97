"""Scenarios: running those that are written, and choosing the smallest ones that show something."""

from luocheck.checker.scenarios.running import ScenarioRun, ScenarioStep, replay

__all__ = ["ScenarioRun", "ScenarioStep", "replay"]
