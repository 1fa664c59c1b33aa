/* ls - the files, and how long they are. */
#include "user.h"

int main(int argc, char **argv)
{
    char name[NAME_SIZE];
    int size;
    (void)argc, (void)argv;
    for (uint32_t n = 0; (size = CALL2(SYS_NAME, n, name)) >= 0; n++)
        print("%6d %s\n", size, name);
    return 0;
}
