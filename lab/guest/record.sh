# The script of `luocheck record` as the recorder, by the method that the kernel's command line names: what an operator has.  It
# records into the same memory as recorder.sh; the next kernel recovers it.
recorder() {
	sh /lab/luo-record.sh "$@" --persist lab --out "/lab/kernel-$kernel" --state /tmp/luo-record >>/lab/recorder.out 2>>/lab/recorder.err
}

recorder_recover() {
	kernel=$1
	recorder recover
	echo >/sys/kernel/tracing/instances/lab/trace
}

recorder_start() {
	kernel=$1
	recorder start --method "$method"
}

recorder_save() {
	kernel=$1
	recorder stop
}
