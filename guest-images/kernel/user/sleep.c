/* sleep MILLISECONDS */
#include "user.h"

int main(int argc, char **argv)
{
    uint32_t time;
    if (argc != 2 || !number(argv[1], &time)) {
        complain("usage: sleep MILLISECONDS\n");
        return 64;
    }
    return sleep(time) < 0;
}
