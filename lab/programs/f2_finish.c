/* F2: FINISH whose answer cannot be written fails, and has finished: what was not retrieved is gone, and asking again is OK. */
#include "luo.h"

int main(int argc, char **argv)
{
	struct liveupdate_session_finish arguments = {.size = sizeof(arguments)};
	int device, session;

	if (argc < 2 || atoi(argv[1]) != 2)
		return hand_over("vm", "guest memory", 1);
	device = open_device();
	expect("RETRIEVE_SESSION", retrieve_session(device, "vm", &session), 0);
	expect("FINISH, unwritable", call(session, LIVEUPDATE_SESSION_FINISH, unwritable(&arguments, sizeof(arguments))), EFAULT);
	expect("RETRIEVE_FD", retrieve(session, 1, &(int){0}), ENOENT);
	expect("FINISH", finish(session), 0);
	return done();
}
