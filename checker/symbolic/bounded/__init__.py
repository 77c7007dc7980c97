"""Runs of a bounded number of calls, and proofs at a scope, as formulas over value summaries (`docs/adr/0007-value-summaries.md`).

translate   gates, summaries, world, reader, execute, walks, forall, pools, locks, paths, unroll
solve       solve (z3's SAT solver), spacer
ask         bmc, induction, anywhere, prove; replay and reached have the other engines confirm what is shown
"""
