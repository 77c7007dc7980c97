"""`luocheck prove` as a user meets it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import sysconfig
import time
from pathlib import Path
from typing import Any

import pytest
from cli.test_documents import refused, valid
from jsonschema import Draft202012Validator

from luocheck.checker.proving import smt2
from luocheck.model.spec import load

PEERS = str(Path(__file__).parents[1] / "specs" / "peers.luo")


def test_a_proof_its_certificate_and_the_check(cli: Any, tmp_path: Path) -> None:
    file = tmp_path / "proof.json"
    proved = cli("prove", PEERS, "--property", "I1", "--certificate", file)
    assert proved.status == 0 and "1 of 1 proved for every size" in proved.out
    assert "f.snap" in proved.out and all(len(line) <= 80 for line in proved.out.splitlines() if str(file) not in line)
    assert cli("prove", "--check", file).status == 0
    assert "accepted" in cli("prove", "--check", file, PEERS).out


def test_a_certificate_without_its_lemmas_is_rejected(cli: Any, tmp_path: Path) -> None:
    file = tmp_path / "proof.json"
    cli("prove", PEERS, "--certificate", file)
    data = json.loads(file.read_text())
    assert len(data["proofs"][0]["lemmas"]) > 5
    data["proofs"][0]["lemmas"] = []
    file.write_text(json.dumps(data))
    rejected = cli("prove", "--check", file)
    assert rejected.status == 1 and "REJECTED" in rejected.out
    document = valid("prove", cli("prove", "--check", file, "--json").out)
    assert document["verdict"] == "rejected" and document["proofs"][0]["rejected"]
    data["proofs"] = []
    file.write_text(json.dumps(data))
    assert cli("prove", "--check", file).status == 3


def test_plain_z3_agrees(cli: Any, tmp_path: Path) -> None:
    """The questions as SMT-LIB, answered by the solver's own program."""
    file, certificate = tmp_path / "proof.smt2", tmp_path / "proof.json"
    assert cli("prove", PEERS, "--smt2", file, "--certificate", certificate).status == 0
    z3 = Path(sysconfig.get_path("scripts")) / "z3"
    answers = subprocess.run([z3, str(file)], capture_output=True, text=True, check=True).stdout.split()
    assert len(answers) == file.read_text().count("check-sat") > 20 and set(answers) == {"unsat"}
    data = json.loads(certificate.read_text())
    data["proofs"][0]["lemmas"].pop()
    weaker = tmp_path / "weaker.smt2"
    weaker.write_text(smt2(load(PEERS), data, "weaker"))
    assert "sat" in subprocess.run([z3, str(weaker)], capture_output=True, text=True, check=False).stdout.split()


def test_documents(cli: Any, tiny: str) -> None:
    document = valid("prove", cli("prove", PEERS, "--property", "I1", "--json").out)
    (verdict,) = document["properties"]
    assert verdict["result"] == "proved" and verdict["as_expected"] is True and document["proofs"][0]["lemmas"]
    several = valid("prove", cli("prove", PEERS, "nobody", "--property", "I4", "--json").out)
    assert [result.get("verdict") for result in several["results"]] == ["as-expected", None]
    valid("prove", cli("prove", tiny, "--json").out)
    valid("errors", cli("prove", "--json").out)
    for key in document:
        assert refused("prove", {k: v for k, v in document.items() if k != key}), key


def test_the_schema_is_a_schema() -> None:
    from cli.test_documents import schema

    Draft202012Validator.check_schema(schema("prove"))


def test_a_false_claim_is_told_with_its_run(cli: Any, tiny: str) -> None:
    told = cli("prove", tiny, "--property", "saved_means_prepared")
    assert told.status == 0 and "FAILS (1 call) as expected" in told.out and "SAVE(agent0" in told.out


def test_what_has_no_form_is_said_with_its_line(cli: Any, tmp_path: Path) -> None:
    spec = tmp_path / "counts.luo"
    spec.write_text(
        "spec counts;\nscope one { }\nvolatile var n: count(2) = 0;\nenv E { require n < 2;  n = n + n; }\ninvariant small: n <= 2;\n"
    )
    told = cli("prove", spec)
    assert told.status == 3 and "LUO510" in told.out and "counts.luo:4" in told.out.replace("\n", "").replace(" ", "")


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (("prove",), 2, "LUO609"),
        (("prove", "nobody"), 2, "LUO607"),
        (("prove", PEERS, "--property", "I9"), 2, "LUO603"),
        (("prove", "--check", "nowhere.json"), 2, "LUO607"),
        (("prove", "--check", PEERS), 2, "LUO511"),
        (("prove", "--check", "/dev/null"), 2, "LUO511"),
        (("prove", PEERS, "--timeout", "0"), 3, ""),
        (("prove", PEERS, PEERS, "--certificate", "x"), 2, "LUO609"),
        (("prove", PEERS, "--certificate", "/nowhere/proof.json"), 2, "LUO610"),
        (("prove", PEERS, "--smt2", "/nowhere/proof.smt2"), 2, "LUO610"),
    ],
)
def test_what_is_wrong_is_said(cli: Any, arguments: tuple[str, ...], status: int, said: str) -> None:
    ended = cli(*arguments)
    assert ended.status == status and said in ended.err


def test_z3_is_imported_when_it_is_needed(process: Any) -> None:
    code = "import sys, luocheck, luocheck.cli.main as m; m.parser(); print([n for n in sys.modules if n.split('.')[0] == 'z3'])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_files_that_are_no_specs(cli: Any, tmp_path: Path) -> None:
    for text, code in (("", "LUO104"), ("spec x; invariant a: ;", "LUO100"), ("spec x; invariant a: b;", "LUO2")):
        spec = tmp_path / "x.luo"
        spec.write_text(text)
        for options in ((), ("--bounded",)):
            ended = cli("prove", spec, *options)
            assert ended.status == 2 and code in ended.err and ended.out == ""


def test_a_spec_without_claims(cli: Any, tmp_path: Path) -> None:
    spec = tmp_path / "x.luo"
    spec.write_text("spec x; scope one { }")
    ended = cli("prove", spec)
    assert ended.status == 3 and "nothing to prove" in ended.out and "PROPERTY" not in ended.out


def test_a_certificate_of_another_spec(cli: Any, tmp_path: Path) -> None:
    """Also of one in which the claims have the same names: it is checked against what is there."""
    file, other = tmp_path / "proof.json", tmp_path / "other.luo"
    cli("prove", PEERS, "--property", "I4", "--certificate", file)
    ended = cli("prove", "--check", file, "intent")
    assert ended.status == 2 and "LUO511" in ended.err and "the certificate is of `peers`" in ended.err
    guard = "no f: File | f.own == m; m.a = CLOSED"
    text = Path(PEERS).read_text()
    assert text.count(guard) == 1
    other.write_text(text.replace(guard, "true; m.a = CLOSED"))
    assert cli("prove", "--check", file, other).status == 1
    short = tmp_path / "short.json"
    short.write_text(file.read_text()[:-200])
    assert cli("prove", "--check", short).status == 2


def test_nothing_proved_writes_no_certificate_and_says_so(cli: Any, tiny: str, tmp_path: Path) -> None:
    file = tmp_path / "proof.json"
    ended = cli("prove", tiny, "--property", "saved_means_prepared", "--certificate", file)
    assert not file.exists() and "no certificate was written" in ended.out.replace("\n", " ")


def test_a_timeout_says_of_every_claim_that_it_is_open(cli: Any) -> None:
    ended = cli("prove", "rfc_v2", "--property", "token_is_new", "--timeout", "1")
    assert ended.status == 3 and "stopped after 1 s" in ended.out and "0 of 1 proved" in ended.out


@pytest.mark.parametrize("options", [(), ("--bounded",)])
def test_an_interrupt_is_heard(process: Any, options: tuple[str, ...]) -> None:
    """While views are read, and while z3 has the question: the answer says what is known. The proofs of all claims take
    far longer than the four seconds after which it comes."""
    command = [sys.executable, "-m", "luocheck", "prove", "intent", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        while cpu_seconds(running.pid) < 4.0:
            time.sleep(0.05)
        running.send_signal(signal.SIGINT)
        out, errors = running.communicate(timeout=300)
    assert running.returncode == 3 and "interrupted" in out and "Traceback" not in errors


def cpu_seconds(pid: int) -> float:
    """What a process took until now."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_who_reads_only_the_beginning_gets_it(process: Any) -> None:
    command = [sys.executable, "-m", "luocheck", "prove", PEERS, "--property", "I4"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None and running.stderr is not None
        assert "peers" in running.stdout.readline()
        running.stdout.close()
        assert "Traceback" not in running.stderr.read()
