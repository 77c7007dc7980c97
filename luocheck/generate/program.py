"""A scenario as a C program that makes its calls and tells whether the kernel returns what the spec says."""

from __future__ import annotations

from collections.abc import Iterator

from luocheck.checker.scenarios.answer import Chosen
from luocheck.generate.c_text import c_names, escaped, macro, member_name, selected, string_for, struct, struct_name, template
from luocheck.generate.calls import ANY, Calls, Made, Value, stages
from luocheck.model.abi import CONSTANTS, DEVICE, Abi
from luocheck.model.diagnostics import fail
from luocheck.model.errnos import GENERIC
from luocheck.model.ir import expressions as e
from luocheck.model.ir import statements as st
from luocheck.model.ir.system import System
from luocheck.model.ir.vocabulary import Lifetime
from luocheck.model.source import Source, Span
from luocheck.model.spec import Spec

STYLES = ("tap", "kselftest")

_MAGIC = {"magic": "LINUX_REBOOT_MAGIC1", "magic2": "LINUX_REBOOT_MAGIC2"}
_REBOOT = {"LINUX_REBOOT_MAGIC1": 0xFEE1DEAD, "LINUX_REBOOT_MAGIC2": 672274793}
"""Arguments of reboot(2) without which the kernel does not listen (include/uapi/linux/reboot.h)."""


def program(spec: Spec, chosen: Chosen, *, style: str = "tap") -> str:
    """The program.  style: `tap` needs nothing, `kselftest` includes the kernel's own header for tests.

    Raises SpecError LUO630 when no call of the scenario is in the abi of the spec.
    """
    return _Program(spec, chosen, style).text()


class _Program:
    def __init__(self, spec: Spec, chosen: Chosen, style: str) -> None:
        self.spec = spec
        self.chosen = chosen
        self.style = style
        self.abi: Abi = spec.system.abi
        calls = Calls(spec.system, chosen.witness)
        self.calls = calls.made()
        self.sorts = calls.sorts
        if not any(call.by_program or call.faults for call in self.calls if call.way != "outside"):
            place = Span(Source("--format", "c"), 0, 0)
            message = f"the abi of `{spec.name}` does not say how a program makes any call of this scenario"
            fail("LUO630", message, place, help="add the calls to its `abi` block, or choose another format")
        self.stages = stages(self.calls)
        self.agents = list(dict.fromkeys(each for call in self.calls for each in (call.agent, call.receiver) if each is not None))
        self.slots = c_names("SLOT", [DEVICE, *self._elements_with_descriptors()])
        self.agent_names = c_names("AGENT", self.agents)
        self.files = [name for name in self.slots if self._is_file(name)]
        self.flags: set[str] = set()
        self.overlapping = any(not call.begins or not call.ends for call in self.calls)

    def _elements_with_descriptors(self) -> Iterator[str]:
        seen: dict[str, None] = {}
        for call in self.calls:
            if call.on is not None and call.on != DEVICE:
                seen[call.on] = None
            for value in (*call.given, *call.got):
                if value.kind == "descriptor":
                    seen[value.value] = None
        yield from seen

    def _is_file(self, name: str) -> bool:
        """Is an element a file that the program brings along, not an object that LUO makes?"""
        return name != DEVICE and all(self.sorts.get(name) != each.target for each in self.abi.descriptors)

    # ---- the whole text -----------------------------------------------------------------------------------------

    def text(self) -> str:
        steps = "".join(self._step(call) for call in self.calls)
        table = self._table()
        run = "".join(self._stage(number, calls) for number, calls in enumerate(self.stages, start=1))
        own = [self._api(), self._names_of_things(), self._template("steps.c"), steps.rstrip() + "\n", table]
        main = self._main()
        parts = [self._comment(), self._template("head.c"), self._template("kernel.c"), self._template(f"{self.style}.c"), *own]
        if self.style == "kselftest":
            parts[1] += '#include "../kselftest.h"\n'
        parts += [self._template("agents.c"), run.rstrip() + "\n", main]
        return "\n".join(part.strip("\n") + "\n" for part in parts)

    def _template(self, name: str) -> str:
        return selected(template(name), self.flags)

    def _comment(self) -> str:
        witness = self.chosen.witness
        lines = [self.chosen.title, "", f"Made by `luocheck scenario` from the spec {self.spec.name}. The scenario:", ""]
        lines += ["    " + line for line in self.chosen.text.rstrip().splitlines()]
        if witness.given:
            lines += ["", "What the kernel, its handlers and its command line have to be like is in the `given` lines above."]
        missing = [call for call in self.calls if not call.by_program]
        if missing:
            lines += ["", "No program causes by itself:"]
            lines += [f"    {call.number}. {call.step.text}: {call.lack}" for call in missing]
            lines += ["The command in LUO_INJECT is asked to arrange it; where it cannot, the calls that depend on it are skipped."]
        if len(self.stages) > 1:
            lines += [
                "",
                f"The scenario goes over {len(self.stages)} kernels.  Load the next kernel with kexec, run the program, and run it",
            ]
            lines += ["again in the next kernel with the number of the stage: `PROGRAM 2`, and so on."]
        lines += ["", "Each call is a line of the output; the exit status is 0 when the kernel returned what the spec says."]
        body = "".join(f" * {line}".rstrip().replace("*/", "* /").replace("/*", "/ *") + "\n" for line in lines)
        return f"// SPDX-License-Identifier: Apache-2.0\n/*\n{body} */\n"

    # ---- the user API -------------------------------------------------------------------------------------------

    def _api(self) -> str:
        used = {call.ioctl.event: call.ioctl for call in self.calls if call.ioctl is not None}
        out = [f"/* ---- the user API, from the spec {self.spec.name} ---- */\n"]
        device = next((d for d in self.abi.descriptors if d.path is not None), None)
        if device is not None and any(call.way == "open" for call in self.calls):
            out.append(f'#define DEVICE "{device.path}"')
        out += [f"#define {event} {ioctl.number:#x}ul" for event, ioctl in ((macro(e), i) for e, i in used.items())]
        for event, ioctl in used.items():
            if ioctl.fields:
                out.append(struct(event, ioctl))
        constants = {a: CONSTANTS[a] for c in self.calls if c.syscall is not None for a in c.syscall.arguments if a in CONSTANTS}
        if any(c.syscall is not None and c.syscall.function == "reboot" for c in self.calls):
            constants |= _REBOOT
        out += ["", *(f"#define {name} {value:#x}" for name, value in constants.items())] if constants else []
        names = sorted({each for call in self.calls for each in call.allowed if each != ANY} | {"EFAULT", "EINVAL", "ENOTTY"})
        names = [name for name in GENERIC if name in names or name in ("EPERM", "ENOENT", "EIO", "EBADF", "ENOMEM", "EBUSY")]
        rows = "".join(f'\t{{ {name}, "{name}" }},\n' for name in names)
        out += ["", "static const struct {", "\tint number;", "\tconst char *name;", "} errnos[] = {", rows + "};"]
        return "\n".join(out) + "\n"

    def _names_of_things(self) -> str:
        out = ["enum { " + ", ".join([*self.slots.values(), "SLOTS"]) + " };"]
        out.append("enum { " + ", ".join([*self.agent_names.values(), "AGENTS"]) + " };")
        names = ", ".join(f'"{escaped(name)}"' for name in self.agents)
        out.append(f"static const char *const agent_names[] = {{ {names} }};")
        return "\n".join(out) + "\n"

    # ---- steps --------------------------------------------------------------------------------------------------

    def _step(self, call: Made) -> str:
        """The function that an agent runs for a call; nothing for what is no call of an agent."""
        body = self._body(call) if call.begins else None
        if body is None:
            return ""
        lines = "".join(f"\t{line}\n" if line else "\n" for line in body)
        return f"/* {call.step.text} */\nstatic void step_{call.number}(struct reply *reply)\n{{\n{lines}}}\n\n"

    def _body(self, call: Made) -> list[str] | None:
        match call.way:
            case "open":
                self.flags.add("OPENS")
                return ["int fd = luo_open(DEVICE);", "", "came(reply, fd);", "if (fd >= 0)", "\tslots[SLOT_DEVICE] = fd;"]
            case "close":
                self.flags.add("CLOSES")
                assert call.on is not None
                slot = self.slots[call.on]
                return [f"came(reply, luo_close(slots[{slot}]));", f"slots[{slot}] = -1;"]
            case "ioctl":
                return self._ioctl(call)
            case "syscall":
                return self._syscall(call)
        return None

    def _syscall(self, call: Made) -> list[str]:
        self.flags.add("SYSCALLS")
        syscall = call.syscall
        assert syscall is not None
        usual = [_MAGIC.get(a, a if a in CONSTANTS else "0") for a in syscall.arguments]
        values = [*usual, *["0"] * (4 - len(usual))][:4]
        arguments = ", ".join(f"(long){v}" if v != "0" else "0" for v in values)
        return [f'came(reply, luo_syscall("{syscall.function}", SYS_{syscall.function}, {arguments}));']

    def _ioctl(self, call: Made) -> list[str]:
        self.flags.add("IOCTLS")
        ioctl = call.ioctl
        assert ioctl is not None and call.on is not None
        on, number = f"slots[{self.slots[call.on]}]", macro(ioctl.event)
        room = "no_fd" in call.faults
        if not ioctl.fields:
            lines = [f"came(reply, luo_ioctl({on}, {number}, NULL, 0));"]
            return self._without_room(lines) if room else lines
        self.flags.add("ARGUMENTS")
        lines = [f"struct {struct_name(ioctl.event)} *arg = argument();", ""]
        if ioctl.sized is not None:
            lines.append(f"arg->{member_name(ioctl.sized.name)} = sizeof(*arg);")
        for value in call.given:
            lines += self._given(value)
        for fault, protection in (("copy_out", "PROT_READ"), ("copy_in", "PROT_NONE")):
            if fault in call.faults:
                lines.append(f"mprotect(arg, 4096, {protection});")
        ask = [f"came(reply, luo_ioctl({on}, {number}, arg, sizeof(*arg)));"]
        lines += self._without_room(ask) if room else ask
        got = [line for value in call.got for line in self._got(value)]
        if got:
            lines += ["if (reply->result < 0)", "\treturn;", *got]
        return lines

    def _without_room(self, lines: list[str]) -> list[str]:
        self.flags.add("NO_DESCRIPTORS")
        return ["room_for_descriptors(false);", *lines, "room_for_descriptors(true);"]

    def _given(self, value: Value) -> list[str]:
        member = f"arg->{member_name(value.member.name)}"
        match value.kind:
            case "descriptor":
                return [f"{member} = slots[{self.slots[value.value]}];"]
            case "string":
                return [f'memcpy({member}, "{string_for(value)}", sizeof("{string_for(value)}"));']
            case "bad" if value.member.length is not None and value.value == "empty":
                return [f"{member}[0] = 0;"]
            case "bad" if value.member.length is not None:
                return [f"memset({member}, 'x', sizeof({member}));"]
            case "bad":
                return [f"{member} = -1;"]
        return [f"{member} = {value.number:#x};"]

    def _got(self, value: Value) -> list[str]:
        member = f"arg->{member_name(value.member.name)}"
        match value.kind:
            case "descriptor":
                slot = self.slots[value.value]
                kept = [f"slots[{slot}] = {member};"]
                if self._is_file(value.value):
                    self.flags.add("IS_FILE")
                    kept.append(f'reply->differs = !is_file({member}, "luo-{escaped(value.value)}");')
                return kept
            case "string":
                return [f'reply->differs = memcmp({member}, "{string_for(value)}", sizeof("{string_for(value)}")) != 0;']
        return [f"reply->differs = {member} != {value.number:#x};"]

    def _table(self) -> str:
        rows: list[str] = []
        for call in self.calls:
            allowed = "NULL"
            if call.allowed == (ANY,):
                allowed = "any_errno"
            elif call.allowed:
                allowed = f"(const int[]){{ {', '.join([*call.allowed, '0'])} }}"
            needs = "NULL" if call.by_program else f'"{escaped(call.step.label or "")}"'
            function = f"step_{call.number}" if call.begins and call.way not in ("outside", "exit", "pass") else "NULL"
            flags = [call.harmless, self._overlaps(call), call.kernel is not None]
            cells = [f'"{escaped(_called(call))}"', f'"{escaped(call.outcome)}"', allowed, needs]
            cells += ["true" if each else "false" for each in flags]
            rows.append(f"\t[{call.number}] = {{ {', '.join([*cells, function])} }},\n")
        return "static const struct step steps[] = {\n" + "".join(rows) + "};\n"

    def _overlaps(self, call: Made) -> bool:
        return self.overlapping and (not call.begins or not call.ends)

    # ---- stages -------------------------------------------------------------------------------------------------

    def _stage(self, number: int, calls: list[Made]) -> str:
        lines: list[str] = []
        for file in self._fresh(calls):
            if self._refused(file):
                lines.append(f'slots[{self.slots[file]}] = open("/dev/null", O_RDWR | O_CLOEXEC);')
            else:
                self.flags.add("MAKE_FILES")
                lines.append(f'slots[{self.slots[file]}] = make_file("luo-{escaped(file)}");')
        holders: dict[str, set[str] | None] = {file: None for file in self._fresh(calls)}  # None: everybody, from birth on
        for call in calls:
            lines += self._moved(call, holders)
            lines.append(self._driven(call))
            for value in call.got:
                if value.kind == "descriptor" and self._is_file(value.value) and call.agent is not None:
                    holders[value.value] = {call.agent}
            if call.way == "exit" and call.agent is not None:
                for people in holders.values():
                    if people is not None:
                        people.discard(call.agent)
        body = "".join(f"\t{line}\n" for line in lines)
        count = sum(_is_told(call) for call in calls)
        return f"/* {count} results */\nstatic void stage_{number}(void)\n{{\n{body}}}\n\n"

    def _fresh(self, calls: list[Made]) -> list[str]:
        """Files that a kernel's calls use before one of them gives it: the program makes them."""
        found: dict[str, bool] = {}
        for call in calls:
            for value in call.given:
                if value.kind == "descriptor" and self._is_file(value.value):
                    found.setdefault(value.value, True)
            for value in call.got:
                if value.kind == "descriptor" and self._is_file(value.value):
                    found.setdefault(value.value, False)
        return [name for name, fresh in found.items() if fresh]

    def _refused(self, file: str) -> bool:
        """Does the spec refuse a file for what it is, so that it must be of another kind than the others?"""
        given = self.chosen.witness.given
        return any(f"{file}.{name}" not in given for name in refusing(self.spec.system, self.sorts.get(file)))

    def _moved(self, call: Made, holders: dict[str, set[str] | None]) -> list[str]:
        """Files that an agent needs and another one has."""
        lines: list[str] = []
        for value in call.given:
            people = holders.get(value.value)
            if value.kind != "descriptor" or people is None or not people or call.agent in people or call.agent is None:
                continue
            self.flags.add("HANDS")
            owner = min(people)
            lines.append(f"hand({self.agent_names[owner]}, {self.agent_names[call.agent]}, {self.slots[value.value]});")
            people.add(call.agent)
        return lines

    def _driven(self, call: Made) -> str:
        """The line that has a call made."""
        agent = self.agent_names[call.agent] if call.agent is not None else ""
        label = call.step.outcome.removeprefix("reaches ") if call.step.outcome.startswith("reaches ") else ""
        if call.step.outcome == "blocks" and call.begins:
            self.flags.add("WAITS")
            return f"waits({agent}, {call.number});"
        if not call.begins:
            self.flags.add("GOES_ON")
            steer = f'go_on({agent}, "{escaped(label)}");'
            return steer if not call.ends else f"{steer}\n\tend({agent}, {call.number});"
        if not call.ends:
            return f'begin({agent}, {call.number}, "{escaped(label)}");'
        match call.way:
            case "exit":
                self.flags.add("LEAVES")
                return f"leave({agent}, {call.number});"
            case "pass":
                self.flags |= {"HANDS", "PASSES"}
                assert call.receiver is not None and call.on is not None
                return f"pass({agent}, {self.agent_names[call.receiver]}, {self.slots[call.on]}, {call.number});"
            case "outside":
                self.flags.add("OUTSIDE")
                return f"outside({call.number});"
        return f"run({agent}, {call.number});"

    def _main(self) -> str:
        count = len(self.stages)
        results = ", ".join(str(sum(_is_told(call) for call in calls)) for calls in self.stages)
        functions = ", ".join(f"stage_{number}" for number in range(1, count + 1))
        return f"""\
int main(int argc, char **argv)
{{
	static void (*const stages[])(void) = {{ {functions} }};
	static const int results[] = {{ {results} }};
	int stage = argc > 1 ? atoi(argv[1]) : 1;
	int i;

	if (argc > 2 || stage < 1 || stage > {count}) {{
		fprintf(stderr, "usage: %s [STAGE]   of {count}\\n", argv[0]);
		return 2;
	}}
	for (i = 0; i < SLOTS; i++)
		slots[i] = -1;
	result_plan(results[stage - 1]);
	stages[stage - 1]();
	for (i = 0; i < AGENTS; i++)
		stop(i);
	return result_exit();
}}
"""


def _is_told(call: Made) -> bool:
    return call.ends or (call.step.outcome == "blocks" and call.begins)


def _called(call: Made) -> str:
    return f"{call.step.event}({', '.join(value for _, value in call.step.arguments)})"


def refusing(system: System, sort: str | None) -> list[str]:
    """The fixed conditions of a sort without which a call fails, as in `fail ENOENT when not f.known`."""
    found: dict[str, None] = {}
    for _, body in system.bodies():
        for stmt in st.statements(body):
            match stmt:
                case st.If(condition=e.Not(operand=e.Read(field=f)), then=then) if any(
                    isinstance(each, st.Fail) for each in then.statements
                ):
                    if f.lifetime is Lifetime.FIXED and f.drawn and [o.name for o in f.owners] == [sort]:
                        found[f.name] = None
    return list(found)
