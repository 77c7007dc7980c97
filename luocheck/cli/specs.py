"""`luocheck specs`: the shipped specs, listed, printed or copied."""

from __future__ import annotations

import argparse
from pathlib import Path

from luocheck.cli.options import Subparsers, add_output, nowhere
from luocheck.cli.status import FINE
from luocheck.model.diagnostics import Diagnostics, fail
from luocheck.model.library import SUFFIX, read_shipped, shipped
from luocheck.report import document
from luocheck.report.page import Part
from luocheck.report.terminal import Terminal

_EXAMPLES = """\
examples:
  luocheck specs                          list the shipped specs
  luocheck specs show linux_7_3           print the text of one
  luocheck specs copy linux_7_3 my.luo    copy it, to change it
"""


def add(subparsers: Subparsers) -> None:
    parser = subparsers.add_parser("specs", help="list, print and copy the shipped specs", epilog=_EXAMPLES)
    parser.add_argument("action", choices=("list", "show", "copy"), nargs="?", default="list", help="default: list")
    parser.add_argument("name", metavar="NAME", nargs="?", help="a shipped spec")
    parser.add_argument("dest", metavar="DEST", nargs="?", help="file or folder to copy to (default: NAME.luo in this folder)")
    add_output(parser)
    parser.set_defaults(run=run, parser=parser)


def run(args: argparse.Namespace) -> int:
    terminal = Terminal(args.color)
    if args.action == "list":
        if args.name is not None:
            args.parser.error(f"`specs list` takes no NAME; `luocheck specs show {args.name}` prints one")
        return _list(args.json, terminal)
    if args.name is None:
        args.parser.error(f"`specs {args.action}` needs the NAME of a spec")
    if args.action == "show":
        if args.dest is not None:
            args.parser.error("`specs show` takes no DEST")
        return _show(args.name, args.json, terminal)
    return _copy(args.name, args.dest, args.json, terminal)


def _list(json: bool, terminal: Terminal) -> int:
    titles = {name: _title(name) for name in shipped()}
    if json:
        terminal.document(document.document("specs", specs=[{"name": name, "title": title} for name, title in titles.items()]))
        return FINE
    page = terminal.page()
    page.table([(Part(name, "title"), Part(title)) for name, title in titles.items()], "")
    terminal.show(page)
    return FINE


def _title(name: str) -> str:
    from luocheck.model.syntax.parser import parse

    tree = parse(read_shipped(name), Diagnostics())
    return tree.header.title.text if tree is not None and tree.header.title is not None else ""


def _show(name: str, json: bool, terminal: Terminal) -> int:
    source = read_shipped(name)
    if json:
        terminal.document(document.document("specs", name=name, text=source.text))
    else:
        terminal.text(source.text)
    return FINE


def _copy(name: str, dest: str | None, json: bool, terminal: Terminal) -> int:
    source = read_shipped(name)
    target = Path(dest) if dest is not None else Path(name + SUFFIX)
    if target.is_dir():
        target = target / (name + SUFFIX)
    try:
        with open(target, "x", encoding="utf-8") as file:
            file.write(source.text)
    except FileExistsError:
        fail("LUO610", "this file exists already, and is not overwritten", nowhere(str(target)))
    except (OSError, ValueError) as error:
        fail("LUO610", f"cannot write this file: {getattr(error, 'strerror', None) or error}", nowhere(str(target)))
    if json:
        terminal.document(document.document("specs", name=name, copied_to=str(target)))
    else:
        terminal.text(f"{target}\n")
    return FINE
