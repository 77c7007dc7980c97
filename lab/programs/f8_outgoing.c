/* F8, F9, F11: FINISH and RETRIEVE_FD on a session that has not gone over. In 6.19 to 7.1 they did damage, later kernels refuse
 * them; the memfd's size follows again once its session is closed.
 */
#include "luo.h"

int main(int argc, char **argv)
{
	int device = open_device(), session, memory = memfd_with("guest memory");

	(void)argc;
	(void)argv;
	expect("CREATE_SESSION", create_session(device, "vm", &session), 0);
	expect("PRESERVE_FD", preserve(session, memory, 1), 0);
	expect("FINISH of an outgoing session", finish(session), EINVAL);
	expect("RETRIEVE_FD from an outgoing session", retrieve(session, 1, &(int){0}), EINVAL);
	expect("ftruncate of the preserved memfd", ftruncate(memory, 8192) ? errno : 0, EPERM);
	close(session);
	expect("ftruncate after the session is closed", ftruncate(memory, 8192) ? errno : 0, 0);
	return done();
}
