"""Recordings of real systems: what formats say, which calls they hold, and whether a spec allows them."""

if __name__ != "luocheck.traces":
    raise ImportError("import luocheck.traces, not traces")
