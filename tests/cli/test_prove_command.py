"""`luocheck prove` as a user meets it."""

from __future__ import annotations

import json
import subprocess
import sys
import sysconfig
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
        "spec counts;\nscope one { }\nvolatile var n: count(2) = 0;\nenv E { require n < 2;  n = n + 1; }\ninvariant small: n <= 2;\n"
    )
    told = cli("prove", spec)
    assert told.status == 3 and "LUO510" in told.out and "counts.luo:3" in told.out.replace("\n", "").replace(" ", "")


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
    ],
)
def test_what_is_wrong_is_said(cli: Any, arguments: tuple[str, ...], status: int, said: str) -> None:
    ended = cli(*arguments)
    assert ended.status == status and said in ended.err


def test_z3_is_imported_when_it_is_needed(process: Any) -> None:
    code = "import sys, luocheck, luocheck.cli.main as m; m.parser(); print([n for n in sys.modules if n.split('.')[0] == 'z3'])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
