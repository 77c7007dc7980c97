"""Writes the Promela model with ground rules (one process, one d_step per rule: the fastest form for SPIN).

python3 gen_pml.py N M BUG > luo.pml
From the comparison of model checkers that preceded this project (its own work); the same model as tests/specs/peers.luo.
"""

import sys

N, M, BUG = (int(x) for x in sys.argv[1:4])


def deps(f):
    return [] if f == 0 else [0] if f < N - 1 else list(range(1, N - 1))


def rdeps(f):
    return [d for d in range(N) if f in deps(d)]


F, A = range(N), range(1, M + 1)
rules = []


def rule(name, guard, *effects):
    rules.append((name, guard, effects))


def live(f):
    return f"(st[{f}]==SPREP||st[{f}]==SFROZEN||mem[{f}])"


def AND(xs):
    return "(" + "&&".join(xs) + ")" if xs else "true"


anyopen = "(" + "||".join(f"a[{m - 1}]==OPEN" for m in A) + ")"
for m in A:
    am = f"a[{m - 1}]"
    rule("Open", f"{am}==CLOSED", f"{am}=OPEN")
    rule("Crash", f"{am}==OPEN", f"{am}=DYING")
    rule("Closed", f"op==NONE&&{am}==DYING&&" + AND([f"own[{f}]!={m}" for f in F]), f"{am}=CLOSED")
    for f in F:
        rule("Release", f"op==NONE&&{am}==DYING&&own[{f}]=={m}", f"own[{f}]=0", f"if :: st[{f}]==REG -> st[{f}]=UNREG :: else fi")
        rule("Preserve", f"g==NORMAL&&op==NONE&&{am}==OPEN&&st[{f}]==UNREG", f"st[{f}]=REG", f"own[{f}]={m}")
        rule("Unpreserve", f"g==NORMAL&&op==NONE&&{am}==OPEN&&st[{f}]==REG&&own[{f}]=={m}", f"st[{f}]=UNREG", f"own[{f}]=0")
        rule(
            "Restore",
            f"g==UPDATED&&op==NONE&&{am}==OPEN&&st[{f}]==PRESERVED&&" + AND([f"st[{d}]==RESTORED" for d in deps(f)]),
            f"st[{f}]=RESTORED",
            f"own[{f}]={m}",
        )
rule("Prepare", f"g==NORMAL&&op==NONE&&{anyopen}", "op=PREP", *[f"snap[{f}]=(st[{f}]==REG)" for f in F])
rule("PrepEnd", "op==PREP&&" + AND([f"st[{f}]!=REG" for f in F]), "g=PREPARED", "op=NONE")
rule("Freeze", f"g==PREPARED&&op==NONE&&{anyopen}", "op=FREEZE")
rule("FreezeEnd", "op==FREEZE&&" + AND([f"st[{f}]!=SPREP" for f in F]), "g=GFROZEN", "op=NONE")
rule("Cancel", f"(g==PREPARED||g==GFROZEN)&&op==NONE&&{anyopen}", "op=CANCEL")
rule("CancelEnd", "op==CANCEL&&" + AND(["!" + live(f) for f in F]), "g=NORMAL", "op=NONE", *[f"snap[{f}]=0" for f in F])
rule(
    "Reboot",
    "g==GFROZEN&&op==NONE",
    "g=UPDATED",
    *[f"a[{m - 1}]=CLOSED" for m in A],
    *[f"own[{f}]=0" for f in F],
    *[f"if :: st[{f}]==SFROZEN -> st[{f}]=PRESERVED :: else fi" for f in F],
)
rule("Finish", f"g==UPDATED&&op==NONE&&{anyopen}", "op=FINISH")
rule("FinishEnd", "op==FINISH&&" + AND([f"st[{f}]==UNREG" for f in F]), "g=NORMAL", "op=NONE")
for f in F:
    rule("PrepAlloc", f"op==PREP&&st[{f}]==REG&&!mem[{f}]&&" + AND([f"st[{d}]==SPREP" for d in deps(f)]), f"mem[{f}]=1")
    rule("PrepDone", f"op==PREP&&st[{f}]==REG&&mem[{f}]", f"st[{f}]=SPREP")
    rule("PrepFail", f"op==PREP&&st[{f}]==REG&&" + AND([f"st[{d}]!=REG" for d in deps(f)]), f"mem[{f}]=0", "op=CANCEL")
    fr = "true" if BUG == 3 else AND([f"st[{d}]==SFROZEN" for d in deps(f)])
    rule("FreezeOk", f"op==FREEZE&&st[{f}]==SPREP&&{fr}", f"st[{f}]=SFROZEN")
    rule("FreezeFail", f"op==FREEZE&&st[{f}]==SPREP&&{fr}", "op=CANCEL")
    back = f"st[{f}]=REG" if BUG == 2 else f"if :: own[{f}]!=0 -> st[{f}]=REG :: else -> st[{f}]=UNREG fi"
    rule("CancelStep", f"op==CANCEL&&{live(f)}&&" + AND(["!" + live(d) for d in rdeps(f)]), back, f"mem[{f}]=0")
    free = f"if :: st[{f}]==PRESERVED :: else -> mem[{f}]=0 fi" if BUG == 1 else f"mem[{f}]=0"
    rule(
        "FinishStep",
        f"op==FINISH&&(st[{f}]==PRESERVED||st[{f}]==RESTORED)&&" + AND([f"st[{d}]==UNREG" for d in rdeps(f)]),
        free,
        f"st[{f}]=UNREG",
        f"own[{f}]=0",
        f"snap[{f}]=0",
    )
inv = []
inv.append("(!(g==NORMAL&&op==NONE)||" + AND([f"(!mem[{f}]&&!snap[{f}]&&st[{f}]<=REG)" for f in F]) + ")")
inv.append(
    "(!(op==CANCEL&&"
    + AND(["!" + live(f) for f in F])
    + ")||"
    + AND([f"(st[{f}]<=REG&&(own[{f}]!=0||st[{f}]==UNREG)&&(own[{f}]==0||snap[{f}]==(st[{f}]==REG)))" for f in F])
    + ")"
)
inv.append(
    AND(
        [
            f"(st[{f}]!=SFROZEN||st[{d}]==SFROZEN)&&(st[{f}]!=SPREP||st[{d}]==SPREP||st[{d}]==SFROZEN)&&(st[{f}]!=RESTORED||st[{d}]==RESTORED)"
            for f in F
            for d in deps(f)
        ]
    )
)
inv.append(AND([f"(own[{f}]!={m}||a[{m - 1}]!=CLOSED)" for f in F for m in A]))
inv.append(AND([f"((st[{f}]<SPREP||mem[{f}])&&(!mem[{f}]||st[{f}]>=SPREP||(st[{f}]==REG&&(op==PREP||op==CANCEL))))" for f in F]))
names = dict(
    NORMAL=0,
    PREPARED=1,
    GFROZEN=2,
    UPDATED=3,
    NONE=0,
    PREP=1,
    FREEZE=2,
    CANCEL=3,
    FINISH=4,
    CLOSED=0,
    OPEN=1,
    DYING=2,
    UNREG=0,
    REG=1,
    SPREP=2,
    SFROZEN=3,
    PRESERVED=4,
    RESTORED=5,
)
for k, v in names.items():
    print(f"#define {k} {v}")
for i, e in enumerate(inv):
    print(f"#define I{i + 1} {e}")
print("byte g, op;")
print(f"byte a[{M}]; byte st[{N}]; byte own[{N}]; bit mem[{N}]; bit snap[{N}];")
print("active proctype luo() {\nend: do")
chk = "assert(I1&&I2&&I3&&I4&&I5)"
for n, gd, ef in rules:
    print(f"  :: d_step {{ {gd} -> " + "; ".join(ef) + f"; {chk} }} /* {n} */")
print("  od\n}")
