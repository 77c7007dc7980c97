"""The intermediate representation: names resolved, types known, procs and walks written out at the place of each call.

It is structured (choose, fail, if, walk with rollback, step), not a list of paths, and every node keeps its span.  All engines, the
replayer and the generators read this and nothing else; `luocheck.model.semantics` defines what it means.
"""
