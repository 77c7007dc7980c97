"""Floor: plain Python breadth-first search, states as tuples.

python3 pybfs.py N M BUG
From the comparison of model checkers that preceded this project (its own work); the same model as tests/specs/peers.luo.
"""

import sys
import time

N, M = int(sys.argv[1]), int(sys.argv[2])
BUG = int(sys.argv[3])
NORMAL, PREPARED, GFROZEN, UPDATED = range(4)
NONE, PREP, FREEZE, CANCEL, FINISH = range(5)
CLOSED, OPEN, DYING = range(3)
UNREG, REG, SPREP, SFROZEN, PRESERVED, RESTORED = range(6)
DEPS = [() if f == 0 else (0,) if f < N - 1 else tuple(range(1, N - 1)) for f in range(N)]
RDEPS = [tuple(d for d in range(N) if f in DEPS[d]) for f in range(N)]
FS, AS = range(N), range(M)


def succ(s):
    g, op, a, fs = s  # fs: tuple of (st, own, mem, snap)
    out = []

    def setf(f, v):
        return (*fs[:f], v, *fs[f + 1 :])

    def seta(m, v):
        return (*a[:m], v, *a[m + 1 :])

    def live(x):
        return x[0] == SPREP or x[0] == SFROZEN or x[2]

    for m in AS:
        am = a[m]
        if am == CLOSED:
            out.append(("Open", (g, op, seta(m, OPEN), fs)))
        elif am == OPEN:
            out.append(("Crash", (g, op, seta(m, DYING), fs)))
            if op == NONE:
                if g == NORMAL:
                    for f in FS:
                        x = fs[f]
                        if x[0] == UNREG:
                            out.append(("Preserve", (g, op, a, setf(f, (REG, m + 1, x[2], x[3])))))
                        elif x[0] == REG and x[1] == m + 1:
                            out.append(("Unpreserve", (g, op, a, setf(f, (UNREG, 0, x[2], x[3])))))
                elif g == UPDATED:
                    for f in FS:
                        x = fs[f]
                        if x[0] == PRESERVED and all(fs[d][0] == RESTORED for d in DEPS[f]):
                            out.append(("Restore", (g, op, a, setf(f, (RESTORED, m + 1, x[2], x[3])))))
        elif op == NONE:
            owns = False
            for f in FS:
                x = fs[f]
                if x[1] == m + 1:
                    owns = True
                    out.append(("Release", (g, op, a, setf(f, (UNREG if x[0] == REG else x[0], 0, x[2], x[3])))))
            if not owns:
                out.append(("Closed", (g, op, seta(m, CLOSED), fs)))
    if op == NONE:
        if OPEN in a:
            if g == NORMAL:
                out.append(("Prepare", (g, PREP, a, tuple((x[0], x[1], x[2], int(x[0] == REG)) for x in fs))))
            if g == PREPARED:
                out.append(("Freeze", (g, FREEZE, a, fs)))
            if g in (PREPARED, GFROZEN):
                out.append(("Cancel", (g, CANCEL, a, fs)))
            if g == UPDATED:
                out.append(("Finish", (g, FINISH, a, fs)))
        if g == GFROZEN:
            out.append(
                ("Reboot", (UPDATED, op, (CLOSED,) * M, tuple((PRESERVED if x[0] == SFROZEN else x[0], 0, x[2], x[3]) for x in fs)))
            )
    elif op == PREP:
        for f in FS:
            x = fs[f]
            if x[0] == REG:
                if not x[2] and all(fs[d][0] == SPREP for d in DEPS[f]):
                    out.append(("PrepAlloc", (g, op, a, setf(f, (REG, x[1], 1, x[3])))))
                if x[2]:
                    out.append(("PrepDone", (g, op, a, setf(f, (SPREP, x[1], 1, x[3])))))
                if all(fs[d][0] != REG for d in DEPS[f]):
                    out.append(("PrepFail", (g, CANCEL, a, setf(f, (REG, x[1], 0, x[3])))))
        if all(x[0] != REG for x in fs):
            out.append(("PrepEnd", (PREPARED, NONE, a, fs)))
    elif op == FREEZE:
        for f in FS:
            x = fs[f]
            if x[0] == SPREP and (BUG == 3 or all(fs[d][0] == SFROZEN for d in DEPS[f])):
                out.append(("FreezeOk", (g, op, a, setf(f, (SFROZEN, x[1], x[2], x[3])))))
                out.append(("FreezeFail", (g, CANCEL, a, fs)))
        if all(x[0] != SPREP for x in fs):
            out.append(("FreezeEnd", (GFROZEN, NONE, a, fs)))
    elif op == CANCEL:
        alive = False
        for f in FS:
            x = fs[f]
            if live(x):
                alive = True
                if not any(live(fs[d]) for d in RDEPS[f]):
                    out.append(("CancelStep", (g, op, a, setf(f, (REG if x[1] or BUG == 2 else UNREG, x[1], 0, x[3])))))
        if not alive:
            out.append(("CancelEnd", (NORMAL, NONE, a, tuple((x[0], x[1], x[2], 0) for x in fs))))
    else:
        for f in FS:
            x = fs[f]
            if x[0] in (PRESERVED, RESTORED) and all(fs[d][0] == UNREG for d in RDEPS[f]):
                out.append(("FinishStep", (g, op, a, setf(f, (UNREG, 0, x[2] if BUG == 1 and x[0] == PRESERVED else 0, 0)))))
        if all(x[0] == UNREG for x in fs):
            out.append(("FinishEnd", (NORMAL, NONE, a, fs)))
    return out


def inv(s):
    g, op, a, fs = s
    for f, (st, own, mem, snap) in enumerate(fs):
        if g == NORMAL and op == NONE and (mem or snap or st > REG):
            return 1
        if st == SFROZEN and any(fs[d][0] != SFROZEN for d in DEPS[f]):
            return 3
        if st == SPREP and any(fs[d][0] not in (SPREP, SFROZEN) for d in DEPS[f]):
            return 3
        if st == RESTORED and any(fs[d][0] != RESTORED for d in DEPS[f]):
            return 3
        if own and a[own - 1] == CLOSED:
            return 4
        if st >= SPREP and not mem:
            return 5
        if mem and st < SPREP and not (st == REG and op in (PREP, CANCEL)):
            return 5
    if op == CANCEL and not any(x[0] in (SPREP, SFROZEN) or x[2] for x in fs):
        for st, own, _, snap in fs:
            if st > REG or (own == 0 and st != UNREG) or (own and snap != (st == REG)):
                return 2
    return 0


def main():
    init = (NORMAL, NONE, (CLOSED,) * M, ((UNREG, 0, 0, 0),) * N)
    t0 = time.perf_counter()
    seen = {init}
    frontier = list(seen)
    depth = trans = 0
    while frontier:
        nxt = []
        for e in frontier:
            for _, t in succ(e):
                trans += 1
                if t not in seen:
                    seen.add(t)
                    nxt.append(t)
                    v = inv(t)
                    if v:
                        print(f"VIOLATION I{v} depth {depth + 1} states {len(seen)} time {time.perf_counter() - t0:.3f}")
                        return
        frontier = nxt
        if nxt:
            depth += 1
    dt = time.perf_counter() - t0
    print(f"py N={N} M={M} states {len(seen)} transitions {trans} depth {depth} time {dt:.3f} rate {len(seen) / dt:.0f}")


main()
