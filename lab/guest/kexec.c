/* kexec load KERNEL INITRAMFS COMMAND-LINE | kexec go
 *
 * The two system calls of a live update, without the libraries of kexec-tools: linked statically, it is the only program of
 * the lab's initramfs beside busybox.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/reboot.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef RB_KEXEC
#define RB_KEXEC 0x45584543
#endif

static int load(const char *kernel, const char *initramfs, const char *line)
{
	int kernel_fd = open(kernel, O_RDONLY);
	int initramfs_fd = open(initramfs, O_RDONLY);

	if (kernel_fd < 0 || initramfs_fd < 0) {
		fprintf(stderr, "kexec: %s or %s: %s\n", kernel, initramfs, strerror(errno));
		return 1;
	}
	if (syscall(SYS_kexec_file_load, kernel_fd, initramfs_fd, strlen(line) + 1, line, 0UL)) {
		fprintf(stderr, "kexec: kexec_file_load: %s\n", strerror(errno));
		return 1;
	}
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 5 && !strcmp(argv[1], "load"))
		return load(argv[2], argv[3], argv[4]);
	if (argc == 2 && !strcmp(argv[1], "go")) {
		sync();
		reboot(RB_KEXEC);
		fprintf(stderr, "kexec: reboot: %s\n", strerror(errno));
		return 1;
	}
	fprintf(stderr, "usage: kexec load KERNEL INITRAMFS COMMAND-LINE | kexec go\n");
	return 2;
}
