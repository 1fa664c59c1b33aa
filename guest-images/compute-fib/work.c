/* guest: compute-fib
 * format: multiboot
 * teaches: calls and returns: what a translator does with RET decides this one
 * expect-status: 0
 * expect-serial: fib checksum A314D30E\n
 *
 * The Fibonacci function by its definition. One unit of scale computes fib(24) or, every second time, fib(23): 150,049 or 92,735 calls.
 */
#include "work.h"

const char work_name[] = "fib";
const uint32_t work_default_scale = 220;

/* The optimiser may not turn the recursion into a loop, or unroll it: the calls are the workload. */
__attribute__((noinline, noclone, optimize("no-optimize-sibling-calls")))
static uint32_t fib(uint32_t n)
{
    if (n < 2)
        return n;
    uint32_t a = fib(n - 1);
    __asm__ volatile("" : "+r"(a));
    return a + fib(n - 2);
}

uint32_t work(uint32_t scale)
{
    uint32_t checksum = 0;
    for (uint32_t i = 0; i < scale; i++)
        checksum = checksum * 31 + fib(24 - (i & 1));
    return checksum;
}
