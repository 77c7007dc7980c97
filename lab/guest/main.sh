# What happens after every boot, in a folder /lab that is shared with the host:
#
#   program STAGE     is run once after each boot; it makes the live update itself, by reboot(LINUX_REBOOT_CMD_KEXEC), for which
#                     the next kernel is loaded; when it returns there will be no further stage
#   kernel-N.txt      what the recorder saw in the N-th kernel, to the very end: read from memory that outlives the kernel
#   stage-N.tap, stage-N.status, stage-N.dmesg
stage=1
limit=120
for word in $(cat /proc/cmdline); do
	case $word in
	stage=*) stage=${word#stage=} ;;
	limit=*) limit=${word#limit=} ;;
	esac
done

. /lab/guest/recorder.sh
recorder_define
[ "$stage" = 1 ] || recorder_save /lab/kernel-$((stage - 1)).txt
uname -r >/lab/release
next=$(sed "s/stage=[0-9]*/stage=$((stage + 1))/" /proc/cmdline)
kexec load /lab/bzImage /lab/initramfs "$next" || echo "$stage" >/lab/not-loaded

recorder_start
cd /tmp
timeout "$limit" /lab/program "$stage" >/lab/stage-$stage.tap 2>/lab/stage-$stage.err
echo $? >/lab/stage-$stage.status
recorder_stop

recorder_save /lab/kernel-$stage.txt
dmesg >/lab/stage-$stage.dmesg
sync
poweroff -f
