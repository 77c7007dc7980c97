"""Pairs of small random specs that differ in a line or two, with all that makes a difference hard to see: pools, handles that the kernel
picks, hidden events, faults, paths that the scope cuts, fixed choices, graphs."""

from __future__ import annotations

from random import Random

_LINES = {
    "MAKE0": ("", "fail EBUSY when m == Y;", "fail ENOMEM sometimes;", "fail EBUSY when some x: O | x.lit;"),
    "MAKE1": ("", "o.lit = true;", "m = Y;", "if sometimes { o.lit = true; }"),
    "DROP": ("free o;", "free o;", "o.lit = false;", "fail EAGAIN when o.lit;", "fail EAGAIN sometimes; free o;", "m = X; free o;"),
    "FIND": ("where x.lit", "where not x.lit", ""),
    "PICK": ("not x.used", "not x.used and x.fine", "x.fine", "true"),
    "PUT": ("k.used = false;", "", "fail EINVAL when not k.used; k.used = false;", "fail EINVAL when k.fine;"),
    "LOOK": ("x = m;", "x = X;", "if sometimes { x = m; } else { x = X; }", "if c { x = m; } else { x = Y; }"),
    "NEED": (
        "",
        "fail ENOENT when some g: F | needs(f, g) and not g.held;",
        "fail ENOENT when some g: F | needs(g, f);",
        "fail EPERM when c;",
    ),
    "SIT": (
        "f.held = true;",
        "f.held = true; m = Y;",
        "fail EEXIST when f.held; f.held = true;",
        "panic when f.held; f.held = true;",
    ),
    "TICK": (
        "",
        "m = Y;",
        "if m == X { m = Y; }",
        "forall o: O { o.lit = false; }",
        "require m == Y; m = X;",
        "new o: O; o.lit = true;",
    ),
    "BYTES": ("", "fail EBADF when bad_k(k);", "fail EBADF when bad_k(k); k.used = true;"),
}
_CHANGED = [name for name in _LINES if name != "BYTES"]  # calls with bad bytes are compared where both specs judge the bytes
_KINDS = ("symmetric", "", "ordered")


def drawn(seed: int) -> tuple[str, str]:
    """The texts of two specs."""
    rng = Random(seed)
    old = {name: rng.choice(lines) for name, lines in _LINES.items()}
    new = dict(old)
    for name in rng.sample(_CHANGED, rng.choice((0, 1, 1, 2, 2))):
        new[name] = rng.choice(_LINES[name])
    kept = rng.sample(_EVENTS, 5)
    hidden = [name for name in ("DROP", "PUT", "SIT") if rng.random() < 0.15]
    kinds = rng.choice(_KINDS), rng.choice(("symmetric ", ""))
    return _text(old, kept, hidden, *kinds), _text(new, kept, hidden, *kinds)


_EVENTS = (
    "ioctl MAKE(a: A) gives o: O {{ {MAKE0} new o; add o to a.has; {MAKE1} }}",
    "ioctl DROP(a: A, o: O) {{ require o in a.has; {DROP} }}",
    "ioctl FIND(a: A) gives o: O {{ choose x: O {FIND} else {{ fail ENOENT; }} o = x; add x to a.has; }}",
    "ioctl PICK(a: A) gives k: K {{ choose x: K where {PICK} else {{ fail ENOSPC; }} k = x; x.used = true; }}",
    "ioctl PUT(a: A, k: K) {{ {BYTES} {PUT} }}",
    "ioctl LOOK(a: A) gives x: M {{ {LOOK} }}",
    "ioctl SIT(a: A, f: F) {{ {NEED} {SIT} }}",
    "env TICK() {{ {TICK} }}",
)


def _text(lines: dict[str, str], kept: list[str], hidden: list[str], kind: str, pool: str) -> str:
    body = "\n".join(each.format(**lines) for each in kept)
    for name in hidden:
        body = body.replace(f"ioctl {name}(", f"env {name}(")
    return f"""spec drawn;
sort A symmetric caller;
sort O {pool}pool;
sort K {kind};
sort F symmetric;
enum M {{ X, Y }}
graph needs on F acyclic;
scope one {{ A = 1, O = 2, K = 2, F = 2 }}
volatile var m: M = X;
fixed var c: bool = any;
per A {{ volatile has: set O; }}
per O {{ volatile lit: bool = false; }}
per K {{ volatile used: bool = false; fixed fine: bool = any; }}
per F {{ volatile held: bool = false; }}
{body}
abi {{ handle k u8[4] -> K bad when empty as bad_k; }}
"""
