"""The native engine: C generated from the IR for one spec, one set of scope sizes and some claims; graphs and fixed choices are its data."""
