"""The library of specs: data only."""
