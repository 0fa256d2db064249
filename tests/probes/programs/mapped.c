/* Code of a file run from where it lies: mapped FILE OFFSET calls what begins there, once for each
 * line on standard input. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	if (argc != 3)
		return 2;
	int file = open(argv[1], O_RDONLY);
	long place = strtol(argv[2], NULL, 0), page = sysconf(_SC_PAGESIZE);
	char *code = mmap(NULL, 2 * page, PROT_READ | PROT_EXEC, MAP_PRIVATE, file, place & -page);
	if (code == MAP_FAILED)
		return 1;
	for (int c; (c = getchar()) != EOF;)
		if (c == '\n')
			((int (*)(int))(code + (place & (page - 1))))(5);
	return 0;
}
