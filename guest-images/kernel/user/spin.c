/* spin [MILLISECONDS] - computes for so long, or for ever: something to be preempted. */
#include "user.h"

int main(int argc, char **argv)
{
    uint32_t time = 0;
    uint64_t begin, now;
    volatile uint32_t count = 0;
    if (argc > 1 && !number(argv[1], &time)) {
        complain("usage: spin [MILLISECONDS]\n");
        return 64;
    }
    clock(&begin);
    do {
        for (int n = 0; n < 100000; n++)
            count = count + 1;
        clock(&now);
    } while (time == 0 || now - begin < (uint64_t)time * 1000);
    return 0;
}
