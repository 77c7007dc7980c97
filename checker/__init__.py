"""Questions about a model."""

if __name__ != "luocheck.checker":
    raise ImportError("import luocheck.checker, not checker")
