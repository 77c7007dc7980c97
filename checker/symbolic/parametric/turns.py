"""The turn of an element: a walk takes it, passes it, or undoes it, and is over when no turn is left."""

from __future__ import annotations

from luocheck.checker.symbolic.parametric.frames import Frames, Goto, Head, binder_of, placed
from luocheck.checker.symbolic.parametric.heads import GONE, LEFT, VISITED
from luocheck.checker.symbolic.parametric.idle import Idle
from luocheck.checker.symbolic.parametric.marks import Gathered
from luocheck.model.ir import expressions as e
from luocheck.model.ir import statements as st
from luocheck.model.ir.vocabulary import ElemT


class Turns(Idle):
    """The two pieces of code at each head."""

    def _run(self, frames: Frames) -> list[st.Stmt]:
        raise NotImplementedError

    def _fail(self, errno: str, label: str | None, rest: Frames) -> list[st.Stmt]:
        raise NotImplementedError

    def _way(self, stmt: st.Stmt, condition: e.Expr, then: st.Block, orelse: st.Block) -> st.Stmt:
        """One way where the condition holds, the other where it does not; both where it is not known."""
        if self._known(condition):
            return st.If(*placed(stmt), self._plain(condition), then, orelse)
        ways: list[st.Block] = []
        for block, said in ((then, condition), (orelse, e.Not(stmt.span, e.BOOL, condition))):
            here = st.Require(*placed(stmt), self._may(said))
            ways.append(st.Block((here, *block.statements), block.locals, block.span))
        return st.Sometimes(*placed(stmt), None, None, *ways)

    def _visit(self, head: Head) -> list[st.Stmt]:
        """The walk takes an element whose turn it is, or passes it."""
        walk = head.walk
        binder = binder_of(walk)
        here = e.Var(walk.span, ElemT(binder.sort), binder.slot, "")
        step = self._run(("seq", walk.step.statements, ("step", head, head.rest)))
        if isinstance(walk, Gathered) and walk.drains:
            first = self._none_listed_before(head, walk, here, None, walk.reversed)
            next_ = e.And(walk.span, e.BOOL, self._may(walk.among), first)
            return [st.Choose(*placed(walk), binder.slot, binder.sort, next_, None), *step]
        ready = self._turn(head, here, LEFT, walk.reversed)
        any_order = binder.order == "any"
        if any_order and walk.where is not None:
            ready = e.And(walk.span, e.BOOL, ready, self._may(walk.where))
        choose = st.Choose(*placed(walk), binder.slot, binder.sort, ready, None)
        undone = isinstance(walk, Gathered) and walk.rollback is not None and not walk.rollback.visited_only
        passing = st.Block((self._set_status(head, VISITED if undone else GONE), Goto(*placed(walk), head)), (), walk.span)
        visiting = st.Block(tuple(step), (), walk.span)
        if not any_order and walk.where is not None:
            visiting = st.Block((self._way(walk, walk.where, visiting, passing),), (), walk.span)
        if self._is_loose(walk):
            not_one = st.Block((self._set_status(head, GONE), Goto(*placed(walk), head)), (), walk.span)
            visiting = st.Block((st.Sometimes(*placed(walk), None, None, not_one, visiting),), (), walk.span)
        return [choose, *visiting.statements]

    def _step_done(self, head: Head) -> list[st.Stmt]:
        walk = head.walk
        gathered = isinstance(walk, Gathered)
        remembered = walk.rollback is not None and (walk.rollback.visited_only or gathered)
        done: list[st.Stmt] = [self._set_status(head, VISITED if remembered else GONE)]
        if isinstance(walk, Gathered) and walk.drains:
            done = [*self._only_relevant(st.Block(walk.taken, (), walk.span)).statements, *(done if remembered else [])]
        return done

    def _end_of_walk(self, head: Head) -> list[st.Stmt]:
        walk = head.walk
        binder = binder_of(walk)
        slot = binder.slot
        here = e.Var(walk.span, ElemT(binder.sort), slot, "")
        if isinstance(walk, Gathered) and walk.drains:
            left = self._must(walk.among)
        else:
            left = self._has_status(head, here, LEFT)
        if binder.order == "any" and walk.where is not None:
            left = e.And(walk.span, e.BOOL, left, self._must(walk.where))
        done: e.Expr = e.Quantifier(walk.span, e.BOOL, "no", slot, "", binder.sort, left)
        return [self._only_if(walk, done), self._all_status(head, GONE), *self._run(head.rest)]

    def _to_be_undone(self, head: Head) -> list[st.Stmt]:
        """The walk fails: which elements the rollback is for."""
        walk = head.walk
        assert walk.rollback is not None
        if walk.rollback.visited_only:
            return []
        if not isinstance(walk, Gathered):
            return [self._all_status(head, VISITED)]
        here = e.Var(walk.span, ElemT(binder_of(walk).sort), binder_of(walk).slot, "")
        return [self._all_status(head, VISITED, self._has_status(head, here, LEFT))]

    def _undo(self, head: Head) -> list[st.Stmt]:
        """The rollback takes an element that was visited: the last ones first, when it goes backwards."""
        walk = head.walk
        binder = binder_of(walk)
        assert walk.rollback is not None
        here = e.Var(walk.span, ElemT(binder.sort), binder.slot, "")
        ready = self._turn(head, here, VISITED, walk.reversed != walk.rollback.reversed)
        choose = st.Choose(*placed(walk), binder.slot, binder.sort, ready, None)
        return [choose, *self._run(("seq", walk.rollback.body.statements, ("undo", head, head.rest)))]

    def _end_of_undo(self, head: Head) -> list[st.Stmt]:
        walk = head.walk
        binder = binder_of(walk)
        assert head.failing is not None
        here = e.Var(walk.span, ElemT(binder.sort), binder.slot, "")
        visited = self._has_status(head, here, VISITED)
        done = e.Quantifier(walk.span, e.BOOL, "no", binder.slot, "", binder.sort, visited)
        return [self._only_if(walk, done), self._all_status(head, GONE), *self._fail(*head.failing, head.rest)]
