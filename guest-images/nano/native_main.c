/* native_main.c - runs a row of nano as an ordinary program, ROW LOOPS, and prints the line that the guest prints; "list" names the
   rows. Time it from outside. gcc -m32 -O2 -no-pie -o nano native_main.c native.o (native.asm) */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern const char *const native_names[];
uint32_t native_row(unsigned index, uint32_t loops, uint32_t *counted);

int main(int argc, char **argv)
{
    if (argc == 2 && !strcmp(argv[1], "list")) {
        for (unsigned i = 0; native_names[i]; i++)
            puts(native_names[i]);
        return 0;
    }
    uint32_t loops = argc == 3 ? (uint32_t)strtoul(argv[2], NULL, 10) : 0;
    if (!loops) {
        fprintf(stderr, "usage: nano list | ROW LOOPS\n");
        return 64;
    }
    for (unsigned i = 0; native_names[i]; i++)
        if (!strcmp(argv[1], native_names[i])) {
            uint32_t counted = 0;
            uint32_t operations = native_row(i, loops, &counted);
            if (!operations) {
                fprintf(stderr, "nano %s: counted %08" PRIX32 ", which is wrong\n", argv[1], counted);
                return 3;
            }
            printf("nano %s loops %" PRIu32 " operations %" PRIu32 " checksum %08" PRIX32 "\n", argv[1], loops, operations, counted);
            return 0;
        }
    fprintf(stderr, "nano: there is no row '%s' for a process\n", argv[1]);
    return 64;
}
