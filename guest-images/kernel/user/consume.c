/* consume - checks that what comes in is what `produce` sends, and says how much it was. */
#include "user.h"

static uint8_t buffer[777];

int main(int argc, char **argv)
{
    uint32_t total = 0, state = 1;
    int count;
    (void)argc, (void)argv;
    while ((count = read(0, buffer, sizeof buffer)) > 0)
        for (int n = 0; n < count; n++, total++) {
            state = state * 1103515245 + 12345;
            if (buffer[n] != (uint8_t)(state >> 16)) {
                print("byte %u is wrong\n", total);
                return 1;
            }
        }
    print("%u bytes, all as they were sent\n", total);
    return 0;
}
