# What happens after every boot, in a folder /lab that is shared with the host:
#
#   program STAGE     is run once after each boot; it makes the live update itself, by reboot(LINUX_REBOOT_CMD_KEXEC), for which
#                     the next kernel is loaded; when it returns there will be no further stage
#   kernel-N.txt      what the recorder saw in the N-th kernel, to the very end: read from memory that outlives the kernel
#   kernel-N/         the same as a folder, when recorder=METHOD on the command line asks for the script of `luocheck record`
#   stage-N.tap, stage-N.status, stage-N.dmesg
stage=1
limit=120
method=
for word in $(cat /proc/cmdline); do
	case $word in
	stage=*) stage=${word#stage=} ;;
	limit=*) limit=${word#limit=} ;;
	recorder=*) method=${word#recorder=} ;;
	esac
done

if [ -n "$method" ]; then . /lab/guest/record.sh; else . /lab/guest/recorder.sh; fi
[ "$stage" = 1 ] || recorder_recover $((stage - 1))
uname -r >/lab/release
next=$(sed "s/stage=[0-9]*/stage=$((stage + 1))/" /proc/cmdline)
kexec load /lab/bzImage /lab/initramfs "$next" || echo "$stage" >/lab/not-loaded

recorder_start "$stage"
export LUO_INJECT=/lab/guest/inject
cd /tmp
timeout "$limit" /lab/program "$stage" >/lab/stage-$stage.tap 2>/lab/stage-$stage.err
echo $? >/lab/stage-$stage.status
recorder_save "$stage"
dmesg >/lab/stage-$stage.dmesg
sync
poweroff -f
