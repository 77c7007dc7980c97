"""Replay of decoded calls against a spec: which states agree with what was seen."""
