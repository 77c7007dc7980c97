"""Questions that a solver answers.  Only this package imports z3, and only when a question is asked."""
