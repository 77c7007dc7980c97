/* What the generated selftests use of tools/testing/selftests/kselftest.h, for tests outside of a kernel tree. */

#include <stdarg.h>
#include <stdio.h>

#define KSFT_PASS 0
#define KSFT_FAIL 1

static int ksft_number, ksft_failed;

static inline void ksft_print_header(void)
{
	printf("TAP version 13\n");
}

static inline void ksft_set_plan(int count)
{
	printf("1..%d\n", count);
}

static inline int ksft_get_fail_cnt(void)
{
	return ksft_failed;
}

#define ksft_print_msg(...) printf("# " __VA_ARGS__)
#define ksft_test_result(ok, ...)                              \
	do {                                                   \
		ksft_failed += !(ok);                          \
		printf("%sok %d ", (ok) ? "" : "not ", ++ksft_number); \
		printf(__VA_ARGS__);                           \
	} while (0)
#define ksft_test_result_skip(...)                             \
	do {                                                   \
		printf("ok %d # SKIP ", ++ksft_number);        \
		printf(__VA_ARGS__);                           \
	} while (0)
