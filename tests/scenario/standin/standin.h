/*
 * Stands in for the kernel in programs that `luocheck scenario` makes: every call goes to a server over a socket, with the bytes of its
 * argument and whether that can be read and written.  The server gives the result, bytes to be written, and descriptors.
 */

#include <sys/un.h>

struct standin_reply {
	int64_t result;
	int32_t error;
	int32_t fd_at;	/* where in the data the number of the descriptor that came along goes, -1: none came */
	uint32_t size;
	uint8_t data[4096];
} __attribute__((packed));

static int standin_connection(void)
{
	static int connection = -1;
	static pid_t owner;
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	if (owner == getpid())
		return connection;
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", getenv("LUO_STANDIN_SOCKET"));
	connection = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (connect(connection, (struct sockaddr *)&address, sizeof(address))) {
		perror("stand-in");
		_exit(3);
	}
	owner = getpid();
	return connection;
}

/* Asks the server; where it does not answer any more, the kernel has ended, and all processes with it. */
static void standin_ask(const char *question, struct standin_reply *reply, int *fd)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr header;
	} control;
	struct iovec part = { reply, sizeof(*reply) };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };
	struct cmsghdr *header;

	message.msg_control = control.bytes;
	message.msg_controllen = sizeof(control.bytes);
	if (send(standin_connection(), question, strlen(question), MSG_NOSIGNAL) < 0 ||
	    recvmsg(standin_connection(), &message, 0) != sizeof(*reply))
		_exit(3);
	*fd = -1;
	header = CMSG_FIRSTHDR(&message);
	if (header && header->cmsg_type == SCM_RIGHTS)
		memcpy(fd, CMSG_DATA(header), sizeof(int));
}

static long standin_result(const struct standin_reply *reply)
{
	errno = reply->error;
	return reply->result;
}

/* Is there room for a descriptor? */
static bool standin_room(void)
{
	int fd = dup(standin_connection());

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

/* Copies through a pipe, so that memory which cannot be reached is EFAULT and no signal. */
static bool standin_copy(void *to, const void *from, size_t size)
{
	static int ends[2];
	static pid_t owner;

	if (owner != getpid() && pipe(ends))
		_exit(3);
	owner = getpid();
	if (write(ends[1], from, size) != (ssize_t)size)
		return false;
	if (read(ends[0], to, size) == (ssize_t)size)
		return true;
	return read(ends[0], (char[4096]){ 0 }, 4096) < 0;
}

__attribute__((unused)) static int luo_open(const char *path)
{
	struct standin_reply reply;
	char question[256];
	int fd;

	snprintf(question, sizeof(question), "open %s", path);
	standin_ask(question, &reply, &fd);
	return reply.result < 0 ? (int)standin_result(&reply) : fd;
}

__attribute__((unused)) static int luo_ioctl(int on, unsigned long number, void *arg, size_t size)
{
	unsigned char bytes[4096] = { 0 };
	struct standin_reply reply;
	char question[9000];
	bool readable = !size || standin_copy(bytes, arg, size);
	bool writable = readable && (!size || standin_copy(arg, bytes, size));
	bool room, wanted = true;
	size_t i;
	int fd, used;

	standin_connection();
	room = standin_room();
	used = snprintf(question, sizeof(question), "ioctl %d %lu %d %d %d ", on, number, readable, writable, room);
	for (i = 0; i < size; i++)
		used += snprintf(question + used, sizeof(question) - (size_t)used, "%02x", bytes[i]);
	standin_ask(question, &reply, &fd);
	if (reply.fd_at >= 0)
		memcpy(reply.data + reply.fd_at, &fd, sizeof(fd));
	if (reply.result >= 0 && reply.size)
		wanted = standin_copy(arg, reply.data, reply.size);
	if (!wanted) {
		errno = EFAULT;
		return -1;
	}
	return (int)standin_result(&reply);
}

__attribute__((unused)) static int luo_close(int fd)
{
	struct standin_reply reply;
	char question[64];
	int none;

	snprintf(question, sizeof(question), "close %d", fd);
	standin_ask(question, &reply, &none);
	close(fd);
	return (int)standin_result(&reply);
}

__attribute__((unused)) static long luo_syscall(const char *name, long number, long a, long b, long c, long d)
{
	struct standin_reply reply;
	char question[256];
	int none;

	snprintf(question, sizeof(question), "syscall %s %ld %ld %ld %ld %ld", name, number, a, b, c, d);
	standin_ask(question, &reply, &none);
	return standin_result(&reply);
}

static void luo_steer(pid_t agent, const char *until)
{
	struct standin_reply reply;
	char question[256];
	int none;

	snprintf(question, sizeof(question), "steer %d %s", (int)agent, until);
	standin_ask(question, &reply, &none);
}

static void luo_settle(pid_t agent)
{
	struct standin_reply reply;
	char question[64];
	int none;

	snprintf(question, sizeof(question), "settle %d", (int)agent);
	standin_ask(question, &reply, &none);
}

static void luo_name(pid_t agent, const char *name)
{
	struct standin_reply reply;
	char question[256];
	int none;

	snprintf(question, sizeof(question), "name %d %s", (int)agent, name);
	standin_ask(question, &reply, &none);
}

static bool luo_inject(const char *call, const char *label, const char *outcome)
{
	struct standin_reply reply;
	char question[512];
	int none;

	snprintf(question, sizeof(question), "inject %s|%s|%s", call, label, outcome);
	standin_ask(question, &reply, &none);
	return reply.result == 0;
}
