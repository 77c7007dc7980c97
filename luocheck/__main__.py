"""`python -m luocheck`."""

from luocheck.cli.main import run

run()
