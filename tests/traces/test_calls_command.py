"""`luocheck calls`: the table, the document and the exit status."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import jsonschema
import pytest

import luocheck.report
from luocheck.cli.main import main
from luocheck.traces import packed
from luocheck.traces.formats.registry import READERS

CAPTURES = Path(__file__).parent / "captures"
ONE = str(CAPTURES / "agent-killed" / "killed.one.trace.txt.gz")
SCHEMA = json.loads((Path(luocheck.report.__file__).parent / "schemas" / "calls.schema.json").read_text())


def document(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, object]]:
    status = main(["calls", "linux_7_3", *arguments, "--json"])
    made = json.loads(capsys.readouterr().out)
    jsonschema.validate(made, SCHEMA)
    return status, made


def test_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["calls", "linux_7_3", ONE]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].endswith("ftrace, 6 events in 18 lines, 6 calls by 1 process")
    assert lines[1].split() == ["13", "4.134177", "79", "OPEN", "on", "device#0", "->", "0"]
    text = " ".join(" ".join(lines).split())
    assert 'CREATE_SESSION on fd 3 = device#0 size=72 name="vm-killed" -> 0 fd=4 (Session#1 "vm-killed")' in text
    assert 'PRESERVE_FD on fd 4 = Session#1 "vm-killed" size=16 fd=5 token=1 -> 0' in text
    assert 'CLOSE (last reference) on Session#1 "vm-killed"' in text


SOME = sorted(
    [*CAPTURES.glob("agent-killed/killed.*.gz"), *CAPTURES.glob("format-variants/r*.gz"), *CAPTURES.glob("noisy*/*sys*.gz")]
)


@pytest.mark.parametrize("path", SOME, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_every_document_has_the_schema_s_form(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, made = document(capsys, str(path))
    assert status == (0 if made["calls"] else 3)


def test_values_of_a_call(capsys: pytest.CaptureFixture[str]) -> None:
    _, made = document(capsys, ONE)
    calls = made["calls"]
    assert isinstance(calls, list)
    call = next(c for c in calls if c["event"] == "PRESERVE_FD")
    assert call["given"] == {"size": 16, "fd": 5, "token": 1}
    assert call["on"] == {"number": 1, "target": "Session", "label": "vm-killed"}
    assert (call["result"], call["errno"], call["exact"]) == (0, None, False)


def test_several_captures_and_one_that_cannot_be_read(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    status, made = document(capsys, ONE, str(tmp_path / "absent"))
    assert status == 2
    results = made["results"]
    assert isinstance(results, list)
    assert [("calls" in r, "errors" in r) for r in results] == [(True, False), (False, True)]
    assert results[1]["errors"][0]["code"] == "LUO700"


def test_only_a_capture_that_cannot_be_read(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert document(capsys, str(tmp_path))[0] == 2
    assert main(["calls", "linux_7_3", str(tmp_path)]) == 2
    assert "this is a directory" in capsys.readouterr().err


def test_a_hostile_name_never_reaches_the_terminal(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    line = 'ioctl: (f+0x1/0x2 <- luo_ioctl) dfd=3 cmd=0xba00 size=72 fd=4 name="\x1b[2J\u202e\xff" ret=0\n'
    path = tmp_path / "t"
    path.write_bytes(b"           agent-7       [000] .....     5.001000: " + line.encode("utf-8").replace(b"\xc3\xbf", b"\xff"))
    assert main(["calls", "linux_7_3", str(path)]) == 0
    out = capsys.readouterr().out
    assert "\x1b" not in out and "\u202e" not in out
    assert "\\x1b[2J\\u202e\\xff" in out


def test_threads_may_share_their_descriptors(capsys: pytest.CaptureFixture[str]) -> None:
    path = str(CAPTURES / "concurrent" / "conc1.one.trace.txt.gz")
    own = document(capsys, path)[1]["calls"]
    shared = document(capsys, path, "--threads", "shared")[1]["calls"]
    assert isinstance(own, list) and isinstance(shared, list)
    assert len({c["process"] for c in own}) > 1 and {c["process"] for c in shared} == {66}


def test_a_limit_on_what_is_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "trace.txt.gz").write_bytes(gzip.compress(gzip.decompress(Path(ONE).read_bytes()) + b"# filler\n" * 100_000))
    status, made = document(capsys, str(tmp_path / "trace.txt.gz"), "--max-bytes", "100K")
    assert status == 0 and len(made["calls"]) == 6
    assert "reading stopped after" in json.dumps(made["notes"])
    _, made = document(capsys, str(tmp_path / "trace.txt.gz"))
    assert "reading stopped" not in json.dumps(made["notes"])
    assert main(["calls", "linux_7_3", ONE, "--max-bytes", "some"]) == 2


def test_zstd_without_anything_that_unpacks_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packed, "zstd_module", lambda: None)
    (tmp_path / "trace.zst").write_bytes(b"\x28\xb5\x2f\xfd" + b"\0" * 20)
    assert main(["calls", "linux_7_3", str(tmp_path / "trace.zst")]) == 2
    error = capsys.readouterr().err
    assert "LUO700" in error and "zstandard" in error


def test_the_page_about_formats_names_each(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "formats.md").read_text()
    for name in ("trace-cmd report", "perf script", "perf trace", "LTTng text"):
        assert name in READERS
        assert f"## {name}\n" in page
    assert not [name for name in READERS if name.startswith("ftrace ") and f"`{name}`" not in page]
