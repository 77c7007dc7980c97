-- The benchmark model for Rumur. The harness writes the three constants.
-- From the comparison of model checkers that preceded this project (its own work); the same model as tests/specs/peers.luo.
const
  N: 5;
  M: 2;
  BUG: 0;
type
  file_t: 0..N-1;
  agent_t: 1..M;
  owner_t: 0..M;
  g_t: enum { NORMAL, PREPARED, GFROZEN, UPDATED };
  op_t: enum { NONE, PREP, FREEZE, CANCEL, FINISH };
  a_t: enum { CLOSED, OPEN, DYING };
  st_t: enum { UNREG, REG, SPREP, SFROZEN, PRESERVED, RESTORED };
var
  g: g_t;
  op: op_t;
  a: array [agent_t] of a_t;
  st: array [file_t] of st_t;
  own: array [file_t] of owner_t;
  mem: array [file_t] of boolean;
  snap: array [file_t] of boolean;

function dep(f: file_t; d: file_t): boolean; -- f needs d
begin
  if f = 0 then return false; endif;
  if f = N-1 then return d >= 1 & d < N-1; endif;
  return d = 0;
end;
function live(f: file_t): boolean;
begin
  return st[f] = SPREP | st[f] = SFROZEN | mem[f];
end;

startstate "init"
begin
  g := NORMAL; op := NONE;
  for m: agent_t do a[m] := CLOSED; endfor;
  for f: file_t do st[f] := UNREG; own[f] := 0; mem[f] := false; snap[f] := false; endfor;
end;

ruleset m: agent_t do
  rule "Open" a[m] = CLOSED ==> begin a[m] := OPEN; end;
  rule "Crash" a[m] = OPEN ==> begin a[m] := DYING; end;
  rule "Closed" op = NONE & a[m] = DYING & forall f: file_t do own[f] != m endforall ==> begin a[m] := CLOSED; end;
  ruleset f: file_t do
    rule "Release" op = NONE & a[m] = DYING & own[f] = m ==>
    begin own[f] := 0; if st[f] = REG then st[f] := UNREG; endif; end;
    rule "Preserve" g = NORMAL & op = NONE & a[m] = OPEN & st[f] = UNREG ==>
    begin st[f] := REG; own[f] := m; end;
    rule "Unpreserve" g = NORMAL & op = NONE & a[m] = OPEN & st[f] = REG & own[f] = m ==>
    begin st[f] := UNREG; own[f] := 0; end;
    rule "Restore" g = UPDATED & op = NONE & a[m] = OPEN & st[f] = PRESERVED
      & forall d: file_t do dep(f, d) -> st[d] = RESTORED endforall ==>
    begin st[f] := RESTORED; own[f] := m; end;
  endruleset;
endruleset;

rule "Prepare" g = NORMAL & op = NONE & exists m: agent_t do a[m] = OPEN endexists ==>
begin op := PREP; for f: file_t do snap[f] := st[f] = REG; endfor; end;
rule "PrepEnd" op = PREP & forall f: file_t do st[f] != REG endforall ==> begin g := PREPARED; op := NONE; end;
rule "Freeze" g = PREPARED & op = NONE & exists m: agent_t do a[m] = OPEN endexists ==> begin op := FREEZE; end;
rule "FreezeEnd" op = FREEZE & forall f: file_t do st[f] != SPREP endforall ==> begin g := GFROZEN; op := NONE; end;
rule "Cancel" (g = PREPARED | g = GFROZEN) & op = NONE & exists m: agent_t do a[m] = OPEN endexists ==>
begin op := CANCEL; end;
rule "CancelEnd" op = CANCEL & forall f: file_t do !live(f) endforall ==>
begin g := NORMAL; op := NONE; for f: file_t do snap[f] := false; endfor; end;
rule "Reboot" g = GFROZEN & op = NONE ==>
begin
  g := UPDATED;
  for m: agent_t do a[m] := CLOSED; endfor;
  for f: file_t do own[f] := 0; if st[f] = SFROZEN then st[f] := PRESERVED; endif; endfor;
end;
rule "Finish" g = UPDATED & op = NONE & exists m: agent_t do a[m] = OPEN endexists ==> begin op := FINISH; end;
rule "FinishEnd" op = FINISH & forall f: file_t do st[f] = UNREG endforall ==> begin g := NORMAL; op := NONE; end;

ruleset f: file_t do
  rule "PrepAlloc" op = PREP & st[f] = REG & !mem[f] & forall d: file_t do dep(f, d) -> st[d] = SPREP endforall ==>
  begin mem[f] := true; end;
  rule "PrepDone" op = PREP & st[f] = REG & mem[f] ==> begin st[f] := SPREP; end;
  rule "PrepFail" op = PREP & st[f] = REG & forall d: file_t do dep(f, d) -> st[d] != REG endforall ==>
  begin mem[f] := false; op := CANCEL; end;
  rule "FreezeOk" op = FREEZE & st[f] = SPREP & (BUG = 3 | forall d: file_t do dep(f, d) -> st[d] = SFROZEN endforall) ==>
  begin st[f] := SFROZEN; end;
  rule "FreezeFail" op = FREEZE & st[f] = SPREP & (BUG = 3 | forall d: file_t do dep(f, d) -> st[d] = SFROZEN endforall) ==>
  begin op := CANCEL; end;
  rule "CancelStep" op = CANCEL & live(f) & forall d: file_t do dep(d, f) -> !live(d) endforall ==>
  begin
    if own[f] != 0 | BUG = 2 then st[f] := REG; else st[f] := UNREG; endif;
    mem[f] := false;
  end;
  rule "FinishStep" op = FINISH & (st[f] = PRESERVED | st[f] = RESTORED)
    & forall d: file_t do dep(d, f) -> st[d] = UNREG endforall ==>
  begin
    if !(BUG = 1 & st[f] = PRESERVED) then mem[f] := false; endif;
    st[f] := UNREG; own[f] := 0; snap[f] := false;
  end;
endruleset;

invariant "I1 no leak" g = NORMAL & op = NONE ->
  forall f: file_t do !mem[f] & !snap[f] & (st[f] = UNREG | st[f] = REG) endforall;
invariant "I2 cancel unwinds" (op = CANCEL & forall f: file_t do !live(f) endforall) ->
  forall f: file_t do (st[f] = UNREG | st[f] = REG) & (own[f] = 0 -> st[f] = UNREG)
    & (own[f] != 0 -> (snap[f] = (st[f] = REG))) endforall;
invariant "I3 deps" forall f: file_t do forall d: file_t do dep(f, d) ->
  (st[f] = SFROZEN -> st[d] = SFROZEN) & (st[f] = SPREP -> (st[d] = SPREP | st[d] = SFROZEN))
  & (st[f] = RESTORED -> st[d] = RESTORED) endforall endforall;
invariant "I4 owner alive" forall f: file_t do own[f] = 0 | a[own[f]] != CLOSED endforall;
invariant "I5 memory" forall f: file_t do
  ((st[f] = SPREP | st[f] = SFROZEN | st[f] = PRESERVED | st[f] = RESTORED) -> mem[f])
  & ((mem[f] & (st[f] = UNREG | st[f] = REG)) -> (st[f] = REG & (op = PREP | op = CANCEL))) endforall;
