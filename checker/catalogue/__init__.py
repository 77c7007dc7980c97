"""The catalogue of known bugs, each bound to a spec that shows it and to one where it is gone."""
