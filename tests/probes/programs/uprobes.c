/* Functions with known arguments and results, called once for each line on standard input. */
#include <stdio.h>
#include <string.h>

struct point {
	int x;
	long y;
	char name[16];
};

__attribute__((noinline)) long six(int a, long b, unsigned char c, short d, const char *e,
				   struct point *f)
{
	__asm__ volatile("");
	return a + b + c + d + (long)strlen(e) + f->y;
}

__attribute__((noinline)) const char *greeting(const char *who)
{
	__asm__ volatile("" : : "r"(who));
	return who + 6;
}

__attribute__((noinline)) static int hidden(int n)
{
	__asm__ volatile("");
	return n * 3;
}

__attribute__((noinline)) int group_one(int n) { __asm__ volatile(""); return n + 1; }
__attribute__((noinline)) int group_two(int n) { __asm__ volatile(""); return n + 2; }
__attribute__((noinline)) int group_three(int n) { __asm__ volatile(""); return n + 3; }
/* Another name for the same place. */
int group_alias(int n) __attribute__((alias("group_one")));

int main(void)
{
	char line[64];
	struct point p = { 7, 1000000007, "somewhere" };

	while (fgets(line, sizeof line, stdin)) {
		long sum = six(-5, 1L << 40, 200, -300, "hello", &p);
		const char *name = greeting("hello world");
		int more = hidden(14) + group_one(1) + group_two(2) + group_three(3);
		printf("%ld %s %d\n", sum, name, more);
		fflush(stdout);
	}
	return 0;
}
