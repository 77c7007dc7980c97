"""Proofs for every number of elements and every dependency graph (`docs/adr/0009-proofs-for-every-size.md`).

cutpoints     a spec whose calls are cut at the heads of their walks; by way of relevance, copies, frames, heads, rewriting
encoding      its expressions and straight pieces as z3 terms, over named elements or over uninterpreted sorts (worlds, clauses)
reached       what few elements show of themselves (views) in the reachable states of small scopes (sizes)
induction     lemmas from counterexamples to induction (asking), chosen among clauses that are true of those views
certified     the check over uninterpreted sorts; certificate and lemmas, its files and words
proof         all of it for some claims
"""
