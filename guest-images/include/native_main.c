/* native_main.c - runs work() as an ordinary program: gcc -m32 -O2 -march=i686 work.c native_main.c, argv[1] = scale.
   It prints the line that the guest prints; time it from outside. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "work.h"

int main(int argc, char **argv)
{
    uint32_t scale = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 0;
    printf("%s checksum %08" PRIX32 "\n", work_name, work(scale ? scale : work_default_scale));
    return 0;
}
