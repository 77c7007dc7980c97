"""What the cells of a state in replay say beside the fields of the spec."""

# First components of the cells that say what is known.  Cells of fields and locks are never negative.
KNOWN = -1  # (KNOWN, sort): how many elements of the sort have been met
OLD = -2  # (OLD, sort, x): x was there before the recording began; the value says which of its fields are undecided
UNSEEN = -3  # (UNSEEN, sort): elements that nothing has shown yet may be alive
FACTS = -4  # (FACTS, sort): what a `forall` has written to all of them, by field
DENIED = -5  # (DENIED, *place): conditions that nothing unseen there meets
BOUND = -6  # (BOUND, open file, sort): the element that an open file stands for
EXCLUDED = -7  # (EXCLUDED, *cell): values that an undecided cell does not have
ABSENT = -8  # (ABSENT, *cell, x): x is not among the undecided members of a set or sequence
EDGE = -9  # (EDGE, graph, closure, a, b): does a need b?
PENDING = -10  # (PENDING,): demands that the next statement waits for
ENDED = -11  # (ENDED,): this kernel is gone
USED = -12  # (USED, field): values of a unique field that belong to elements which the kernel before handed over;
# (USED, field, variable): to those that were members of the variable's set or sequence, in which it is unique
UNKNOWNS = -13  # (UNKNOWNS, sort): how many `Unknown`s of the sort there are
APART = -14  # (APART,): pairs of values, at least one unknown, that differ
FORGOTTEN = -17  # (FORGOTTEN,): what had been met when calls were first forgotten (`forgetting.py`)
CANDIDATES = -16  # (CANDIDATES, unknown): what an element can be that is to be chosen, until the call ends
SAME = -15  # (SAME, unknown): what it turned out to be, until the call ends
