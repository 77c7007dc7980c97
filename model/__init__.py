"""What a spec means: text, syntax, resolved and typed IR, reference interpreter, and the types of an answer."""

if __name__ != "luocheck.model":
    raise ImportError("import luocheck.model, not model")
