/* wc - lines, words and bytes of what comes in. */
#include "user.h"

static char buffer[PAGE_SIZE];

int main(int argc, char **argv)
{
    uint32_t lines = 0, words = 0, bytes = 0;
    bool in_word = false;
    int count;
    (void)argc, (void)argv;
    while ((count = read(0, buffer, sizeof buffer)) > 0) {
        bytes += (uint32_t)count;
        for (int n = 0; n < count; n++) {
            bool blank = buffer[n] == ' ' || buffer[n] == '\n' || buffer[n] == '\t';
            lines += buffer[n] == '\n';
            words += !blank && !in_word;
            in_word = !blank;
        }
    }
    print("%u %u %u\n", lines, words, bytes);
    return count < 0;
}
