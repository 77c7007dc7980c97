/* ---- results, in the Test Anything Protocol --------------------------- */

static int failed;

static void result_plan(int count)
{
	printf("TAP version 13\n1..%d\n", count);
	fflush(stdout);
}

static void result_line(bool ok, const char *text)
{
	static int number;

	failed += !ok;
	printf("%sok %d - %s\n", ok ? "" : "not ", ++number, text);
	fflush(stdout);
}

static void result_skip(const char *text)
{
	char line[512];

	snprintf(line, sizeof(line), "%s # SKIP", text);
	result_line(true, line);
}

static void result_note(const char *text)
{
	printf("# %s\n", text);
	fflush(stdout);
}

static bool result_failed(void)
{
	return failed;
}

static int result_exit(void)
{
	return failed ? 1 : 0;
}
