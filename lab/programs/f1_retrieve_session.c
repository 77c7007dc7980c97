/* F1: RETRIEVE_SESSION whose answer cannot be written finishes the session; all its data are gone. */
#include "luo.h"

int main(int argc, char **argv)
{
	struct liveupdate_ioctl_retrieve_session arguments = session_of("vm");
	int device, session;

	if (argc < 2 || atoi(argv[1]) != 2)
		return hand_over("vm", "guest memory", 1);
	device = open_device();
	expect("RETRIEVE_SESSION, unwritable", call(device, LIVEUPDATE_IOCTL_RETRIEVE_SESSION, unwritable(&arguments, sizeof(arguments))), EFAULT);
	expect("RETRIEVE_SESSION", retrieve_session(device, "vm", &session), ENOENT);
	return done();
}
