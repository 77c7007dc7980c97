#!/bin/sh
# luo-record: records, with the tracing of the kernel itself, what programs do with the Linux Live Update Orchestrator.
# It comes with luocheck and needs nothing but a POSIX shell, root, and tracefs.  `luo-record.sh help` says how to use it.
#
# Whatever is changed is written into a journal before it is changed, so that `undo` removes all of it and nothing else, also after a
# crash half-way.  Nothing outside of an instance of its own is switched on; dynamic events, which all instances share, are removed again.

# Dollars in single quotes are for the kernel; `A && B || die` means that A or B failed; only the last folder of a path is private.
# shellcheck disable=SC2016,SC2015,SC2174

set -u
umask 077  # a recording shows what all programs of the machine do
export LC_ALL=C

usage() {
    cat <<'END'
usage: luo-record.sh COMMAND [OPTION...]

  check      tell what this kernel offers; defines events and removes them again
  start      set up the recording and begin
  status     tell how it stands
  save       end the recording and copy it into a folder; the set-up stays
  stop       save, then undo
  undo       remove everything that was set up, also after a crash
  recover    after a kexec: read what a persistent instance recorded before it

  --instance NAME   instance of tracefs to make (default: luo)
  --method NAME     one, sc, eprobe, kprobe or syscalls (default: the first that works)
  --pid PID         record only this process and its children; repeatable
  --clock NAME      trace clock (default: boot; with --persist: local)
  --buffer-kb N     buffer for each CPU (default: 8192)
  --out DIR         folder for the recording (default: luo-record-DATE)
  --persist NAME    record into the persistent instance of this name, which a kexec does not erase
  --tracefs DIR     where tracefs is mounted (default: where it is, or it is mounted)
  --state DIR       where the journal is kept (default: /run/luo-record)
  --kernel-config FILE    configuration of the running kernel (default: /proc/config.gz or that in /boot)

exit status: 0 done, 2 it could not be done
END
}

say() { printf 'luo-record: %s\n' "$*" >&2; }

# Ends with a sentence.  What a `start` or `recover` that fails has done before is undone.
die() {
    say "$*"
    if [ "$unfinished" = yes ]; then
        unfinished=no
        trap '' INT TERM HUP
        undo_all || say "not everything could be undone; \`luo-record.sh undo --instance $instance\` tries again"
    fi
    exit 2
}

# ---- options ----------------------------------------------------------------------------------------------------

instance=luo method='' pids='' clock='' buffer=8192 out='' persist='' tracefs='' states=/run/luo-record config=''
unfinished=no missing='' events='' filters='' offset='' reason='' T='' I=''
tab=$(printf '\t')

options() {
    while [ $# -gt 0 ]; do
        case $1 in
            --instance | --method | --pid | --clock | --buffer-kb | --out | --persist | --tracefs | --state | --kernel-config)
                [ $# -ge 2 ] || die "$1 needs a value" ;;
            *) die "\`$1\` is no option; \`luo-record.sh help\` lists them" ;;
        esac
        case $1 in
            --instance) instance=$2 ;;
            --method) method=$2 ;;
            --pid) is_number "$2" || die "--pid $2: not the number of a process"; pids="$pids $2" ;;
            --clock) clock=$2 ;;
            --buffer-kb) is_number "$2" || die "--buffer-kb $2: not a number of kilobytes"; buffer=$2 ;;
            --out) out=$2 ;;
            --persist) persist=$2 ;;
            --tracefs) tracefs=$2 ;;
            --state) states=$2 ;;
            --kernel-config) config=$2 ;;
        esac
        shift 2
    done
    is_name "$instance" || die "--instance $instance: letters, digits, _ and - only"
    [ -z "$persist" ] || is_name "$persist" || die "--persist $persist: letters, digits, _ and - only"
    case $method in
        '' | one | sc | eprobe | kprobe | syscalls) ;;
        *) die "--method $method: one of one, sc, eprobe, kprobe and syscalls" ;;
    esac
    [ -z "$persist" ] || instance=$persist
    state=$states/$instance
    [ "$(id -u)" = 0 ] || die 'this needs root: tracing shows what all programs of the machine do'
}

is_number() { case $1 in '' | *[!0-9]* | ??????????*) return 1 ;; esac; }
is_name() { case $1 in '' | -* | *[!A-Za-z0-9_-]*) return 1 ;; esac; }

# ---- the journal ------------------------------------------------------------------------------------------------
# A line is a kind, a name, and for `set` the value from before, with tabs between them.

note() { printf '%s\t%s\t%s\n' "$1" "$2" "${3-}" >>"$state/journal" || die "the journal $state/journal cannot be written"; }

unnote() { sed '$d' "$state/journal" >"$state/journal.new" && mv "$state/journal.new" "$state/journal"; }

begin_state() {
    if [ -e "$state" ]; then
        die "a recording into the instance $instance was begun and not ended: \`stop\` or \`undo\` it, or name another --instance"
    fi
    made=no
    [ -d "$states" ] || made=yes
    mkdir -p -m 700 "$states" && mkdir -m 700 "$state" || die "the folder $state cannot be made: name another with --state"
    unfinished=yes
    [ "$made" = no ] || : >"$state/made"
    trap 'die interrupted' INT TERM HUP
    : >"$state/journal" || die "the journal $state/journal cannot be written"
    : >"$state/definitions"
}

# Undoes what the journal says, the last first, down to a number of lines.  What cannot be undone stays in the journal.
undo_to() {
    [ -e "$state/journal" ] || return 0
    tail -n "+$(($1 + 1))" "$state/journal" | sed '1!G;h;$!d' >"$state/todo"
    head -n "$1" "$state/journal" >"$state/kept"
    : >"$state/failed"
    while IFS=$tab read -r kind name value; do
        if ! undo_one; then
            printf '%s\t%s\t%s\n' "$kind" "$name" "$value" >>"$state/failed"
        fi
    done <"$state/todo"
    { cat "$state/kept"; sed '1!G;h;$!d' "$state/failed"; } >"$state/journal.new" && mv "$state/journal.new" "$state/journal"
    [ ! -s "$state/failed" ]
}

undo_one() {
    case $kind in
        event)
            if has_event "$name" && ! add "-:$name" "$T/dynamic_events"; then
                say "the event $name could not be removed: is somebody else using it?"
                return 1
            fi ;;
        instance)
            [ -d "$T/instances/$name" ] || return 0
            put 0 "$T/instances/$name/tracing_on"
            put 0 "$T/instances/$name/events/enable"
            rmdir "$T/instances/$name" 2>/dev/null || {
                say "the instance $name could not be removed: is somebody reading it?"
                return 1
            } ;;
        set)
            if [ -e "$name" ] && ! put "$value" "$name"; then
                say "$name could not be set to $value, which it was before"
                return 1
            fi ;;
        mounted)
            for other in "$states"/*/journal; do
                if [ -e "$other" ] && [ "$other" != "$state/journal" ]; then  # it needs the mount, and undoes it in the end
                    { printf 'mounted\t%s\t\n' "$name"; cat "$other"; } >"$other.new" && mv "$other.new" "$other"
                    return 0
                fi
            done
            # Somebody may have unmounted it; that is as well.
            if grep -q " $name tracefs " /proc/mounts && ! umount "$name"; then
                say "$name could not be unmounted"
                return 1
            fi ;;
    esac
}

undo_all() {
    undo_to 0 || return 1
    made=no
    [ ! -e "$state/made" ] || made=yes
    rm -rf "$state"
    if [ "$made" = yes ] && ! rmdir "$states" 2>/dev/null; then
        for other in "$states"/*; do  # the last one takes the folder along
            [ ! -d "$other" ] || : >"$other/made"
        done
    fi
}

# ---- tracefs ----------------------------------------------------------------------------------------------------

# One write with a value, which replaces what is there, or which is added: a file of tracefs takes each write as a command.
put() { { printf '%s\n' "$1" >"$2"; } 2>/dev/null; }
add() { { printf '%s\n' "$1" >>"$2"; } 2>/dev/null; }

has_event() { grep -q "^[a-z][0-9]*:$1 " "$T/dynamic_events" 2>/dev/null; }

# Sets T.  `mount`: it may be mounted, which is noted.
find_tracefs() {
    if [ -n "$tracefs" ]; then
        [ -d "$tracefs/events" ] || die "$tracefs is no tracefs"
        T=$tracefs
    elif [ -d /sys/kernel/tracing/events ]; then
        T=/sys/kernel/tracing
    elif [ -d /sys/kernel/debug/tracing/events ]; then
        T=/sys/kernel/debug/tracing
    else
        T=/sys/kernel/tracing
        [ -d $T ] || die 'this kernel has no tracing'
        note mounted $T
        mount -t tracefs nodev $T || { unnote; die "tracefs cannot be mounted on $T"; }
    fi
    printf '%s\n' "$T" >"$state/tracefs" || die "$state cannot be written"
}

# Changes a setting that somebody else may have made; what it was is noted.
change() { # FILE VALUE
    before=$(cat "$1" 2>/dev/null) || return 1
    case $1 in
        */trace_clock) before=${before#*\[}; before=${before%%\]*} ;;
        */filter) [ "$before" != none ] || before=0 ;;
    esac
    [ "$before" != "$2" ] || return 0
    if [ -z "$persist" ]; then  # the instance is ours and goes as a whole
        put "$2" "$1"
        return
    fi
    note set "$1" "$before"
    put "$2" "$1" || { unnote; return 1; }
}

miss() { missing="$missing
missing: $1"; }

# ---- events -----------------------------------------------------------------------------------------------------

need() { # NAME DEFINITION
    has_event "$1" && die "there is an event $1 already: another recording? \`undo\` removes what one left behind"
    errors=$(cat "$T/error_log" 2>/dev/null)
    note event "$1"
    if add "$2" "$T/dynamic_events"; then
        printf '%s\n' "$2" >>"$state/definitions"
        events="$events $1"
        return 0
    fi
    unnote
    reason='the kernel does not take the definition'
    if [ "$(cat "$T/error_log" 2>/dev/null)" != "$errors" ]; then
        reason=$(sed -n 's/.*: error: //p' "$T/error_log" | tail -n 1)
    fi
    return 1
}

want() { # NAME DEFINITION WHAT
    need "$1" "$2" || miss "$3 ($reason)"
}

read_config() {
    if [ -n "$config" ]; then
        cat "$config"
    elif [ -r /proc/config.gz ]; then
        zcat /proc/config.gz
    else
        cat "/boot/config-$(uname -r)" 2>/dev/null || cat "/lib/modules/$(uname -r)/config" 2>/dev/null
    fi
}

# Where the first argument of a system call lies, seen from the bottom of the kernel's stack of the caller: the saved di, in the saved
# registers at the top of 16 KiB.
stack_offset() {
    [ "$(uname -m)" = x86_64 ] || { reason='the registers of the caller are known for x86-64 only'; return 1; }
    options_of_kernel=$(read_config)
    case $options_of_kernel in
        *CONFIG_KASAN=y*) reason='CONFIG_KASAN makes stacks larger'; return 1 ;;
        *CONFIG_X86_FRED=y*) offset=16312 ;;
        *CONFIG_*) offset=16328 ;;
        *)
            offset=16328
            [ "$method" = one ] && return 0
            reason='no configuration of this kernel to read, so the place of the caller'\''s registers is not certain: --kernel-config FILE, or --method one'
            return 1 ;;
    esac
}

call='cmd=$arg2:x32 size=+u0($arg3):u32 fd=+u4($arg3):s32'
result='ret=$retval:s32'
of_session='(luo_session)(filep->private_data)'

define_one() {
    stack_offset || return 1
    caller="+$offset((task_struct)(\$current)->stack):s32"
    need one/ioctl "f:one/ioctl luo_ioctl%return dfd=$caller $call name=+u8(\$arg3):ustring $result" || return 1
    need one/session_ioctl "f:one/session_ioctl luo_session_ioctl%return sfd=$caller session=$of_session->name:string $call token=+u8(\$arg3):x64 $result" || return 1
    need luo/dev_open "f:luo/dev_open luo_open%return $result" || return 1
    need luo/dev_release 'f:luo/dev_release luo_release' || return 1
    need luo/session_release "f:luo/session_release luo_session_release session=$of_session->name:string retrieved=$of_session->retrieved files=$of_session->file_set.count" ||
        need luo/session_release "f:luo/session_release luo_session_release session=$of_session->name:string" || return 1
    want luo/luo_session_deserialize "f:luo/luo_session_deserialize luo_session_deserialize%return $result" 'how sessions are read after a live update'
    want luo/luo_file_freeze "f:luo/luo_file_freeze luo_file_freeze%return count=file_set->count $result" 'how files are frozen'
    want luo/luo_session_serialize "f:luo/luo_session_serialize luo_session_serialize%return $result" 'how sessions are written'
    want luo/liveupdate_reboot "f:luo/liveupdate_reboot liveupdate_reboot%return $result" 'the live update itself'
    if [ -n "$pids" ]; then  # of a few processes these are few
        descriptors
    fi
}

luo_ioctls='cmd >= 0xba00 && cmd <= 0xbaff'

define_sc() {
    [ "$(uname -m)" = x86_64 ] || { reason='the registers of a system call are known for x86-64 only'; return 1; }
    need sc/ioctl 'f:sc/ioctl __x64_sys_ioctl%return fd=regs->di:s32 cmd=regs->si:x32 size=+u0(regs->dx):u32 afd=+u4(regs->dx):s32 token=+u8(regs->dx):x64 ret=$retval:s64' || return 1
    filters="sc/ioctl"
    want luo/liveupdate_reboot "f:luo/liveupdate_reboot liveupdate_reboot%return $result" 'the live update itself'
    descriptors
    miss 'names of sessions: of the method sc'
}

define_eprobe() {
    need ep/ioctl_enter 'e:ep/ioctl_enter syscalls/sys_enter_ioctl fd=$fd:s32 cmd=$cmd:x32 size=+u0($arg):u32 afd=+u4($arg):s32 token=+u8($arg):x64 name=+u8($arg):ustring' || return 1
    need ep/ioctl_exit 'e:ep/ioctl_exit syscalls/sys_exit_ioctl ret=$ret:s64' || return 1
    filters="ep/ioctl_enter"
    descriptors
    miss 'what calls hand out (new descriptors): of the method eprobe'
}

define_kprobe() {
    need kp/p_session_ioctl 'p:kp/p_session_ioctl luo_session_ioctl cmd=$arg2:x32 arg=$arg3:x64 size=+u0($arg3):u32 fd=+u4($arg3):s32 token=+u8($arg3):x64' || return 1
    need kp/r_session_ioctl 'r:kp/r_session_ioctl luo_session_ioctl ret=$retval:s64' || return 1
    need kp/p_ioctl 'p:kp/p_ioctl luo_ioctl cmd=$arg2:x32 arg=$arg3:x64 size=+u0($arg3):u32 name=+u8($arg3):ustring' || return 1
    need kp/r_ioctl 'r:kp/r_ioctl luo_ioctl ret=$retval:s64' || return 1
    descriptors
    syscalls='ioctl'
    of_syscalls
    miss 'names of sessions after their creation, and what calls hand out: of the method kprobe'
}

define_syscalls() {
    [ -d "$T/events/syscalls/sys_enter_ioctl" ] || { reason='CONFIG_FTRACE_SYSCALLS is off'; return 1; }
    descriptors
    syscalls='ioctl'
    of_syscalls
    miss 'tokens, descriptors that are preserved, and names of sessions: of the method syscalls'
}

descriptors() {
    syscalls='open openat openat2 close close_range dup dup2 dup3 fcntl memfd_create'
    of_syscalls
}

of_syscalls() {
    for syscall in $syscalls; do
        if [ -d "$T/events/syscalls/sys_enter_$syscall" ]; then
            events="$events syscalls/sys_enter_$syscall syscalls/sys_exit_$syscall"
        fi
    done
}

common_events() {
    for each in sched/sched_process_fork sched/sched_process_exec sched/sched_process_exit; do
        if [ -d "$T/events/$each" ]; then events="$events $each"; else miss "$each"; fi
    done
    [ -d "$T/events/syscalls" ] || miss 'system calls (CONFIG_FTRACE_SYSCALLS is off)'
    syscalls='reboot kexec_file_load'
    of_syscalls
}

# Defines the events of a method, or none.
try_method() {
    lines=$(grep -c '' "$state/journal")
    saved_missing=$missing events='' filters=''
    if "define_$1"; then return 0; fi
    missing=$saved_missing
    undo_to "$lines" || die "the events of the method $1 could not be removed again"
    : >"$state/definitions"
    return 1
}

choose_method() {
    if [ -n "$method" ]; then
        try_method "$method" || die "the method $method does not work here: $reason"
        return
    fi
    for each_method in one sc eprobe kprobe syscalls; do
        if try_method "$each_method"; then
            method=$each_method
            return
        fi
        say "the method $each_method does not work here: $reason"
    done
    die 'this kernel offers no event that shows what is needed'
}

# ---- the instance -----------------------------------------------------------------------------------------------

open_instance() {
    I=$T/instances/$instance
    if [ -n "$persist" ]; then
        [ -d "$I" ] || needs_command_line
        [ -e "$I/last_boot_info" ] || die "the instance $persist is not a persistent one"
        if grep -qv '^#' "$I/trace" 2>/dev/null; then
            die "the persistent instance $persist has events from before: \`recover\` them, then clear it with \`: > $I/trace\`"
        fi
        return
    fi
    [ ! -e "$I" ] || die "there is an instance $instance already: name another with --instance"
    note instance "$instance"
    mkdir "$I" 2>/dev/null || { unnote; die "the instance $I cannot be made"; }
}

needs_command_line() {
    say "there is no persistent instance $persist; it comes from the kernel's command line, of this kernel and of the next one:"
    printf '%s\n' "reserve_mem=8M:4096:luotrace trace_instance=$persist^traceoff@luotrace"
    die 'boot with it once, and load the next kernel with it too'
}

set_up_instance() {
    change "$I/tracing_on" 0 || die "$I/tracing_on cannot be written"
    if [ -z "$persist" ]; then
        clock=${clock:-boot}
        change "$I/buffer_size_kb" "$buffer" || die "a buffer of $buffer KiB for each CPU could not be had: --buffer-kb"
    else
        clock=${clock:-local}
        [ "$clock" != x86-tsc ] || die 'a persistent instance loses everything with the clock x86-tsc'
    fi
    clocks=$(cat "$I/trace_clock" 2>/dev/null)
    case " $(printf '%s' "$clocks" | tr -d '[]') " in
        *" $clock "*) ;;
        *) die "this kernel has no trace clock $clock, but $clocks" ;;
    esac
    change "$I/trace_clock" "$clock" || die "$I/trace_clock cannot be written"
    change "$I/options/record-tgid" 1 || miss 'which process a task belongs to (option record-tgid)'
    if [ -n "$pids" ]; then
        change "$I/set_event_pid" "${pids# }" || die "$I/set_event_pid cannot be written: are these processes there?"
        change "$I/options/event-fork" 1 || miss 'children of the processes (option event-fork)'
    fi
    for each in $filters; do
        change "$I/events/$each/filter" "$luo_ioctls" || say "ioctls of other drivers are recorded too: no filter on $each"
    done
    for each in $events; do
        change "$I/events/$each/enable" 1 || die "the event $each cannot be switched on"
    done
    change "$I/tracing_on" 1 || die "$I/tracing_on cannot be written"
}

# ---- the folder of a recording ----------------------------------------------------------------------------------

new_folder() {
    out=${out:-luo-record-$(date -u +%Y%m%dT%H%M%SZ)}
    case $out in /*) ;; *) out=$(pwd)/$out ;; esac
    if [ -e "$out/luo-record.txt" ] && [ "$(sed -n 's/^instance: //p;' "$out/luo-record.txt")" = "$instance" ] &&
        [ "$(sed -n 's/^began: //p;' "$out/luo-record.txt")" = "$began" ]; then
        return  # that of this recording, from before
    fi
    [ ! -e "$out" ] || [ -z "$(ls -A "$out" 2>/dev/null)" ] || die "the folder $out is not empty: name another with --out"
    mkdir -p "$out" || die "the folder $out cannot be made: name another with --out"
}

# The manifest, at first and last: it makes the folder a recording, and says whether all of it is there.
manifest() { # STATE
    {
        printf 'luo-record 1\nstate: %s\nmethod: %s\ninstance: %s\npersist: %s\nclock: %s\nbuffer-kb: %s\npids:%s\n' \
            "$1" "$method" "$instance" "${persist:-no}" "$clock" "$buffer" "${pids:- all}"
        printf 'kernel: %s\narch: %s\nmachine: %s\nbegan: %s\nsaved: %s%s\n' \
            "$(uname -r)" "$(uname -m)" "$(uname -n)" "$began" "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$missing"
    } >"$out/luo-record.new" && mv "$out/luo-record.new" "$out/luo-record.txt" || die "$out cannot be written"
}

# What must be known to read a persistent buffer after the next boot.
save_definitions() {
    cp "$state/definitions" "$out/definitions.txt" || die "$out cannot be written"
    for each in $events; do
        printf '%s %s\n' "$each" "$(cat "$T/events/$each/id" 2>/dev/null || echo -)"
    done >"$out/ids.txt" || die "$out cannot be written"
}

copy_all() {
    manifest saving
    save_definitions
    for each in saved_cmdlines saved_tgids; do
        cat "$T/$each" >"$out/$each.txt" 2>/dev/null || rm -f "$out/$each.txt"
    done
    for each in trace_clock set_event last_boot_info; do
        cat "$I/$each" >"$out/$each.txt" 2>/dev/null || rm -f "$out/$each.txt"
    done
    uname -a >"$out/uname.txt" && cat /proc/cmdline >"$out/cmdline.txt" || die "$out cannot be written"
    for each in "$I"/per_cpu/cpu*; do
        [ ! -e "$each/stats" ] || sed "s/^/${each##*/} /" "$each/stats"
    done >"$out/stats.txt" || die "$out/stats.txt cannot be written"
    cat "$I/trace" >"$out/trace.txt" || die "$out/trace.txt cannot be written; what was recorded is still in $I"
    sync
    manifest complete
}

keep_settings() {
    printf '%s\n' "$method" "$persist" "$clock" "$buffer" "$pids" "$events" "$T" "$began" "$out" "$missing" >"$state/settings" ||
        die "$state/settings cannot be written"
}

read_settings() {
    [ -e "$state" ] || die "no recording into the instance $instance was begun"
    [ -e "$state/settings" ] || die "the recording was not set up to its end: \`undo\` it"
    { read -r method; read -r persist; read -r clock; read -r buffer; read -r pids; read -r events; read -r T; read -r began
      read -r began_out; missing=$(grep "^missing: "); } <"$state/settings"
    out=${out:-$began_out}
    pids=${pids:+ $pids}
    missing=${missing:+
$missing}
    I=$T/instances/$instance
    [ -d "$I" ] || die "the instance $instance is gone: \`undo\` what is left"
}

# ---- commands ---------------------------------------------------------------------------------------------------

check() {
    [ ! -e "$state" ] || die "a recording into the instance $instance was begun: \`status\` tells about it"
    begin_state
    find_tracefs
    printf 'tracefs: %s\n' "$T"
    [ -e /dev/liveupdate ] || printf 'live update: there is no /dev/liveupdate; is `liveupdate=on` on the command line?\n'
    best=''
    for each_method in one sc eprobe kprobe syscalls; do
        if try_method "$each_method"; then
            printf 'method %s: works\n' "$each_method"
            best=${best:-$each_method}
            undo_to "$lines" || die 'events could not be removed again'
        else
            printf 'method %s: %s\n' "$each_method" "$reason"
        fi
    done
    printf 'clocks: %s\n' "$(cat "$T/trace_clock" 2>/dev/null)"
    for each in "$T"/instances/*/last_boot_info; do
        [ ! -e "$each" ] || { each=${each%/*}; printf 'persistent instance: %s\n' "${each##*/}"; }
    done
    [ -z "$persist" ] || [ -d "$T/instances/$persist" ] || needs_command_line
    unfinished=no
    undo_all || die 'not everything could be undone'
    [ -n "$best" ] || die 'this kernel offers no event that shows what is needed'
    printf '`start` would use the method %s\n' "$best"
}

start() {
    began=$(date -u +%Y-%m-%dT%H:%M:%SZ)
    begin_state
    find_tracefs
    [ -e /dev/liveupdate ] || say 'there is no /dev/liveupdate: this kernel has no live update, or it is off'
    choose_method
    common_events
    open_instance
    if [ -n "$persist" ]; then  # the buffer cannot be read after the boot without what lies here
        [ -n "$out" ] || die '--persist needs --out DIR, on a disk that the next kernel finds again'
        new_folder
        manifest recording
        save_definitions
        sync
    elif [ -n "$out" ]; then
        new_folder
    fi
    set_up_instance
    [ -z "$persist" ] || manifest recording  # now with what turned out to be missing
    keep_settings
    unfinished=no
    say "recording with the method $method into the instance $instance${pids:+, only$pids and children}"
    printf '%s\n' "$missing" | sed -n 's/^missing: /luo-record: not recorded: /p' >&2
}

status() {
    [ -e "$state" ] || { printf 'instance %s: not recording\n' "$instance"; return; }
    read_settings
    lost=$(cat "$I"/per_cpu/cpu*/stats 2>/dev/null | sed -n 's/^\(overrun\|commit overrun\|dropped events\): //p' | { t=0; while read -r n; do t=$((t + n)); done; echo $t; })
    held=$(cat "$I"/per_cpu/cpu*/stats 2>/dev/null | sed -n 's/^entries: //p' | { t=0; while read -r n; do t=$((t + n)); done; echo $t; })
    printf 'instance %s: method %s, since %s, tracing_on %s, %s events, %s lost\n' \
        "$instance" "$method" "$began" "$(cat "$I/tracing_on")" "$held" "$lost"
    [ "$lost" = 0 ] || printf 'events were lost: a larger --buffer-kb, or --pid\n'
}

save() {
    read_settings
    put 0 "$I/tracing_on" || die "$I/tracing_on cannot be written"
    new_folder
    copy_all
    say "saved in $out"
    printf '%s\n' "$out"
}

undo() {
    [ -e "$state" ] || { say "nothing to undo: no recording into the instance $instance was begun"; return; }
    if [ -s "$state/tracefs" ]; then
        T=$(cat "$state/tracefs")
        if [ ! -d "$T/events" ]; then  # it was unmounted; what was made in it is there all the same
            mount -t tracefs nodev "$T" || die "tracefs cannot be mounted on $T"
        fi
    fi
    undo_all || die 'not everything could be undone; try again when nobody uses it'
    say 'everything is as it was before'
}

# After a kexec: the same events once more, with the same numbers, or what lies in the buffer would be read as something else.
recover() {
    [ -n "$persist" ] || die 'name the persistent instance with --persist'
    [ -n "$out" ] || die 'name the folder that `start --persist` wrote with --out'
    [ "$(head -n 1 "$out/luo-record.txt" 2>/dev/null)" = 'luo-record 1' ] && [ -e "$out/definitions.txt" ] ||
        die "$out is not the folder of a recording that \`start --persist\` began"
    value_of() { sed -n "s/^$1: *//p" "$out/luo-record.txt" | head -n 1; }
    method=$(value_of method) clock=$(value_of clock) buffer=$(value_of buffer-kb) began=$(value_of began)
    [ "$(value_of persist)" = "$persist" ] || die "the recording in $out was made with another instance: $(value_of persist)"
    [ "$(value_of state)" = recording ] || die "the recording in $out is $(value_of state) already"
    missing=$(grep '^missing: ' "$out/luo-record.txt")
    missing=${missing:+
$missing}
    begin_state
    find_tracefs
    I=$T/instances/$persist
    [ -d "$I" ] || needs_command_line
    while IFS= read -r definition; do
        name=${definition#*:}
        need "${name%% *}" "$definition" || die "\`$definition\` cannot be defined in this kernel: $reason"
    done <"$out/definitions.txt"
    events=''
    while read -r name id; do
        now=$(cat "$T/events/$name/id" 2>/dev/null || echo -)
        [ "$now" = "$id" ] || die "the event $name has the number $now in this kernel and had $id: the buffer cannot be read here. Was another event defined before, or is it another build?"
        events="$events $name"
    done <"$out/ids.txt"
    copy_all
    unfinished=no
    undo_all || die 'not everything could be undone'
    say "saved in $out; \`: > $I/trace\` makes the instance free for the next recording"
    printf '%s\n' "$out"
}

command=${1-help}
[ $# -eq 0 ] || shift
case $command in
    check | start | status | save | undo | recover)
        options "$@"
        "$command" ;;
    stop)
        options "$@"
        save
        undo_all || die 'the recording is saved, but not everything could be undone: `undo` tries again' ;;
    help | --help | -h) usage ;;
    *)
        usage >&2
        die "\`$command\` is no command" ;;
esac
