"""Stable diagnostic codes: one line for the list, one paragraph for `luocheck explain CODE`.

LUO1xx syntax, 2xx names and types, 3xx lints, 4xx abi, 5xx not provable unbounded, 6xx expectations and runs, 7xx traces.
A code keeps its meaning for ever; a code that is no longer used is not given away again.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Code:
    title: str
    explanation: str


CODES: dict[str, Code] = {}


def _code(code: str, title: str, explanation: str) -> None:
    assert code not in CODES
    CODES[code] = Code(title, " ".join(explanation.split()))


# ---- LUO1xx: syntax ---------------------------------------------------------------------------------------------
_code("LUO100", "unexpected word", "The parser expected something else at this place; the message lists what it could have been.")
_code(
    "LUO101",
    "unexpected character",
    "This character is not part of the language. C programmers often meet it with `&&`, `||` and `!`: write `and`, `or`, `not`.",
)
_code("LUO102", "missing `;`", "Every statement and every declaration without a body ends with `;`.")
_code(
    "LUO103",
    "`=` used for `==`",
    "`=` assigns in a statement. Inside a condition or a claim two values are compared with `==`.",
)
_code(
    "LUO104",
    "no `spec` line, or not the first",
    'A spec begins with `spec NAME;`, or `spec NAME extends BASE "title";`. There is exactly one such line and it comes first.',
)
_code(
    "LUO105",
    "not a readable text",
    "The input is not UTF-8 text, is far larger than any spec, or is nested deeper than the parser allows.",
)
_code(
    "LUO106",
    "keyword used as a name",
    "Words of the language cannot be names of sorts, fields, events, locals or properties, also where the parser could tell them apart.",
)
_code("LUO107", "missing `}`", "A brace that this declaration opens is never closed.")

# ---- LUO2xx: names and types --------------------------------------------------------------------------------------
_code("LUO200", "unknown name", "Nothing with this name is declared, or not anything that can stand at this place.")
_code(
    "LUO201",
    "name declared twice",
    "Two declarations have the same name. Names of sorts, enums, fields, events, properties and so on share one name space.",
)
_code("LUO202", "wrong type", "The expression has a type that cannot stand here.")
_code(
    "LUO203",
    "order or literal on a symmetric sort",
    """Elements of a symmetric sort are interchangeable: no element is smaller than another, is the first or the last, or has a name of its own.
    A comparison with `<`, `S.first`, `S.last`, `next(x)` or a walk `in order` would tell them apart. Declare the sort `ordered` if its values really are.""",
)
_code(
    "LUO204",
    "behaviour reads a ghost",
    """Ghost fields exist for the properties only. If the outcome or the effect of a call could depend on one, the model would differ from the code.
    Ghosts may be read in invariants, asserts, after-checks, and on the right side of an assignment to another ghost.""",
)
_code("LUO205", "assignment to a fixed field", "A `fixed` field is chosen once, before anything happens, and never changes.")
_code(
    "LUO206",
    "`forall` whose meaning would depend on order",
    """A `forall` happens to all elements at once: it reads the state before the statement and may not contain statements whose effect depends on the
    order of the elements (append, new, choose, run, fail, step, locks), nor write different values to one place. Use a walk.""",
)
_code(
    "LUO207", "override, patch or remove of something that is not there", "A derived spec can only change what its base declares."
)
_code("LUO208", "unknown label", "The label names no statement of the event, proc or walk that is meant here.")
_code(
    "LUO209",
    "`old` or `unchanged` outside of its places",
    "`old(e)` and `unchanged` compare with the state before a call; they have a meaning in `after ... check`, in `on ... { }` and in `assert` only.",
)
_code("LUO210", "wrong number of arguments", "The call, define, graph or field takes another number of arguments.")
_code(
    "LUO211",
    "recursion",
    "Procs and walks are written out at the place of the call and defines are replaced by their value, so none can contain itself.",
)
_code(
    "LUO212",
    "a rollback that could fail",
    "Undoing must not be able to fail: a rollback may not contain fail, panic, require, choose without else, step, or a run that can fail and is not caught.",
)
_code(
    "LUO213",
    "result not set",
    "An event or proc with `gives x` must have set x on every path that ends with OK, and a value that a failed call did not give is not there to be used.",
)
_code(
    "LUO214",
    "not assignable",
    "Only fields and the result of the event or proc can be assigned. Parameters, locals, enum members and elements cannot.",
)
_code("LUO215", "statement not allowed here", "This statement has no meaning at this place; the message says where it may stand.")
_code(
    "LUO216",
    "walk without an order",
    "A walk over a sort whose elements have no order must say `along GRAPH` or `in any order`; over an ordered sort `in order`.",
)
_code("LUO217", "unknown errno", "The name is neither a Linux errno nor an errno class that the abi declares.")
_code("LUO218", "unknown fault class", "A fault class is one of copy_in, copy_out, nomem, no_fd, callback, device, signal.")
_code("LUO219", "bad scope", "A scope gives every sort a size that can be explored; cut calls must be events that have a caller.")
_code("LUO220", "bad topology", "A topology names elements by sort or kind and draws edges of one graph between them.")
_code("LUO221", "specs that extend in a circle", "A spec extends itself, directly or through others.")
_code(
    "LUO222",
    "base spec not found or not readable",
    "The spec named after `extends` is neither beside this file nor among the shipped specs, or has errors itself.",
)
_code("LUO223", "something still used was removed", "A derived spec removed a declaration that other parts still mention.")
_code(
    "LUO224",
    "a body removes from the list that it walks",
    "A walk's step may remove the current element from the walked sequence and no other; use `drains` to take elements away.",
)
_code(
    "LUO225",
    "bad initial value",
    "The initial value is no constant of the field's type, or `any` stands at a field that cannot be drawn.",
)
_code("LUO226", "bad count", "A count's limit lies between 1 and 65,535, and a constant assigned to it must fit.")
_code(
    "LUO227",
    "`require` after an effect",
    "`require` says that a call cannot be made at all, so it must come before every effect, step and lock of the call.",
)
_code("LUO228", "bad lock use", "A lock is used with or without an owner as it was declared; `shared` needs an rwlock.")
_code("LUO229", "bad enum", "Enum members and their numbers must be unique.")
_code(
    "LUO230",
    "bad scenario",
    "A scenario names events, elements and labels of its spec, and lets its elements be declared before they are used.",
)

_code(
    "LUO231",
    "too large when written out",
    """Procs, walks and defines are written out at each place that uses them. Ones that use the next one twice, over many levels, have no end
    in practice.""",
)

# ---- LUO3xx: lints ------------------------------------------------------------------------------------------------
_code(
    "LUO301",
    "`require` in an ioctl that looks like a forgotten errno",
    "`require` makes the call impossible; the kernel would have to refuse it with an errno. Write `fail E when not ...` unless user space really cannot make the call.",
)
_code("LUO302", "`step` that no scope ever cuts", "No scope lists the event in `stepwise`, so the `step;` never has an effect.")
_code(
    "LUO303",
    "`old` of a whole field in a call that is cut into steps",
    "A quantified `old(...)` keeps a copy of the whole field for each caller in a call that a scope cuts into steps.",
)
_code("LUO304", "unused declaration", "Nothing uses this proc, walk, define, lock or graph.")

# ---- LUO4xx: abi --------------------------------------------------------------------------------------------------
_code(
    "LUO400", "bad abi entry", "The entry names an event, sort, handle or parameter that does not exist, or says something twice."
)
_code(
    "LUO401",
    "two ioctls with one number",
    "Two events have the same ioctl number on the same kind of descriptor; a recorded call could not be told apart.",
)
_code(
    "LUO402",
    "parameter of an event without a place in the abi",
    "A decoder and a generated program must know where this argument stands.",
)

# ---- LUO5xx: engines ----------------------------------------------------------------------------------------------
_code(
    "LUO500",
    "engine not available",
    "The engine that was asked for is not in this version, or cannot be used here: the native one needs a C compiler.",
)
_code(
    "LUO501",
    "beyond the bounded engine",
    """The engine bmc translates calls that happen in one go: it refuses a scope that cuts calls into steps, and a `drains` whose step may
    put elements back without end; a proof at a scope also refuses a field with too many values to be listed. The other engines explore
    all of these.""",
)

_code(
    "LUO510",
    "no form for every size",
    "`prove` says something for any number of elements. That has no meaning for what depends on how many there are: counts and counting, "
    "lists, elements that come and go, walks inside of walks. `prove --bounded` or `check` decide such a claim in a scope.",
)
_code(
    "LUO511",
    "not a certificate",
    "The file is not a certificate of `luocheck prove`, or names claims, fields or values that the spec does not have. "
    "Write one with `luocheck prove SPEC --certificate FILE`.",
)

_code(
    "LUO520",
    "no translation to Promela",
    "`luocheck export` does not translate this part of the spec, and leaves nothing out silently: a scope that cuts calls into steps, a local "
    "that is a written-out set. The engines of `luocheck check` explore both.",
)
_code(
    "LUO521",
    "claim left out of the model",
    "The exported model decides claims about single states and calls. `recoverable`, `never stuck` and `liveness` are about whole runs, and "
    "are left out; the model's first lines name them.",
)
_code(
    "LUO522",
    "too large for a Promela model",
    "The scope needs more starting points, elements or text than a Promela model can have. A smaller scope fits, or one graph (--graph N).",
)

# ---- LUO6xx: expectations and runs --------------------------------------------------------------------------------
_code(
    "LUO600",
    "expectation about something unknown",
    "An expectation names a property, assert or built-in finding that the spec does not have.",
)
_code("LUO601", "not as expected", "The verdict of a property differs from what the spec's `expect` block says.")
_code(
    "LUO602",
    "scenario not accepted",
    "A call of the scenario cannot return what the scenario says, in any state that agrees with the calls before.",
)
_code(
    "LUO603",
    "unknown scope, topology or property",
    "The command line names a scope, topology or property that the spec does not declare.",
)
_code("LUO604", "nothing to check", "No property is selected, or the scope leaves no state at all.")
_code("LUO605", "a claim reads through `none`", "A property looked at a field of `none`; protect it with `and` or `=>`.")
_code("LUO606", "scope too large for the interpreter", "The number of starting points alone is beyond what can be enumerated.")
_code("LUO607", "no such spec", "No shipped spec has this name, or the file cannot be read.")
_code(
    "LUO608",
    "two writers in one `forall`",
    "Two elements of a `forall` wrote different values to one place in some reachable state.",
)
_code(
    "LUO609",
    "command line not understood",
    "An option or a command is unknown, misses its value, or has a value that cannot be used. `luocheck COMMAND --help` lists the options.",
)
_code(
    "LUO610",
    "cannot write",
    "A file exists already and is not overwritten, is one that cannot be rewritten, or the system refused to write it.",
)

_code(
    "LUO611",
    "not a checkpoint, or a damaged one",
    """The file that --checkpoint names is there, but is another kind of file, cut off, damaged, or cannot be read. It is left as it is:
    remove it, or name another one, and the run begins anew. A checkpoint is replaced in one step, so a run that was killed while writing
    does not cause this.""",
)
_code(
    "LUO612",
    "checkpoint of another run",
    """A checkpoint goes on only with the run that wrote it: the same spec text, scope, topology, claims (--property) and symmetry, on a
    machine with the same order of bytes, and a luocheck that generates the same C. The message says what differs. The file is left as it
    is: name another one for this run.""",
)
_code(
    "LUO613",
    "not a file of results, or a damaged one",
    """The file that --results names is there, but is another kind of file, has the results of another command, or a line of it cannot be
    read. It is left as it is: remove it, or name another one, and the job begins anew. A last line that was torn by whatever killed the
    run is no damage: its task is done again.""",
)
_code(
    "LUO614",
    "cluster that cannot be used",
    """There is no scheduler of a Dask cluster at the address that --cluster names, the package `distributed` is not installed here, or a
    worker has no luocheck or another one. All machines need the same version, since an answer must not depend on where it was found.""",
)
_code(
    "LUO615",
    "no worker process",
    """A process that was to do a part of the job died while it started. A script that starts such a job must do so under
    `if __name__ == "__main__":`, because each process imports the script.""",
)
_code(
    "LUO620",
    "not a catalogue",
    """A catalogue of bugs is TOML: a `[[bug]]` with `id`, `version` and `title` for each row, and in it `[[bug.shown]]` with `spec`,
    `claim`, `calls` (and `faults`, `scope`, `topology`, `fixed`), or `not_modelled` with the reason. The message says what is missing, or
    which spec, claim, scope or topology does not exist.""",
)

_code(
    "LUO630",
    "no program for this scenario",
    """A program makes calls as the `abi` block of the spec describes them. No call of this scenario is described there, so there is nothing
    that a program could do. Add the calls to the abi, or choose a format that is no program.""",
)

# ---- LUO7xx: traces -----------------------------------------------------------------------------------------------
_code("LUO700", "unreadable capture", "The file cannot be read, or is not a format that can be decoded.")
_code("LUO701", "call not allowed", "No state that agrees with the calls before allows this call to return what was recorded.")
_code("LUO702", "nothing to check in the capture", "The capture has no call that the spec's abi knows.")
_code(
    "LUO703",
    "display option that cannot be decoded",
    "The capture was printed with an option that hides who called or what was called.",
)
_code("LUO704", "events were lost", "The recorder lost events, so what happened in between is unknown.")
_code("LUO705", "too many possibilities", "More states agree with the capture than the limit allows to follow.")
_code(
    "LUO706",
    "part of the capture could not be read",
    "Some lines are no events, the file is cut off or damaged, or it has events whose definition is missing. What was read is used.",
)
_code(
    "LUO707",
    "call on another file",
    "A number that the abi knows was used on a file that is none of the abi's, or on no open descriptor. It is not taken as a call.",
)
_code(
    "LUO708",
    "descriptors not fully known",
    """The recording does not show all that gives descriptors or takes them away (open, close, dup, fork, sockets), so that which open file
    a number stands for is known in part only.""",
)
_code(
    "LUO709",
    "text that a program can forge",
    "A program wrote lines into the trace that look like events. The text of a trace cannot tell them apart; a binary recording can.",
)
_code(
    "LUO710",
    "clock without a unit, or one for each CPU",
    """The recording's clock is a counter: its values order events but are no times. Or each CPU has a clock of its own, so that calls on
    different CPUs can stand in another order than they happened.""",
)
_code(
    "LUO711",
    "recorder that misses calls",
    "What was recorded lies below the calls, or is not what this reader expects, so calls that were made can be missing.",
)
_code(
    "LUO712",
    "promise broken",
    "In the state that the recording leads to, an invariant of the spec does not hold.",
)
_code(
    "LUO713",
    "recording begins in the middle",
    "What was recorded is only possible with calls that were made before the recording begins.",
)
_code(
    "LUO714",
    "text that was changed on its way",
    "The text is not as the recorder printed it: in another encoding, quoted in a mail, or indented anew. It was read all the same.",
)
_code(
    "LUO716",
    "where the capture comes from",
    "The kernel, the clock and the buffer that a binary recording says it was made with, or the files that it was merged from.",
)
_code(
    "LUO717",
    "calls of other tasks are missing",
    """`strace -ff` writes one file for each task, and not all of them were given. What the others did between the recorded calls is not known,
    so the verdict is inconclusive. Name all the files (`A.*`), or what they have in common (`A`).""",
)
_code(
    "LUO718",
    "parts that cannot be merged",
    """The files of one recording do not say in which order their events happened: they have no times, whole seconds, times since the line
    before (strace -r), times of different clocks, or times of day that lie too far apart. Record with `strace -ff -ttt`.""",
)
_code(
    "LUO719",
    "close of which nobody knows what it closed",
    """A close of a number of which nothing was known went on while an open got that number. It can have closed what the number meant before,
    or what the open got. A call that is not allowed after it makes the verdict inconclusive. Record from before the process opens the device.""",
)
_code(
    "LUO720",
    "what the kernel's log says",
    "A line of the kernel log that was given beside the recording (`--klog`). It shows no calls and does not change the verdict.",
)
_code(
    "LUO721",
    "call that the recorder changed",
    """strace was told to inject faults. A result that it made up (INJECTED) is not the kernel's, so it is not taken as a call; a call that it
    delayed, or whose memory it changed, is one.""",
)

# ---- LUO73x: witnesses of audits ----------------------------------------------------------------------------------
_code(
    "LUO730",
    "not a witness, or a damaged one",
    """The file is no JSON, or not the JSON that `luocheck audit --witness FILE` writes: a member is missing, has another type, or names an
    event, a sort, a field or an element that neither the spec nor the witness has.""",
)
_code(
    "LUO731",
    "witness rejected",
    """The witness does not show that the recording conforms: it leaves a call out, has it with other arguments or another result than were
    recorded, puts it before a call that had returned when it began, adds calls that the recorder would have shown, or the spec does not
    let a call end as the witness says. The message says which step. The recording may conform all the same.""",
)
_code(
    "LUO732",
    "witness of something else",
    "The witness was made from another recording or another spec: its hash differs. Name the files that it was made from.",
)
_code(
    "LUO740",
    "recording that cannot be made",
    """`luocheck record --run` needs root and a kernel with tracing. The message is what the recorder says; nothing is left of what it had set
    up. `sh luo-record.sh check` tells which methods the kernel offers (docs/recording.md).""",
)
