# The recorder: one ring buffer in memory that is handed from kernel to kernel (reserve_mem on the kernel's command line), so
# that it also has the last microseconds before a kexec. The next kernel can read it once the same events are defined again
# in the same order.
tracing=/sys/kernel/tracing
buffer=$tracing/instances/lab

# The number of the descriptor that an ioctl is made on is in no argument of these functions. It is the caller's first register,
# saved at the top of the kernel's stack: 16384 bytes of stack - 168 of pt_regs + 112 to di (x86-64 without FRED and KASAN).
fd='+16328((task_struct)($current)->stack):s32'
session='session=(luo_session)(filep->private_data)->name:string'

recorder_event() {
	echo "$1" >>$tracing/dynamic_events || { echo "lab: refused: $1"; tail -n 4 $tracing/error_log; } >>/lab/recorder.err
}

# Fields of the caller's struct are read when the function returns: the kernel has just read the same page, and has written its
# answer there. Calls that the kernel refuses early are on record as well. Not twice in one kernel.
recorder_define() {
	[ ! -d $tracing/events/one/ioctl ] || return 0
	recorder_event "f:one/ioctl luo_ioctl%return dfd=$fd "'cmd=$arg2:x32 size=+u0($arg3):u32 fd=+u4($arg3):s32 name=+u8($arg3):ustring ret=$retval:s32'
	recorder_event "f:one/session_ioctl luo_session_ioctl%return sfd=$fd $session "'cmd=$arg2:x32 size=+u0($arg3):u32 fd=+u4($arg3):s32 token=+u8($arg3):x64 ret=$retval:s32'
	recorder_event 'f:luo/dev_open luo_open%return ret=$retval:s32'
	recorder_event 'f:luo/dev_release luo_release'
	recorder_event "f:luo/session_release luo_session_release $session"
	recorder_event 'f:luo/luo_session_deserialize luo_session_deserialize%return ret=$retval:s32'
	recorder_event 'f:luo/luo_session_serialize luo_session_serialize%return ret=$retval:s32'
	recorder_event 'f:luo/liveupdate_reboot liveupdate_reboot%return ret=$retval:s32'
}

# Of the kernel before, whose number is given.
recorder_recover() {
	recorder_define
	cat $buffer/trace >/lab/kernel-$1.txt
}

recorder_start() {
	recorder_define
	echo 0 >$buffer/tracing_on
	echo >$buffer/trace
	for event in one luo sched/sched_process_fork sched/sched_process_exec sched/sched_process_exit; do
		echo 1 >$buffer/events/$event/enable
	done
	for call in openat ioctl close memfd_create dup dup2 dup3 fcntl pipe2 socketpair sendmsg recvmsg reboot clone clone3 fork vfork exit_group; do
		for side in enter exit; do
			[ ! -d $buffer/events/syscalls/sys_${side}_$call ] || echo 1 >$buffer/events/syscalls/sys_${side}_$call/enable
		done
	done
	echo 1 >$buffer/tracing_on
}

recorder_save() {
	echo 0 >$buffer/tracing_on
	cat $buffer/trace >/lab/kernel-$1.txt
}
