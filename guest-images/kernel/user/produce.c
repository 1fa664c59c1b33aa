/* produce BYTES - a stream of bytes that `consume` knows: the one end of a pipe. */
#include "user.h"

static uint8_t buffer[1000];        /* no divisor of a pipe's size: its end comes at every place */

int main(int argc, char **argv)
{
    uint32_t total, state = 1;
    if (argc != 2 || !number(argv[1], &total)) {
        complain("usage: produce BYTES\n");
        return 64;
    }
    while (total > 0) {
        uint32_t count = total < sizeof buffer ? total : sizeof buffer;
        for (uint32_t n = 0; n < count; n++) {
            state = state * 1103515245 + 12345;
            buffer[n] = (uint8_t)(state >> 16);
        }
        if (write(1, buffer, count) != (int)count)
            return 1;
        total -= count;
    }
    return 0;
}
