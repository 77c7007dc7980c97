"""The syntax tree of a spec: one class for each rule of grammar.lark, fields in the order of the rule's children.

Nodes are immutable values; `span` takes no part in comparison, so two texts that differ only in layout have equal trees.  The classes stand
in the `tree_*` modules by what they are about; this module gives all of them, and most others import it as `n`.
"""

from luocheck.model.syntax.tree import *  # noqa: F403
from luocheck.model.syntax.tree_abi import *  # noqa: F403
from luocheck.model.syntax.tree_claims import *  # noqa: F403
from luocheck.model.syntax.tree_declarations import *  # noqa: F403
from luocheck.model.syntax.tree_expressions import *  # noqa: F403
from luocheck.model.syntax.tree_scenarios import *  # noqa: F403
from luocheck.model.syntax.tree_statements import *  # noqa: F403
