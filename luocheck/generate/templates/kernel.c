/* ---- the kernel ------------------------------------------------------- */

#ifdef LUO_STANDIN
#include LUO_STANDIN	/* something that stands in for the kernel: the functions below */
#else
#ifdef OPENS
static int luo_open(const char *path)
{
	return open(path, O_RDWR | O_CLOEXEC);
}
#endif

#ifdef IOCTLS
static int luo_ioctl(int fd, unsigned long number, void *arg, size_t size)
{
	(void)size;
	return ioctl(fd, number, arg);
}
#endif

#ifdef CLOSES
static int luo_close(int fd)
{
	return close(fd);
}
#endif

#ifdef SYSCALLS
static long luo_syscall(const char *name, long number, long a, long b, long c, long d)
{
	(void)name;
	sync();
	return syscall(number, a, b, c, d);
}
#endif

/* The kernel decides where calls stop and in which order they go on, and does not care what an agent is called. */
static void luo_steer(pid_t agent, const char *until)
{
	(void)agent;
	(void)until;
}

/* Time for an agent to come to where its call stops. */
static void luo_settle(pid_t agent)
{
	(void)agent;
	usleep(20000);
}

static void luo_name(pid_t agent, const char *name)
{
	(void)agent;
	(void)name;
}

/*
 * What no program can cause, such as a callback that fails: the command in LUO_INJECT is asked to arrange it for the next call.  Its
 * arguments are the call, where it has to end, and what it has to return.  Returns whether it could.
 */
static bool luo_inject(const char *call, const char *label, const char *outcome)
{
	const char *command = getenv("LUO_INJECT");
	int status = -1;
	pid_t pid;

	if (!command)
		return false;
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		execlp(command, command, call, label, outcome, (char *)NULL);
		_exit(127);
	}
	return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}
#endif
