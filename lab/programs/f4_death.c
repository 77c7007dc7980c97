/* F4: an agent that dies between RETRIEVE_SESSION and the last RETRIEVE_FD takes the data with it. */
#include "luo.h"
#include <signal.h>

int main(int argc, char **argv)
{
	int session, device;
	pid_t agent;

	if (argc < 2 || atoi(argv[1]) != 2)
		return hand_over("vm", "guest memory", 1);
	agent = fork();
	if (!agent) {
		device = open_device();
		expect("RETRIEVE_SESSION by an agent that is about to be killed", retrieve_session(device, "vm", &session), 0);
		kill(getpid(), SIGKILL);
	}
	waitpid(agent, NULL, 0);
	device = open_device();
	expect("RETRIEVE_SESSION by the agent after it", retrieve_session(device, "vm", &session), ENOENT);
	return done();
}
