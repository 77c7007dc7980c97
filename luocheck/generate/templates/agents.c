/* ---- agents ----------------------------------------------------------- */

/*
 * Each agent is a process of its own.  It does one call after the other as it is told, so that the calls happen in this order; calls that
 * overlap are begun in their order, and what happens between is up to the kernel.
 */

#define PATIENCE 30000	/* ms until a call is taken to hang */
#define A_WHILE 300	/* ms after which a call is taken to wait */

enum command { RUN, GIVE, TAKE };

struct message {
	int command;
	int number;
};

struct agent {
	pid_t pid;
	int socket;
};

static struct agent agents[AGENTS];
static int skipping;	/* the step that could not be made; the state is another one since then */

static void die(const char *what)
{
	perror(what);
	exit(2);
}

#ifdef HANDS
static bool send_descriptor(int socket, int fd)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr header;
	} control;
	char byte = 'x';
	struct iovec part = { &byte, 1 };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };
	struct cmsghdr *header;

	memset(&control, 0, sizeof(control));
	message.msg_control = control.bytes;
	message.msg_controllen = sizeof(control.bytes);
	header = CMSG_FIRSTHDR(&message);
	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(header), &fd, sizeof(int));
	return sendmsg(socket, &message, MSG_NOSIGNAL) == 1;
}

static int receive_descriptor(int socket)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr header;
	} control;
	char byte;
	struct iovec part = { &byte, 1 };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };
	struct cmsghdr *header;
	int fd = -1;

	message.msg_control = control.bytes;
	message.msg_controllen = sizeof(control.bytes);
	if (recvmsg(socket, &message, MSG_CMSG_CLOEXEC) != 1)
		return -1;
	header = CMSG_FIRSTHDR(&message);
	if (header && header->cmsg_type == SCM_RIGHTS)
		memcpy(&fd, CMSG_DATA(header), sizeof(int));
	return fd;
}

#endif

/* What an agent does all its life. */
static void serve(int socket)
{
	struct message message;
	struct reply reply;

	while (recv(socket, &message, sizeof(message), 0) == sizeof(message)) {
		memset(&reply, 0, sizeof(reply));
		if (message.command == RUN)
			steps[message.number].call(&reply);
#ifdef HANDS
		if (message.command == GIVE) {
			if (!send_descriptor(socket, slots[message.number]))
				break;
			continue;
		}
		if (message.command == TAKE)
			slots[message.number] = receive_descriptor(socket);
#endif
		if (send(socket, &reply, sizeof(reply), MSG_NOSIGNAL) != sizeof(reply))
			break;
	}
	_exit(0);
}

static void start(int agent)
{
	int ends[2], other;

	if (agents[agent].pid)
		return;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends))
		die("socketpair");
	fflush(stdout);
	agents[agent].pid = fork();
	if (agents[agent].pid < 0)
		die("fork");
	if (agents[agent].pid == 0) {
		close(ends[0]);
		for (other = 0; other < AGENTS; other++)
			if (agents[other].pid && other != agent)
				close(agents[other].socket);
		serve(ends[1]);
	}
	close(ends[1]);
	agents[agent].socket = ends[0];
	luo_name(agents[agent].pid, agent_names[agent]);
}

/* The end of an agent, also of one that is inside of a call. */
static void stop(int agent)
{
	int tries;

	if (!agents[agent].pid)
		return;
	close(agents[agent].socket);
	for (tries = 0; tries < 500 && !waitpid(agents[agent].pid, NULL, WNOHANG); tries++) {
		if (tries == 100)
			kill(agents[agent].pid, SIGKILL);
		usleep(10000);
	}
	agents[agent].pid = 0;
}

/* Waits for the reply of an agent: 1 it came, 0 the agent is gone, -1 it takes too long. */
static int answered(int agent, struct reply *reply, int patience)
{
	struct pollfd ready = { .fd = agents[agent].socket, .events = POLLIN };

	if (poll(&ready, 1, patience) <= 0)
		return -1;
	return recv(agents[agent].socket, reply, sizeof(*reply), 0) == sizeof(*reply);
}

static bool tell(int agent, int command, int number)
{
	struct message message = { command, number };

	return send(agents[agent].socket, &message, sizeof(message), MSG_NOSIGNAL) == sizeof(message);
}

/* ---- what came back --------------------------------------------------- */

static void report(int number, bool ok, const char *came)
{
	const struct step *step = &steps[number];
	char text[512];

	if (ok) {
		snprintf(text, sizeof(text), "%s -> %s", step->text, came);
		result_line(true, text);
		return;
	}
	snprintf(text, sizeof(text), "%s -> %s, and the spec says %s", step->text, came, step->outcome);
	if (!step->overlaps) {
		result_line(false, text);
		return;
	}
	result_note(text);
	result_note("calls overlap here, and the kernel chose another order: try again");
	result_skip(step->text);
	skipping = number;
}

static bool fits(const struct step *step, const struct reply *reply)
{
	const int *each;

	if (step->kernel_ends)
		return false;
	if (reply->result >= 0)
		return !step->allowed && !reply->differs;
	if (step->allowed == any_errno)
		return true;
	for (each = step->allowed; each && *each; each++)
		if (*each == reply->error)
			return true;
	return false;
}

/* came: as answered() says it. */
static void judge(int number, int came, const struct reply *reply)
{
	const struct step *step = &steps[number];

	if (came < 0)
		report(number, false, "did not return");
	else if (!came)
		report(number, step->kernel_ends, "the kernel ended");
	else if (reply->result < 0)
		report(number, fits(step, reply), errno_text(reply->error));
	else
		report(number, fits(step, reply), reply->differs ? "OK with another result" : "OK");
}

/* Is a step left out, because what it needs could not be arranged, now or before? */
static bool skipped(int number)
{
	const struct step *step = &steps[number];

	if (!skipping && step->kernel_ends && result_failed()) {
		skipping = number;
		result_note("this kernel is left as it is, because something was wrong before");
	}
	if (!skipping) {
		if (!step->needs || luo_inject(step->text, step->needs, step->outcome))
			return false;
		if (!step->harmless) {
			skipping = number;
			result_note("what the next call needs could not be arranged, so the rest is left out");
		}
	}
	result_skip(step->text);
	return true;
}

/* ---- steps as the agents make them ------------------------------------ */

static void begin(int agent, int number, const char *until)
{
	start(agent);
	if (!skipping) {
		luo_steer(agents[agent].pid, until);
		tell(agent, RUN, number);
		if (*until)
			luo_settle(agents[agent].pid);
	}
}

static void end(int agent, int number)
{
	struct reply reply = { 0 };

	if (skipping)
		result_skip(steps[number].text);
	else
		judge(number, answered(agent, &reply, PATIENCE), &reply);
}

static void run(int agent, int number)
{
	if (!skipped(number)) {
		begin(agent, number, "");
		end(agent, number);
	}
}

#ifdef GOES_ON
/* A call that was begun goes on. */
static void go_on(int agent, const char *until)
{
	if (!skipping)
		luo_steer(agents[agent].pid, until);
}

#endif

#ifdef WAITS
/* A call that has to wait. */
static void waits(int agent, int number)
{
	struct reply reply = { 0 };
	int came;

	if (skipped(number))
		return;
	begin(agent, number, "");
	came = answered(agent, &reply, A_WHILE);
	if (came < 0)
		report(number, true, "waits");
	else
		judge(number, came, &reply);
}
#endif

#ifdef LEAVES
static void leave(int agent, int number)
{
	start(agent);
	if (skipping) {
		result_skip(steps[number].text);
		return;
	}
	stop(agent);
	report(number, true, "OK");
}
#endif

#ifdef HANDS
/* Gives a descriptor of one agent to another one. */
static bool hand(int from, int to, int slot)
{
	struct reply reply;
	bool done;
	int fd;

	start(to);
	if (skipping || from == to)
		return true;
	if (!tell(from, GIVE, slot))
		return false;
	fd = receive_descriptor(agents[from].socket);
	done = fd >= 0 && tell(to, TAKE, slot) && send_descriptor(agents[to].socket, fd);
	if (fd >= 0)
		close(fd);
	return done && answered(to, &reply, PATIENCE) == 1;
}

#endif

#ifdef PASSES
static void pass(int from, int to, int slot, int number)
{
	if (skipping)
		result_skip(steps[number].text);
	else
		report(number, hand(from, to, slot), "OK");
}
#endif

#ifdef OUTSIDE
/* What the user API does not say how to do: nothing happens here but what luo_inject() arranges. */
static void outside(int number)
{
	if (!skipped(number))
		report(number, true, steps[number].outcome);
}
#endif
