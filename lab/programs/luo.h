/* What the lab's programs share: the calls of /dev/liveupdate, and one line of TAP for each. */
#ifndef LAB_LUO_H
#define LAB_LUO_H

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/liveupdate.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/reboot.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef RB_KEXEC
#define RB_KEXEC 0x45584543
#endif

static int tests, failed;

/* result: 0, or the errno that a call failed with. */
static inline void expect(const char *what, int result, int expected)
{
	int good = result == expected;

	failed += !good;
	printf("%sok %d - %s -> %s", good ? "" : "not ", ++tests, what, result ? strerrorname_np(result) : "OK");
	if (!good)
		printf(", expected %s", expected ? strerrorname_np(expected) : "OK");
	printf("\n");
	fflush(stdout);
}

static inline int done(void)
{
	printf("1..%d\n", tests);
	return failed ? 1 : 0;
}

/* A page that holds a copy of a struct and can be read only: the kernel takes its arguments from it, and cannot answer. */
static inline void *unwritable(const void *arguments, size_t size)
{
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (page == MAP_FAILED) {
		printf("Bail out! mmap: %s\n", strerror(errno));
		exit(1);
	}
	memcpy(page, arguments, size);
	mprotect(page, 4096, PROT_READ);
	return page;
}

static inline int call(int fd, unsigned long command, void *arguments)
{
	return ioctl(fd, command, arguments) ? errno : 0;
}

static inline int open_device(void)
{
	int fd = open("/dev/liveupdate", O_RDWR);

	expect("OPEN", fd < 0 ? errno : 0, 0);
	return fd;
}

static inline int create_session(int device, const char *name, int *session)
{
	struct liveupdate_ioctl_create_session arguments = {.size = sizeof(arguments), .fd = -1};
	int result;

	strncpy((char *)arguments.name, name, sizeof(arguments.name) - 1);
	result = call(device, LIVEUPDATE_IOCTL_CREATE_SESSION, &arguments);
	*session = arguments.fd;
	return result;
}

static inline struct liveupdate_ioctl_retrieve_session session_of(const char *name)
{
	struct liveupdate_ioctl_retrieve_session arguments = {.size = sizeof(arguments), .fd = -1};

	strncpy((char *)arguments.name, name, sizeof(arguments.name) - 1);
	return arguments;
}

static inline int retrieve_session(int device, const char *name, int *session)
{
	struct liveupdate_ioctl_retrieve_session arguments = session_of(name);
	int result = call(device, LIVEUPDATE_IOCTL_RETRIEVE_SESSION, &arguments);

	*session = arguments.fd;
	return result;
}

static inline int preserve(int session, int fd, uint64_t token)
{
	struct liveupdate_session_preserve_fd arguments = {.size = sizeof(arguments), .fd = fd, .token = token};

	return call(session, LIVEUPDATE_SESSION_PRESERVE_FD, &arguments);
}

static inline int retrieve(int session, uint64_t token, int *fd)
{
	struct liveupdate_session_retrieve_fd arguments = {.size = sizeof(arguments), .fd = -1, .token = token};
	int result = call(session, LIVEUPDATE_SESSION_RETRIEVE_FD, &arguments);

	*fd = arguments.fd;
	return result;
}

static inline int finish(int session)
{
	struct liveupdate_session_finish arguments = {.size = sizeof(arguments)};

	return call(session, LIVEUPDATE_SESSION_FINISH, &arguments);
}

static inline int memfd_with(const char *text)
{
	int fd = memfd_create("lab", 0);

	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text)) {
		printf("Bail out! memfd: %s\n", strerror(errno));
		exit(1);
	}
	return fd;
}

static inline int holds(int fd, const char *text)
{
	char found[64] = "";

	return pread(fd, found, sizeof(found) - 1, 0) == (ssize_t)strlen(text) && !strcmp(found, text);
}

/* Stage 1 of a story about what happens after a live update: one session with one memfd, and the update. */
static inline int hand_over(const char *name, const char *text, uint64_t token)
{
	int device = open_device(), session;

	expect("CREATE_SESSION", create_session(device, name, &session), 0);
	expect("PRESERVE_FD", preserve(session, memfd_with(text), token), 0);
	printf("# leaving for the next kernel\n");
	fflush(stdout);
	sync();
	reboot(RB_KEXEC);
	expect("REBOOT", errno, 0); /* it came back */
	return done();
}

#endif
