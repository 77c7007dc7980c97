"""Every `luo` block of the language reference is run, as the comment before it says.

The comment is `<!-- luo: ITEM; ITEM; ... -->` and stands on the line before the fence.  Items:

    prelude NAME           later blocks may build on this one          in NAME       this text comes after that prelude
    base NAME              later blocks may extend this spec           file NAME     the block is a whole spec of that name
    error CODE             the text has exactly this error             lint CODE     the text is correct and has exactly this lint
    scope NAME, topology NAME      what is explored (the first scope when nothing is said; nothing when there is no scope)
    states N, transitions N, instances N, cut N                        what the exploration counts
    CLAIM holds, CLAIM vacuous, CLAIM unreached, CLAIM unknown, CLAIM fails in N, CLAIM reached in N
"""

import re
from dataclasses import dataclass
from pathlib import Path

import pytest
from engine.agreement import names_kept

from luocheck.checker.explore.exploration import explore
from luocheck.model.diagnostics import SpecError
from luocheck.model.library import read_path
from luocheck.model.spec import load_source

REFERENCE = Path(__file__).parents[2] / "docs" / "language.md"
FENCE = re.compile(r"^```luo[^\n]*\n(.*?)^```[ ]*$", re.DOTALL | re.MULTILINE)
DIRECTIVE = re.compile(r"<!-- luo:([^>]*)-->\s*$")


@dataclass(frozen=True)
class Block:
    line: int
    items: tuple[str, ...]
    text: str

    def named(self, word):
        """What stands after a word in the directive, or None."""
        return next((item.split()[1] for item in self.items if item.split()[0] == word and len(item.split()) == 2), None)


def blocks_of(document):
    """All blocks, in order.  Raises ValueError for one without a directive."""
    found = []
    for match in FENCE.finditer(document):
        line = document.count("\n", 0, match.start()) + 1
        directive = DIRECTIVE.search(document[: match.start()].rsplit("\n\n", 1)[-1])
        if directive is None:
            raise ValueError(f"the block at line {line} has no directive")
        items = tuple(item.strip() for item in directive.group(1).split(";") if item.strip())
        found.append(Block(line, items, match.group(1)))
    return found


class Runner:
    """Runs the blocks of one document, each with the preludes and bases that stand before it."""

    def __init__(self, directory, blocks):
        self.directory = directory
        self.preludes = {name: block.text for block in blocks if (name := block.named("prelude")) is not None}
        self.bases = {name: block.text for block in blocks if (name := block.named("base")) is not None}

    def written(self, block):
        """The file of a block, beside those that it may extend."""
        prelude = block.named("in")
        text = (self.preludes[prelude] if prelude is not None else "") + block.text
        if not re.search(r"^spec\b", text, re.MULTILINE):
            text = "spec doc;\n" + text
        for name, base in self.bases.items():
            (self.directory / f"{name}.luo").write_text(base)
        file = self.directory / f"{block.named('base') or block.named('file') or 'doc'}.luo"
        file.write_text(text)
        return file

    def check(self, block):
        file = self.written(block)
        wanted = sorted(item.split()[1] for item in block.items if item.startswith("error "))
        try:
            spec = load_source(read_path(file))
        except SpecError as error:
            found = sorted(d.code for d in error.diagnostics if d.severity.value == "error")
            assert found == wanted, str(error)
            return
        assert wanted == [], f"no error, but {wanted} was announced"
        lints = [d.code for d in spec.system.warnings]
        announced = [item.split()[1] for item in block.items if item.startswith("lint ")]
        if block.named("in") is None or announced:
            assert lints == announced
        if spec.system.scopes:
            self.explore(spec.system, block)

    def explore(self, system, block):
        scope, topology = block.named("scope"), block.named("topology")
        with names_kept():  # the numbers are those of the semantics
            found = explore(
                system,
                next(s for s in system.scopes if scope in (None, s.name)),
                next(t for t in system.topologies if t.name == topology) if topology is not None else None,
            )
        verdicts = {v.property: v for v in found.verdicts}
        numbers = {
            "states": found.states,
            "transitions": found.transitions,
            "instances": found.instances,
            "cut": sum(found.cuts.values()),
        }
        for item in block.items:
            match item.split():
                case [("prelude" | "base" | "in" | "file" | "scope" | "topology" | "lint"), _]:
                    pass
                case [("states" | "transitions" | "instances" | "cut") as what, number]:
                    assert numbers[what] == int(number), (item, numbers)
                case [claim, ("holds" | "vacuous" | "unreached" | "unknown") as result]:
                    assert verdicts[claim].result.value == result, (item, verdicts[claim].text)
                case [claim, ("fails" | "reached") as result, "in", number]:
                    verdict = verdicts[claim]
                    assert verdict.result.value == result and verdict.witness.calls == int(number), (item, verdict.text)
                case _:
                    raise ValueError(f"what does `{item}` mean?")


BLOCKS = blocks_of(REFERENCE.read_text(encoding="utf-8"))


@pytest.fixture
def runner(tmp_path):
    return Runner(tmp_path, BLOCKS)


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: f"line{block.line}")
def test_a_block_of_the_reference(runner, block):
    runner.check(block)


def test_most_blocks_say_more_than_that_they_load():
    assert len(BLOCKS) > 80
    assert sum(len(b.items) > 1 for b in BLOCKS) > 60


def test_every_construct_of_the_grammar_is_in_some_block():
    """A keyword that no block of the reference shows is a rule that it does not explain."""
    from luocheck.model.syntax.grammar import keywords

    shown = set(re.findall(r"[A-Za-z_]+", "\n".join(re.sub(r"//[^\n]*", "", block.text) for block in BLOCKS)))
    assert sorted(keywords() - shown) == []


EXAMPLE = "<!-- luo: states 2; x fails in 1 -->\n```luo\nsort U symmetric; scope s { U = 1 } volatile var b: bool = false; env E() { b = true; } invariant x: not b;\n```\n"


def test_the_runner_notices_what_is_wrong(tmp_path):
    def run(document):
        blocks = blocks_of(document)
        Runner(tmp_path, blocks).check(blocks[0])

    run(EXAMPLE)
    for changed in ("states 3; x fails in 1", "states 2; x fails in 2", "x holds", "error LUO200", "lint LUO304"):
        with pytest.raises(AssertionError):
            run(EXAMPLE.replace("states 2; x fails in 1", changed))
    with pytest.raises(ValueError, match="what does"):
        run(EXAMPLE.replace("states 2", "stats 2"))
    with pytest.raises(ValueError, match="no directive"):
        run(EXAMPLE.replace("<!-- luo:", "<!-- "))
