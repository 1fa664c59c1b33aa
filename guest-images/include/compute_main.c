/* compute_main.c - runs work() in the guest. The scale is the last word of the command line when that is a decimal
   number (QEMU puts the image's name in front), else the workload's default. With -DMEASURE the time-stamp counter's
   difference is printed too: under `qemu -icount shift=0` that is the number of instructions. */
#include "toyvmm.h"
#include "work.h"

static uint32_t scale_from(const char *line)
{
    uint32_t scale = 0;
    int digits = 0, pure = 1;
    for (; *line; line++) {
        if (*line == ' ') {
            if (line[1] && line[1] != ' ') {    /* a new word begins: forget the last one */
                scale = 0;
                digits = 0;
                pure = 1;
            }
        } else if (*line >= '0' && *line <= '9') {
            scale = scale * 10 + (uint32_t)(*line - '0');
            digits++;
        } else {
            pure = 0;
        }
    }
    return digits && pure && scale ? scale : work_default_scale;
}

int guest_main(uint32_t magic, const struct multiboot_info *info)
{
    uint32_t scale = work_default_scale;
    if (magic == MULTIBOOT_MAGIC && (info->flags & MULTIBOOT_HAS_COMMAND_LINE))
        scale = scale_from(info->command_line);
#ifdef MEASURE
    uint64_t before = __builtin_ia32_rdtsc();
#endif
    uint32_t checksum = work(scale);
#ifdef MEASURE
    uint64_t ticks = __builtin_ia32_rdtsc() - before;
    print("ticks ");
    print_hex((uint32_t)(ticks >> 32));
    print_hex((uint32_t)ticks);
    print("\n");
#endif
    print(work_name);
    print(" checksum ");
    print_hex(checksum);
    print("\n");
    return 0;
}
