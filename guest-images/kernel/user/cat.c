/* cat - files, or what comes in, to standard output. */
#include "user.h"

static char buffer[PAGE_SIZE];

static int copy(int fd)
{
    int count;
    while ((count = read(fd, buffer, sizeof buffer)) > 0)
        if (write(1, buffer, (uint32_t)count) != count)
            return 1;
    return count < 0;
}

int main(int argc, char **argv)
{
    int result = 0;
    if (argc == 1)
        return copy(0);
    for (int n = 1; n < argc; n++) {
        int fd = open(argv[n]);
        if (fd < 0) {
            complain("cat: %s: not found\n", argv[n]);
            result = 1;
            continue;
        }
        result |= copy(fd);
        close(fd);
    }
    return result;
}
