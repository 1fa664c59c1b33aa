/* kill PID - ends a process. */
#include "user.h"

int main(int argc, char **argv)
{
    uint32_t pid;
    if (argc != 2 || !number(argv[1], &pid)) {
        complain("usage: kill PID\n");
        return 64;
    }
    if (kill((int)pid) < 0) {
        complain("kill: there is no process %u\n", pid);
        return 1;
    }
    return 0;
}
