/* ---- results, as the other selftests give them ------------------------ */

static void result_plan(int count)
{
	ksft_print_header();
	ksft_set_plan(count);
}

static void result_line(bool ok, const char *text)
{
	ksft_test_result(ok, "%s\n", text);
}

static void result_skip(const char *text)
{
	ksft_test_result_skip("%s\n", text);
}

static void result_note(const char *text)
{
	ksft_print_msg("%s\n", text);
}

static bool result_failed(void)
{
	return ksft_get_fail_cnt();
}

static int result_exit(void)
{
	return ksft_get_fail_cnt() ? KSFT_FAIL : KSFT_PASS;
}
