// Overloads in a namespace, for probes by readable name.
#include <cstdio>

namespace shop {
__attribute__((noinline)) int price(int n) { asm volatile(""); return n + 1; }
__attribute__((noinline)) int price(int n, const char *) { asm volatile(""); return n + 2; }
struct Cart {
	__attribute__((noinline)) int total(int n) const { asm volatile(""); return n * 2; }
};
}

int main()
{
	char line[64];
	shop::Cart cart;

	while (std::fgets(line, sizeof line, stdin)) {
		std::printf("%d\n", shop::price(1) + shop::price(2, "x") + cart.total(3));
		std::fflush(stdout);
	}
}
