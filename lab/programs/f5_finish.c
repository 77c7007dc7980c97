/* F5: FINISH does not ask whether anything was retrieved; the same session cannot be retrieved from afterwards. */
#include "luo.h"

int main(int argc, char **argv)
{
	int device, session;

	if (argc < 2 || atoi(argv[1]) != 2)
		return hand_over("vm", "guest memory", 1);
	device = open_device();
	expect("RETRIEVE_SESSION", retrieve_session(device, "vm", &session), 0);
	expect("FINISH with nothing retrieved", finish(session), 0);
	expect("RETRIEVE_FD", retrieve(session, 1, &(int){0}), ENOENT);
	close(session);
	expect("RETRIEVE_SESSION", retrieve_session(device, "vm", &session), ENOENT);
	return done();
}
