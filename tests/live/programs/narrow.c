/* A program of i386 without a C library: functions, USDT probes and system calls of its own, once
 * for each byte on standard input. */

static inline int call(int number, int a, int b, int c)
{
	int result;

	__asm__ volatile("int $0x80" : "=a"(result) : "a"(number), "b"(a), "c"(b), "d"(c) : "memory");
	return result;
}

#define NOTE(name, semaphore, arguments)                                               \
	"990: nop\n"                                                                   \
	".pushsection .note.stapsdt,\"?\",\"note\"\n"                                  \
	".balign 4\n.4byte 992f-991f, 994f-993f, 3\n"                                  \
	"991: .asciz \"stapsdt\"\n992: .balign 4\n"                                    \
	"993: .4byte 990b\n.4byte _.stapsdt.base\n.4byte " semaphore "\n"              \
	".asciz \"app\"\n.asciz \"" name "\"\n.asciz \"" arguments "\"\n"              \
	"994: .balign 4\n.popsection\n"
__asm__(".pushsection .stapsdt.base,\"aG\",\"progbits\",.stapsdt.base,comdat\n"
	".weak _.stapsdt.base\n.hidden _.stapsdt.base\n"
	"_.stapsdt.base: .space 1\n.size _.stapsdt.base, 1\n.popsection\n");

#define KEPT __attribute__((noinline, noclone, used))

typedef unsigned long long wide;
struct point {
	int x;
	const char *name;
	short y;
	wide big;
	const char *names[2];
};

unsigned short guarded_semaphore __attribute__((section(".probes"), used));
int counter __attribute__((used)) = 41;
static int cells[4] __attribute__((used)) = { 11, 22, -33, 44 };
/* In memory that is written to, so that it is there when a probe reads it. */
static char text[] = "some text";

KEPT int six(int a, unsigned char b, const char *c, short d, wide e, struct point *f)
{
	__asm__ volatile("");
	return a + b + *c + d + (int)e + f->x;
}
KEPT wide sum(wide a, int b)
{
	__asm__ volatile("");
	return a + b;
}
KEPT const char *named(struct point p, int z)
{
	__asm__ volatile("" : : "r"(z));
	return p.name;
}
KEPT struct point make(int x)
{
	struct point p = { x, text, 7, 1ULL << 40, { text + 1, text + 5 } };
	return p;
}
KEPT int negative(int a)
{
	__asm__ volatile("");
	return -a;
}
KEPT double half(double a)
{
	__asm__ volatile("");
	return a / 2;
}
KEPT void leaf(void)
{
	__asm__ volatile("nop");
}
KEPT void middle(void)
{
	leaf();
	__asm__ volatile("");
}
KEPT void fire(int a, int b)
{
	__asm__ volatile("mov $-1, %%eax\n mov $0x1234, %%edx\n"
			 NOTE("registers", "0", "-4@%%eax 4@%%eax 2@%%dx 1@%%dl 1@%%dh -1@%%al %%eax")
			 : : : "eax", "edx");
	__asm__ volatile(NOTE("stack", "0", "-4@8(%%ebp) 4@12(%%ebp) -4@$-7 8@$5") : : "m"(a), "m"(b));
	__asm__ volatile("mov $2, %%ecx\n"
			 NOTE("memory", "0", "-4@(%0) -4@(%0,%%ecx,4) 4@-4(%0,%%ecx,4)")
			 : : "r"(cells) : "ecx");
	__asm__ volatile(NOTE("symbols", "0", "-4@cells -4@cells+8"));
	if (guarded_semaphore)
		__asm__ volatile(NOTE("guarded", "guarded_semaphore", "4@$99"));
}

static void start(void) __attribute__((used));
static void start(void)
{
	struct point p;
	char byte;

	while (call(3, 0, (int)&byte, 1) == 1) {
		text[0] = 's';
		cells[0] = 11;
		counter++;
		p = make(5);
		p.x = -3;
		six(-5, 200, text, -300, 1ULL << 33, &p);
		sum(1ULL << 40, 2);
		named(p, 9);
		negative(4);
		half(1.5);
		middle();
		fire(-5, 70000);
		call(4, 1, (int)text, 9);
	}
	call(1, 3, 0, 0);
}
__asm__(".globl _start\n_start: xor %ebp, %ebp\n and $-16, %esp\n call start\n");
