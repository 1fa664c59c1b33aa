/* guest: kernel
 * format: multiboot
 * teaches: a small operating system, run two ways: as on a real machine, or with a VMM that it knows
 * append: init=selftest quiet
 * expect-status: 0
 * expect-serial: fork and wait: ok\n
 * expect-serial: copy on write: ok\n
 * expect-serial: twenty children: ok\n
 * expect-serial: nobody to wait for: ok\n
 * expect-serial: as many processes as there is room for: ok\n
 * expect-serial: and all of them end: ok\n
 * expect-serial: and leave nothing behind: ok\n
 * expect-serial: a new program\n
 * expect-serial: exec: ok\n
 * expect-serial: exec refuses what is no program: ok\n
 * expect-serial: an orphan ends too: ok\n
 * expect-serial: null pointer: ok\n
 * expect-serial: the kernel's memory: ok\n
 * expect-serial: memory that nobody asked for: ok\n
 * expect-serial: a store to code: ok\n
 * expect-serial: division by zero: ok\n
 * expect-serial: CLI: ok\n
 * expect-serial: a port: ok\n
 * expect-serial: HLT: ok\n
 * expect-serial: an interrupt gate of the kernel's: ok\n
 * expect-serial: x87 that is not there: ok\n
 * expect-serial: an undefined opcode: ok\n
 * expect-serial: a hypercall from ring 3: ok\n
 * expect-serial: null selectors in a system call: ok\n
 * expect-serial: a deep stack: ok\n
 * expect-serial: a stack too deep: ok\n
 * expect-serial: a heap that grows: ok\n
 * expect-serial: and shrinks: ok\n
 * expect-serial: and is zero when it comes back: ok\n
 * expect-serial: mmap: ok\n
 * expect-serial: munmap of the middle: ok\n
 * expect-serial: munmap of all: ok\n
 * expect-serial: what is unmapped is gone: ok\n
 * expect-serial: what is protected is read-only: ok\n
 * expect-serial: sixty-four pages, copied on write on both sides: ok\n
 * expect-serial: a process that wants more than there is: ok\n
 * expect-serial: a hundred thousand bytes through a pipe: ok\n
 * expect-serial: a pipe that nobody reads: ok\n
 * expect-serial: as many descriptors as there is room for: ok\n
 * expect-serial: none is left open: ok\n
 * expect-serial: sleepers wake in order: ok\n
 * expect-serial: not too early: ok\n
 * expect-serial: preemption: ok\n
 * expect-serial: nobody to kill: ok\n
 * expect-serial: an unknown system call: ok\n
 * expect-serial: pointers to nothing: ok\n
 * expect-serial: pointers to the kernel: ok\n
 * expect-serial: pointers that wrap around: ok\n
 * expect-serial: a buffer in code: ok\n
 * expect-serial: descriptors that are not open: ok\n
 * expect-serial: a file: ok\n
 * expect-serial: sizes that make no sense: ok\n
 * expect-serial: all promises kept\n
 *
 * Processes in ring 3 with address spaces of their own, fork (copy on write), exec, wait, pipes, demand-zero memory, preemption, system calls
 * by INT 0x80, a console, a shell and programs for it - in one image, programs included (user/). The same image runs fully virtualized (here,
 * on QEMU, on a PC) or paravirtualized: `struct machine_ops` (kernel.h) is all that differs, full.c and paravirt.c are its two versions.
 *
 * The command line chooses: init=PROGRAM,ARGUMENT,... (the shell without one); pv=off: fully virtualized in any case; pv=on: an error where
 * hypercalls are not to be had; quiet: no banner, and no word about programs that crash.
 *
 * Read in this order: entry.asm, trap.c, memory.c, space.c, process.c, exec.c, file.c, syscall.c; then full.c beside paravirt.c. */
#include "kernel.h"

enum { MAX_RAM = 1 << 30, WORDS = 256 };

const struct machine_ops *machine = &full_machine;
bool quiet;

static char command_line[WORDS];
static const char *init_arguments[MAX_ARGUMENTS + 1] = { "sh" };

/* What follows `key=`, or NULL. */
static char *value_of(char *word, const char *key)
{
    while (*key)
        if (*word++ != *key++)
            return NULL;
    return word;
}

static bool same(const char *a, const char *b)
{
    while (*a && *a == *b)
        a++, b++;
    return *a == *b;
}

static void split_init(char *text)
{
    int count = 0;
    init_arguments[count++] = text;
    for (; *text; text++)
        if (*text == ',') {
            *text = 0;
            if (count == MAX_ARGUMENTS)
                panic("init= has more than %d words", MAX_ARGUMENTS);
            init_arguments[count++] = text + 1;
        }
}

static void use_word(char *word)
{
    char *value;
    if ((value = value_of(word, "init=")))
        split_init(value);
    else if ((value = value_of(word, "pv="))) {
        bool on = same(value, "on");
        if (!on && !same(value, "off") && !same(value, "auto"))
            panic("%s: on, off or auto", word);
        if (on && !paravirtual_found())
            panic("pv=on, but there are no hypercalls here");
        machine = !same(value, "off") && paravirtual_found() ? &paravirtual_machine : &full_machine;
    } else if (same(word, "quiet"))
        quiet = true;
}

/* Words between blanks; what no key is known for (a loader's name for the image) is left alone. */
static void parse_command_line(const struct multiboot_info *info)
{
    if (paravirtual_found())
        machine = &paravirtual_machine;
    if (!(info->flags & MULTIBOOT_HAS_COMMAND_LINE))
        return;
    uint32_t length = 0;
    while (length < WORDS - 1 && info->command_line[length])
        length++;
    if (info->command_line[length])
        panic("the command line is longer than %d characters", WORDS - 1);
    memcpy(command_line, info->command_line, length);
    for (char *word = command_line, *p = word; ; p++) {
        bool end = !*p;
        if (*p == ' ' || end) {
            *p = 0;
            if (*word)
                use_word(word);
            word = p + 1;
        }
        if (end)
            break;
    }
}

/* From entry.asm, with what the loader had in EAX and EBX (Multiboot 0.6.96, 3.2). The information may lie anywhere: it is read before
 * anything is allocated. */
__attribute__((noreturn)) void kernel_main(uint32_t magic, const struct multiboot_info *info)
{
    serial_init();
    traps_start();
    if (magic != MULTIBOOT_MAGIC || !(info->flags & MULTIBOOT_HAS_MEMORY))
        panic("not started by a Multiboot loader that tells the size of memory");
    uint32_t bytes = info->mem_upper >= (MAX_RAM >> 10) - 1024 ? MAX_RAM : (info->mem_upper + 1024) << 10;
    parse_command_line(info);
    memory_start(bytes);
    paging_start(bytes);
    machine->start();
    console_start();
    if (!quiet)
        kprintf("kernel: %s, %u KiB, %u of %u pages free\n", machine->paravirtual ? "paravirtual" : "fully virtualized", bytes >> 10, free_pages, bytes / PAGE_SIZE);
    processes_start(init_arguments[0], init_arguments);
}
