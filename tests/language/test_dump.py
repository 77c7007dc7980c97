"""`luocheck parse --json`: the resolved spec as a document, and the schema that describes it."""

from __future__ import annotations

import inspect
import json
import os
import subprocess
import sys
from dataclasses import fields
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from luocheck.model.ir import expressions as e
from luocheck.model.ir import statements as st
from luocheck.model.ir.dump import dump, node_name
from luocheck.model.source import Source
from luocheck.model.spec import load, load_source

ROOT = Path(__file__).parents[2]
SPECS = sorted([*ROOT.glob("specs/*.luo"), *ROOT.glob("tests/specs/**/*.luo")])

TEXT = """\
spec small "a title";
enum Side { OUT = 0x10, IN }
sort Agent symmetric caller;
sort Token ordered;
sort Session symmetric pool;
graph needs on Agent acyclic where edge(x, y): x.good;
scope one { Agent = 1, Token = 2, Session = 1; stepwise MAKE; }
topology pair { a: Agent; b: Agent; a -> b; }
rwlock big;
fixed var side: Side = any;
volatile var next_token: Token = Token.first;
per Agent { fixed good: bool = any; volatile own: set Session; ghost seen: count(3) = 2; }
per Session { preserved queue: seq Token = { }; preserved side_of: Side = IN; volatile last_error: errno = EIO; }
per Agent, Token { volatile used: bool; }
define busy(a: Agent) = some s in a.own | true;
proc take(a: Agent) gives s: Session { new s; add s to a.own; }
walk undo(s: Session) over t in s.queue reversed { remove t from s.queue; rollback visited { skip; } }
ioctl MAKE(a: Agent) gives s: Session {
    require not busy(a);
    arguments;
    guard big shared;
    grow: fail ENOMEM sometimes nomem;
    step;
    run take(a) gives s else { fail; }
    if s.side_of == OUT and sometimes { fail s.last_error; }
    run undo(s) else { stop; }
    used(a, next_token) = true;
    forall x: Agent where x in { a } { x.seen = 3; }
    assert old_is_there: old(a.own) != a.own;
}
on MAKE returns OK { a.seen = 1; }
after any ioctl returns error check nothing: unchanged except Agent.own;
liveness done: side == IN leads to side == OUT assuming MAKE succeeds;
expect { nothing holds within 4 by MAKE at grow; states 1..10; coverage all; done holds in topology pair; }
scenario "one call" { let x: Agent; MAKE(x) = OK; }
abi {
    handle fd of Agent -> device, Session bad when closed as bad_fd;
    device "/dev/x" { magic 0xBA; nr 0x00..0x3f; unknown EINVAL; }
    process Agent { }
    sized u32 size { short EINVAL; tail E2BIG; }
    ioctl MAKE 0xBA00 on device { size; s32 fd out s; u8 spare[3] zero EINVAL; }
    errno EANY = any;
}
"""


@cache
def validator() -> Draft202012Validator:
    text = resources.files("luocheck.report").joinpath("schemas/parse.schema.json").read_text(encoding="utf-8")
    schema = json.loads(text)
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def problems(document: object) -> list[str]:
    return [f"{error.json_path}: {error.message[:200]}" for error in validator().iter_errors(document)]


def small() -> dict[str, Any]:
    return dump(load_source(Source("small.luo", TEXT)))


def find(document: object, node: str) -> list[dict[str, Any]]:
    """All parts of a document with that `node`."""
    if isinstance(document, dict):
        own = [document] if document.get("node") == node else []
        return own + [part for value in document.values() for part in find(value, node)]
    return [part for each in document for part in find(each, node)] if isinstance(document, list) else []


@pytest.mark.parametrize("path", SPECS, ids=lambda p: str(p.relative_to(ROOT)))
def test_every_spec_fits_the_schema(path: Path) -> None:
    document = json.loads(json.dumps(dump(load(str(path)))))
    assert problems(document) == []


def test_what_is_declared() -> None:
    document = small()
    assert problems(json.loads(json.dumps(document))) == []
    assert document["schema"] == "luocheck/1"
    assert (document["spec"], document["file"], document["title"], document["extends"]) == ("small", "small.luo", "a title", [])
    assert document["sorts"][0] == {
        "name": "Agent",
        "symmetric": True,
        "ordered": False,
        "pool": False,
        "caller": True,
        "span": {"file": "small.luo", "line": 3, "col": 1},
    }
    assert document["enums"][0]["members"] == [{"name": "OUT", "number": 16}, {"name": "IN", "number": 17}]
    shown = {f["name"]: (f["owners"], f["lifetime"], f["type"], f["any"], f["initial"]) for f in document["fields"]}
    assert shown == {
        "side": ([], "fixed", "Side", True, None),
        "next_token": ([], "volatile", "Token", False, "Token.first"),
        "good": (["Agent"], "fixed", "bool", True, None),
        "own": (["Agent"], "volatile", "set Session", False, []),
        "seen": (["Agent"], "ghost", "count(3)", False, 2),
        "queue": (["Session"], "preserved", "seq Token", False, []),
        "side_of": (["Session"], "preserved", "Side", False, "IN"),
        "last_error": (["Session"], "volatile", "errno", False, "EIO"),
        "used": (["Agent", "Token"], "volatile", "bool", False, False),
    }
    assert document["topologies"][0]["edges"] == [["a", "b"]]
    assert document["scopes"][0]["sizes"] == {"Agent": 1, "Token": 2, "Session": 1}
    assert document["expectations"][0]["within"] == 4
    assert [each["what"] for each in document["states"]] == ["states", "coverage"]
    assert document["scenarios"][0]["title"] == "one call"
    assert document["abi"]["ioctls"][0]["number"] == 0xBA00
    assert [f["role"] for f in document["abi"]["ioctls"][0]["fields"]] == ["size", "out", "zero"]


def test_bodies_are_structured() -> None:
    document = small()
    event = document["events"][0]
    assert (event["kind"], event["name"], event["caller"]) == ("ioctl", "MAKE", "a")
    assert [each["node"] for each in event["body"]["statements"]][:4] == ["require", "arguments", "acquire", "sometimes"]
    (faulty,) = [each for each in find(event, "sometimes") if each["fault"] == "nomem"]
    assert faulty["then"]["statements"][0]["label"] == "grow"
    assert faulty["span"] == {"file": "small.luo", "line": 22, "col": 11}
    take = find(event, "call")[0]
    assert take["name"] == "take" and take["bindings"][0]["value"]["node"] == "var"
    assert find(event, "walk")[0]["rollback"]["visited_only"] is True
    assert find(event, "assign")[0]["field"] == "used"
    assert {each["value"] for each in find(event, "const") if each["type"] == "Side"} == {"OUT"}
    assert event["effects"][0]["outcome"] == {"event": "MAKE", "kind": None, "returns": "OK", "label": None}
    assert event["slots"][0] is None and "Session?" in event["slots"]


def test_the_schema_has_every_node() -> None:
    """Each class of the IR is a definition of the schema, with its fields and no other."""
    classes = [
        cls
        for module in (e, st)
        for _, cls in inspect.getmembers(module, inspect.isclass)
        if cls.__module__ == module.__name__ and cls not in (e.Expr, st.Stmt)
    ]
    defined = validator().schema["$defs"]
    for cls in classes:
        properties = defined[node_name(cls)]["properties"]
        assert properties["node"] == {"const": node_name(cls)}
        assert set(properties) == {"node", *(f.name for f in fields(cls))}
    in_schema = {
        name for name, each in defined.items() if "node" in each.get("properties", {}) and "const" in each["properties"]["node"]
    }
    assert in_schema == {node_name(cls) for cls in classes}


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d.pop("title"),
        lambda d: d.update(extra=1),
        lambda d: d["events"][0]["body"]["statements"][0].pop("condition"),
        lambda d: d["events"][0]["body"]["statements"][0].update(node="unheard_of"),
        lambda d: d["fields"][0].update(lifetime="for_ever"),
        lambda d: find(d, "const")[0].update(span="here"),
    ],
)
def test_the_schema_refuses_other_documents(change: Any) -> None:
    document = json.loads(json.dumps(small()))
    change(document)
    assert problems(document) != []


def test_the_document_is_the_same_in_every_run(tmp_path: Path) -> None:
    """Whatever the hash seed: sets of strings have no order."""
    names = [f"CALL_{i}" for i in range(12)]
    text = "spec x;\nsort Agent caller;\nscope a { Agent = 1; stepwise " + ", ".join(names) + "; }\n"
    text += "".join(f"ioctl {name}(a: Agent) {{ step; }}\n" for name in names)
    (tmp_path / "x.luo").write_text(text, encoding="utf-8")
    program = """
import json, sys
from luocheck.model.ir.dump import dump
from luocheck.model.spec import load
print(json.dumps(dump(load(sys.argv[1]))))
"""
    command = [sys.executable, "-c", program, str(tmp_path / "x.luo")]
    outs = [
        subprocess.run(command, env=os.environ | {"PYTHONHASHSEED": seed}, capture_output=True, check=True).stdout
        for seed in ("1", "2", "3")
    ]
    assert outs[0] == outs[1] == outs[2] != b""
