/* ---- what a step is --------------------------------------------------- */

struct reply {
	long result;
	int error;
	bool differs;	/* it succeeded, with something else than the spec says */
};

struct step {
	const char *text;	/* the call */
	const char *outcome;	/* what the spec says that it returns */
	const int *allowed;	/* the errnos that are right, up to 0; NULL: it succeeds */
	const char *needs;	/* what no program can cause and has to happen, or NULL */
	bool harmless;		/* nothing is different after it, so the others can go on without it */
	bool overlaps;		/* other calls go on meanwhile */
	bool kernel_ends;
	void (*call)(struct reply *reply);
};

static int slots[SLOTS];	/* the descriptors of this process, -1: none */

static const int any_errno[] = { -1 };

static const char *errno_text(int number)
{
	static char text[16];
	size_t i;

	for (i = 0; i < sizeof(errnos) / sizeof(errnos[0]); i++)
		if (errnos[i].number == number)
			return errnos[i].name;
	snprintf(text, sizeof(text), "errno %d", number);
	return text;
}

static void came(struct reply *reply, long result)
{
	reply->result = result;
	reply->error = result < 0 ? errno : 0;
}

#ifdef ARGUMENTS
/* A page of its own for the argument of a call, so that it can be made unwritable or unreadable. */
static void *argument(void)
{
	static void *page;

	if (!page)
		page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (page == MAP_FAILED || mprotect(page, 4096, PROT_READ | PROT_WRITE)) {
		perror("a page for an argument");
		_exit(2);
	}
	memset(page, 0, 4096);
	return page;
}
#endif

#ifdef NO_DESCRIPTORS
/* With no room for another descriptor, or with room again. */
static void room_for_descriptors(bool room)
{
	static struct rlimit usual;
	struct rlimit none;

	if (!room)
		getrlimit(RLIMIT_NOFILE, &usual);
	none = usual;
	if (!room)
		none.rlim_cur = 0;
	setrlimit(RLIMIT_NOFILE, &none);
}
#endif

#ifdef MAKE_FILES
/* A memfd that says what it is. */
static int make_file(const char *content)
{
	int fd = memfd_create(content, MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0 || write(fd, content, strlen(content)) != (ssize_t)strlen(content)) {
		perror(content);
		exit(2);
	}
	return fd;
}

#endif

#ifdef IS_FILE
static bool is_file(int fd, const char *content)
{
	char found[128] = "";

	return pread(fd, found, sizeof(found) - 1, 0) >= 0 && !strcmp(found, content);
}
#endif
