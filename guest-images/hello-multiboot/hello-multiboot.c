/* guest: hello-multiboot
 * format: multiboot
 * teaches: a C program without an operating system under it, started in protected mode by a boot loader
 * expect-status: 0
 * expect-serial: Hello, world\n
 * expect-serial: loaded by a Multiboot loader; memory above 1 MiB: yes\n
 * expect-serial: protected mode: yes, paging: no, ring 0\n
 *
 * The loader finds the Multiboot header, loads the ELF segments where their program headers say, and enters at the ELF
 * entry point with EAX = 0x2BADB002 and EBX = the information structure (Multiboot 3.2). include/start.asm makes a
 * stack and calls us.
 */
#include "toyvmm.h"

static const char *yes_no(int condition)
{
    return condition ? "yes" : "no";
}

int guest_main(uint32_t magic, const struct multiboot_info *info)
{
    print("Hello, world\n");

    if (magic != MULTIBOOT_MAGIC) {
        print("EAX is not the Multiboot magic\n");
        return 1;
    }

    print("loaded by a Multiboot loader; memory above 1 MiB: ");
    print(yes_no((info->flags & MULTIBOOT_HAS_MEMORY) && info->mem_upper > 1024));
    print("\n");

    /* MOV from CR0 is privileged: that it works at all says that we are the most privileged code there is - or believe so. */
    uint32_t cr0;
    uint16_t cs;
    __asm__("movl %%cr0, %0" : "=r"(cr0));
    __asm__("movw %%cs, %0" : "=r"(cs));
    print("protected mode: ");
    print(yes_no(cr0 & 1));
    print(", paging: ");
    print(yes_no(cr0 >> 31));
    print(", ring ");
    print_dec(cs & 3);
    print("\n");
    return 0;
}
