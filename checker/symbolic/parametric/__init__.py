"""Proofs for every number of elements and every dependency graph.

cutpoints   a spec whose calls are cut at the heads of their walks, so that no call contains a loop any more
encoding    its expressions and straight pieces as z3 terms, over named elements or over uninterpreted sorts
reached     what few elements show of themselves in the reachable states of small scopes
views       those views, and clauses that are true of all of them
induction   lemmas from counterexamples to induction, chosen among such clauses
certificate the lemmas as a file, checked again from the spec alone
"""
