/* A live update as it is meant to be: two files in two sessions go over, come back with their contents, and are finished. */
#include "luo.h"

static int before(void)
{
	int device = open_device(), first, second, memory = memfd_with("guest memory"), state = memfd_with("device state");

	expect("CREATE_SESSION vm", create_session(device, "vm", &first), 0);
	expect("CREATE_SESSION vmm", create_session(device, "vmm", &second), 0);
	expect("CREATE_SESSION vm again", create_session(device, "vm", &(int){0}), EEXIST);
	expect("PRESERVE_FD memory", preserve(first, memory, 0x1001), 0);
	expect("PRESERVE_FD with the token in use", preserve(first, state, 0x1001), EEXIST);
	expect("PRESERVE_FD of the same file", preserve(second, memory, 7), EBUSY);
	expect("PRESERVE_FD state", preserve(second, state, 0), 0);
	expect("PRESERVE_FD of no file", preserve(second, 99, 8), EBADF);
	expect("PRESERVE_FD of what nobody preserves", preserve(second, device, 9), ENOENT);
	expect("RETRIEVE_FD before the update", retrieve(first, 0x1001, &(int){0}), EINVAL);
	expect("FINISH before the update", finish(first), EINVAL);
	expect("RETRIEVE_SESSION before the update", retrieve_session(device, "vm", &(int){0}), ENOENT);
	sync();
	reboot(RB_KEXEC);
	expect("REBOOT", errno, 0); /* it came back */
	return done();
}

static int after(void)
{
	int device = open_device(), first, second, memory, state;

	expect("RETRIEVE_SESSION vm", retrieve_session(device, "vm", &first), 0);
	expect("RETRIEVE_SESSION vm again", retrieve_session(device, "vm", &(int){0}), EINVAL);
	expect("RETRIEVE_SESSION of nothing", retrieve_session(device, "none", &(int){0}), ENOENT);
	expect("RETRIEVE_FD memory", retrieve(first, 0x1001, &memory), 0);
	expect("its contents", holds(memory, "guest memory") ? 0 : EIO, 0);
	expect("RETRIEVE_FD of no token", retrieve(first, 5, &(int){0}), ENOENT);
	expect("PRESERVE_FD in a session that has come over", preserve(first, memory, 2), EINVAL);
	expect("FINISH vm", finish(first), 0);
	expect("RETRIEVE_SESSION vmm", retrieve_session(device, "vmm", &second), 0);
	expect("RETRIEVE_FD state", retrieve(second, 0, &state), 0);
	expect("its contents", holds(state, "device state") ? 0 : EIO, 0);
	expect("FINISH vmm", finish(second), 0);
	close(first);
	close(second);
	return done();
}

int main(int argc, char **argv)
{
	return argc > 1 && atoi(argv[1]) == 2 ? after() : before();
}
