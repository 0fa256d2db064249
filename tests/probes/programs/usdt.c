/* USDT probes with arguments of every form, hit once for each line on standard input.
 *
 * The notes are written by hand, in the format of <sys/sdt.h>, so that the operands do not depend
 * on what a compiler chooses.
 */
#include <stdio.h>

/* The link-time address of one of `cells`; known when the program was linked once. */
#ifndef CELL
#define CELL 0x0000000000000000
#endif
#define TEXT(x) TEXT_(x)
#define TEXT_(x) #x

#define NOTE(provider, name, semaphore, arguments)                                     \
	"990: nop\n"                                                                   \
	".pushsection .note.stapsdt,\"?\",\"note\"\n"                                  \
	".balign 4\n"                                                                  \
	".4byte 992f-991f, 994f-993f, 3\n"                                             \
	"991: .asciz \"stapsdt\"\n"                                                    \
	"992: .balign 4\n"                                                             \
	"993: .8byte 990b\n"                                                           \
	".8byte _.stapsdt.base\n"                                                      \
	".8byte " semaphore "\n"                                                       \
	".asciz \"" provider "\"\n"                                                    \
	".asciz \"" name "\"\n"                                                        \
	".asciz \"" arguments "\"\n"                                                   \
	"994: .balign 4\n"                                                             \
	".popsection\n"

__asm__(".pushsection .stapsdt.base,\"aG\",\"progbits\",.stapsdt.base,comdat\n"
	".weak _.stapsdt.base\n"
	".hidden _.stapsdt.base\n"
	"_.stapsdt.base: .space 1\n"
	".size _.stapsdt.base, 1\n"
	".popsection\n");

unsigned short guarded_semaphore __attribute__((section(".probes"), used));

static long cells[4] = { 11, 22, -33, 44 };
static const struct { int small; unsigned char byte; short half; } mixed = { -77, 250, -2 };

__attribute__((noinline)) void fire(void)
{
	/* Registers of every width, signed and not. */
	__asm__ volatile("mov $-1, %%rax\n mov $-2, %%ecx\n mov $0x1234, %%edx\n"
			 NOTE("app", "registers", "0",
			      "-8@%%rax 8@%%rax -4@%%ecx 4@%%ecx 2@%%dx 1@%%dl 1@%%dh -1@%%cl")
			 ::: "rax", "rcx", "rdx");
	__asm__ volatile(NOTE("app", "constants", "0", "-4@$-3 8@$42 -8@$0x10 1@$255") :::);
	/* Memory: displacement, plain, base and index with a scale. */
	__asm__ volatile("mov %0, %%rbx\n mov $2, %%r9\n mov %1, %%r10\n"
			 NOTE("app", "memory", "0",
			      "8@(%%rbx) -8@8(%%rbx) -8@(%%rbx,%%r9,8) 8@8(%%rbx,%%r9,8) "
			      "-4@(%%r10) 1@4(%%r10) -2@6(%%r10)")
			 : : "r"(cells), "r"(&mixed) : "rbx", "r9", "r10");
	if (guarded_semaphore)
		__asm__ volatile(NOTE("app", "guarded", "guarded_semaphore", "4@$99") :::);
	/* Memory that is named by its address, which moves with a position-independent program. */
	__asm__ volatile(NOTE("app", "absolute", "0", "-8@" TEXT(CELL)) :::);
	/* Memory that is named by its symbol. */
	__asm__ volatile(NOTE("app", "named", "0",
			      "-8@cells+16(%%rip) 8@cells(%%rip) -4@mixed(%%rip)") :::);
	__asm__ volatile(NOTE("other", "bare", "0", "") :::);
}

/* One probe in two places, with its argument in different ones. */
__attribute__((noinline)) void twice(void)
{
	__asm__ volatile("mov $5, %%esi\n" NOTE("app", "twice", "0", "-4@%%esi") ::: "rsi");
	__asm__ volatile("mov $6, %%edi\n" NOTE("app", "twice", "0", "-4@%%edi") ::: "rdi");
	__asm__ volatile("mov $7, %%edi\n" NOTE("app", "twice", "0", "-4@%%edi") ::: "rdi");
}

/* One probe in two places, exactly a page apart. */
__attribute__((noinline)) void alike(void)
{
	__asm__ volatile(NOTE("app", "alike", "0", "") "jmp 1f\n.skip 4096 - 1 - 5\n1:\n"
			 NOTE("app", "alike", "0", "") :::);
}

int main(void)
{
	char line[64];

	while (fgets(line, sizeof line, stdin)) {
		fire();
		twice();
		alike();
		printf("fired %d\n", guarded_semaphore);
		fflush(stdout);
	}
	return 0;
}
