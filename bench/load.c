/* Work for the tracers to look at.
 *
 * load calls COUNT            getppid() COUNT times, as fast as it goes
 * load rate PER_SECOND MS     getppid() at a rate, for so many milliseconds
 * load stacks COUNT           reaches hit() through COUNT different chains of calls
 *
 * Prints: number of calls, nanoseconds they took. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static long now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000L + t.tv_nsec;
}

__attribute__((noinline)) void hit(void) { __asm__ volatile(""); }

#define STEP(name) \
	__attribute__((noinline)) static void name(unsigned long path, int depth); 
STEP(left)
STEP(right)

static inline __attribute__((always_inline)) void step(unsigned long path, int depth)
{
	if (depth == 0)
		hit();
	else if (path & 1)
		right(path >> 1, depth - 1);
	else
		left(path >> 1, depth - 1);
	__asm__ volatile(""); /* no tail calls */
}

static void left(unsigned long path, int depth) { step(path, depth); }
static void right(unsigned long path, int depth) { step(path, depth); }

int main(int argc, char **argv)
{
	long begin = now(), n, i;

	if (argc >= 3 && !strcmp(argv[1], "calls")) {
		n = atol(argv[2]);
		for (i = 0; i < n; i++)
			syscall(SYS_getppid);
	} else if (argc >= 4 && !strcmp(argv[1], "rate")) {
		long rate = atol(argv[2]), end = begin + atol(argv[3]) * 1000000L, t;
		for (n = 0; (t = now()) < end;) {
			long due = (long)((double)(t - begin) * rate / 1e9);
			for (; n < due; n++)
				syscall(SYS_getppid);
		}
	} else if (argc >= 3 && !strcmp(argv[1], "stacks")) {
		n = atol(argv[2]);
		for (i = 0; i < n; i++)
			step(i, 16);
	} else {
		fprintf(stderr, "usage: load calls N | rate N MS | stacks N\n");
		return 2;
	}
	printf("%ld %ld\n", n, now() - begin);
	return 0;
}
