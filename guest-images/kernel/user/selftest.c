/* selftest - the first process: checks what the kernel promises, one line each; its status is the number of promises that were broken.
 * What is printed does not depend on the machine: no times, no addresses, no counts that are the machine's own. */
#include "user.h"

static uint32_t broken;

static void check(const char *what, bool holds)
{
    print("%s: %s\n", what, holds ? "ok" : "WRONG");
    broken += !holds;
}

/* Runs a function in a child; its result, or what ended it. */
static int in_child(int (*work)(void))
{
    int status = -1, child = fork();
    if (child == 0)
        exit(work());
    return child > 0 && wait(&status) == child ? status : -1;
}

static uint32_t free_pages(void)
{
    struct system_info system;
    return info(&system) == 0 ? system.free_pages : 0;
}

/* ---- processes ---------------------------------------------------------------------------------------------------------------- */

static int data = 1;
static int return_7(void) { return 7; }

static int change_data(void)
{
    volatile int *p = &data;
    *p += 40;
    return *p;
}

static void test_fork(void)
{
    int statuses = 0, children = 0, status;
    check("fork and wait", in_child(return_7) == 7);
    check("copy on write", in_child(change_data) == 41 && data == 1 && in_child(change_data) == 41);
    for (int n = 1; n <= 20; n++) {
        int child = fork();
        if (child == 0)
            exit(n);
        children += child > 0;
    }
    while (wait(&status) > 0)
        statuses += status, children--;
    check("twenty children", statuses == 210 && children == 0);
    check("nobody to wait for", wait(&status) == -ECHILD);
}

/* Until no process or no memory is left; then all of it comes back. */
static void test_fork_limit(void)
{
    int ends[2], count = 0, status, ended = 0, child;
    char byte;
    uint32_t before = free_pages();
    pipe(ends);
    while ((child = fork()) > 0)
        count++;
    if (child == 0) {
        close(ends[1]);
        exit(read(ends[0], &byte, 1));      /* sleeps until the parent lets go */
    }
    check("as many processes as there is room for", child == -EAGAIN && count == MAX_PROCESSES - 1);
    close(ends[1]);
    while (wait(&status) > 0)
        ended += status == 0;
    close(ends[0]);
    check("and all of them end", ended == count);
    check("and leave nothing behind", free_pages() == before);
}

static int exec_echo(void)
{
    static const char *const arguments[] = { "echo", "a", "new", "program", NULL };
    exec("echo", arguments);
    return 1;
}

static int exec_wrong(void)
{
    static const char *const arguments[] = { "x", NULL };
    static const char *many[MAX_ARGUMENTS + 2];
    for (int n = 0; n <= MAX_ARGUMENTS; n++)
        many[n] = "x";
    return exec("no-such-program", arguments) == -ENOENT && exec("motd", arguments) == -ENOEXEC && exec((const char *)4, arguments) == -EFAULT
        && exec("echo", (const char *const *)0x50000000) == -EFAULT && exec("echo", many) == -E2BIG;
}

static void test_exec(void)
{
    check("exec", in_child(exec_echo) == 0);
    check("exec refuses what is no program", in_child(exec_wrong) == 1);
}

/* An orphan ends by itself, and nobody has to ask for it. */
static int make_orphan(void)
{
    if (fork() == 0) {
        sleep(20);
        exit(5);
    }
    return 3;
}

static void test_orphan(void)
{
    struct system_info system;
    int status;
    bool ok = in_child(make_orphan) == 3 && wait(&status) == -ECHILD;
    do {
        sleep(10);
        info(&system);
    } while (system.processes > 1);
    check("an orphan ends too", ok);
}

/* ---- faults ------------------------------------------------------------------------------------------------------------------- */

static int touch_null(void) { *(volatile int *)0 = 1; return 0; }
static int touch_kernel(void) { return *(volatile int *)0x100000; }
static int touch_nothing(void) { return *(volatile int *)0x70000000; }
static int write_code(void) { *(volatile char *)(uintptr_t)return_7 = 1; return 0; }
static int divide(void) { __asm__ volatile("xor %%edx, %%edx; div %%edx" : : : "eax", "edx"); return 0; }
static int disable_interrupts(void) { __asm__ volatile("cli"); return 0; }
static int read_port(void) { uint8_t value; __asm__ volatile("inb $0x60, %0" : "=a"(value)); return value; }
static int halt(void) { __asm__ volatile("hlt"); return 0; }
static int other_interrupt(void) { __asm__ volatile("int $0x21"); return 0; }
static int use_x87(void) { __asm__ volatile("fninit"); return 0; }
static int undefined(void) { __asm__ volatile("ud2"); return 0; }
static int call_monitor(void) { __asm__ volatile(".byte 0x0F, 0x01, 0xC1" : : "a"(0) : "memory"); return 0; }
static int load_null_selectors(void) { __asm__ volatile("push %%ds; xor %%eax, %%eax; mov %%eax, %%ds; mov %%eax, %%es; mov $10, %%eax; int $0x80; pop %%ecx" : : : "eax", "ecx", "edx", "ebx", "memory"); return 9; }
static int deep_stack(void) { volatile char room[STACK_SIZE - 8 * PAGE_SIZE]; for (uint32_t n = 0; n < sizeof room; n += PAGE_SIZE) room[n] = 1; return room[0] + 1; }
static int too_deep(void) { volatile char room[STACK_SIZE + PAGE_SIZE]; room[0] = 1; return room[0]; }

static void test_faults(void)
{
    check("null pointer", in_child(touch_null) == KILLED + 14);
    check("the kernel's memory", in_child(touch_kernel) == KILLED + 14);
    check("memory that nobody asked for", in_child(touch_nothing) == KILLED + 14);
    check("a store to code", in_child(write_code) == KILLED + 14);
    check("division by zero", in_child(divide) == KILLED + 0);
    check("CLI", in_child(disable_interrupts) == KILLED + 13);
    check("a port", in_child(read_port) == KILLED + 13);
    check("HLT", in_child(halt) == KILLED + 13);
    check("an interrupt gate of the kernel's", in_child(other_interrupt) == KILLED + 13);
    check("x87 that is not there", in_child(use_x87) == KILLED + 7);
    check("an undefined opcode", in_child(undefined) == KILLED + 6);
    check("a hypercall from ring 3", in_child(call_monitor) == KILLED + 6);
    check("null selectors in a system call", in_child(load_null_selectors) == 9);
    check("a deep stack", in_child(deep_stack) == 2);
    check("a stack too deep", in_child(too_deep) == KILLED + 14);
}

/* ---- memory ------------------------------------------------------------------------------------------------------------------- */

static bool is_zero(const volatile uint32_t *page)
{
    for (uint32_t n = 0; n < PAGE_SIZE / 4; n++)
        if (page[n])
            return false;
    return true;
}

static int touch_unmapped(void)
{
    volatile uint32_t *page = mmap(PAGE_SIZE);
    page[0] = 1;
    munmap((void *)page, PAGE_SIZE);
    return (int)page[0];
}

static int touch_protected(void)
{
    volatile uint32_t *page = mmap(PAGE_SIZE);
    page[0] = 1;
    protect((void *)page, PAGE_SIZE, false);
    if (page[0] != 1)
        return 1;
    page[0] = 2;
    return 2;
}

static int write_shared(void)
{
    volatile uint32_t *pages = mmap(64 * PAGE_SIZE);
    int status = 0;
    for (uint32_t n = 0; n < 64; n++)
        pages[n * 1024] = n;
    int child = fork();
    for (uint32_t n = 0; n < 64; n++)
        pages[n * 1024] += child == 0 ? 1000 : 2000;
    uint32_t sum = 0;
    for (uint32_t n = 0; n < 64; n++)
        sum += pages[n * 1024];
    if (child == 0)
        exit(sum == 63 * 32 + 64 * 1000);
    wait(&status);
    return status == 1 && sum == 63 * 32 + 64 * 2000;
}

static int use_up_memory(void)
{
    struct system_info system;
    info(&system);
    uint32_t pages = system.total_pages;
    volatile uint8_t *room = mmap(pages * PAGE_SIZE);
    if (failed((const void *)room))
        return 1;                           /* more memory than there are addresses for it: nothing to be seen */
    for (uint32_t n = 0; n < pages; n++)
        room[n * PAGE_SIZE] = 1;
    return 0;
}

static void test_memory(void)
{
    uint32_t start = (uint32_t)set_break(0), before = free_pages();
    volatile uint32_t *heap = (volatile uint32_t *)((start + PAGE_SIZE - 1) & -(uint32_t)PAGE_SIZE);
    bool grown = set_break(start + 40 * PAGE_SIZE) == (int)(start + 40 * PAGE_SIZE) && is_zero(heap);
    for (uint32_t n = 0; n < 39; n++)
        heap[n * 1024] = n;
    check("a heap that grows", grown && heap[38 * 1024] == 38);
    check("and shrinks", set_break(start) == (int)start && free_pages() >= before - 1);
    check("and is zero when it comes back", set_break(start + 3 * PAGE_SIZE) > 0 && is_zero(heap) && set_break(start) > 0);

    volatile uint32_t *a = mmap(10 * PAGE_SIZE), *b = mmap(5);
    bool zero = is_zero(a + 9 * 1024) && is_zero(b);
    for (uint32_t n = 0; n < 10; n++)
        a[n * 1024] = n;
    check("mmap", zero && a != b && a[5 * 1024] == 5 && b[0] == 0);
    check("munmap of the middle", munmap((void *)(a + 4 * 1024), 2 * PAGE_SIZE) == 0 && a[3 * 1024] == 3 && a[6 * 1024] == 6 && mmap(2 * PAGE_SIZE) == a + 4 * 1024
          && is_zero(a + 4 * 1024));
    check("munmap of all", munmap((void *)a, 10 * PAGE_SIZE) == 0 && munmap((void *)b, PAGE_SIZE) == 0 && munmap((void *)1, 1) == -EINVAL);
    check("what is unmapped is gone", in_child(touch_unmapped) == KILLED + 14);
    check("what is protected is read-only", in_child(touch_protected) == KILLED + 14);
    check("sixty-four pages, copied on write on both sides", in_child(write_shared) == 1);
    before = free_pages();
    int status = in_child(use_up_memory);
    check("a process that wants more than there is", (status == KILLED + 9 || status == 1) && free_pages() == before);
}

/* ---- pipes -------------------------------------------------------------------------------------------------------------------- */

enum { STREAM = 100000 };

static void test_pipes(void)
{
    static uint8_t buffer[700];
    int ends[2], status, count;
    uint32_t total = 0, sum = 0, expected = 0;
    pipe(ends);
    int child = fork();
    if (child == 0) {
        for (uint32_t sent = 0; sent < STREAM; sent += 500) {
            for (uint32_t n = 0; n < 500; n++)
                buffer[n] = (uint8_t)((sent + n) % 251);
            write(ends[1], buffer, 500);
        }
        exit(0);
    }
    close(ends[1]);
    for (uint32_t n = 0; n < STREAM; n++)
        expected = expected * 31 + n % 251;
    while ((count = read(ends[0], buffer, sizeof buffer)) > 0)
        for (int n = 0; n < count; n++, total++)
            sum = sum * 31 + buffer[n];
    wait(&status);
    close(ends[0]);
    check("a hundred thousand bytes through a pipe", total == STREAM && sum == expected);

    pipe(ends);
    close(ends[0]);
    check("a pipe that nobody reads", write(ends[1], buffer, 1) == -EPIPE);
    close(ends[1]);

    int fds[MAX_FDS], open_fds = 0;
    while (pipe(ends) == 0)
        fds[open_fds++] = ends[0], fds[open_fds++] = ends[1];
    check("as many descriptors as there is room for", open_fds == 12 && pipe(ends) == -EMFILE);
    while (open_fds > 0)
        close(fds[--open_fds]);
    struct system_info system;
    info(&system);
    check("none is left open", system.open_files == 3 && system.pipes == 0);
}

/* ---- time --------------------------------------------------------------------------------------------------------------------- */

__attribute__((noreturn)) static void spin(void)
{
    for (volatile uint32_t n = 0;; n = n + 1) {
    }
}

static void test_time(void)
{
    int ends[2], status;
    char order[4] = "";
    uint64_t begin, now;
    pipe(ends);
    for (int n = 3; n >= 1; n--)
        if (fork() == 0) {
            char name = (char)('0' + n);
            sleep((uint32_t)n * 60);
            write(ends[1], &name, 1);
            exit(0);
        }
    close(ends[1]);
    for (int n = 0; n < 3; n++)
        read(ends[0], order + n, 1);
    while (wait(&status) > 0) {
    }
    close(ends[0]);
    check("sleepers wake in order", same(order, "123"));

    clock(&begin);
    sleep(50);
    clock(&now);
    check("not too early", now - begin >= 50000);

    int first = fork();
    if (first == 0)
        spin();
    int second = fork();
    if (second == 0)
        spin();
    sleep(50);                              /* they never let go: the timer takes the CPU from them */
    bool killed = kill(first) == 0 && kill(second) == 0;
    int sum = 0;
    while (wait(&status) > 0)
        sum += status;
    check("preemption", killed && sum == 2 * (KILLED + 9));
    check("nobody to kill", kill(first) == -ESRCH);
}

/* ---- bad arguments ------------------------------------------------------------------------------------------------------------ */

static void test_arguments(void)
{
    static char text[8];
    void *nothing = (void *)0x60000000, *kernel = (void *)0x100000, *wraps = (void *)0xFFFFFFF0;
    int fd = open("motd");
    check("an unknown system call", CALL0(SYSTEM_CALLS) == -ENOSYS && CALL0(-1) == -ENOSYS);
    check("pointers to nothing", write(1, nothing, 4) == -EFAULT && read(fd, nothing, 4) == -EFAULT && pipe(nothing) == -EFAULT && wait(nothing) == -EFAULT);
    check("pointers to the kernel", write(1, kernel, 4) == -EFAULT && read(fd, kernel, 4) == -EFAULT && open(kernel) == -EFAULT && info(kernel) == -EFAULT);
    check("pointers that wrap around", write(1, wraps, 0x20) == -EFAULT && write(1, text, 0xFFFFFFFF) == -EFAULT);
    check("a buffer in code", read(fd, (void *)(uintptr_t)return_7, 4) == -EFAULT);
    check("descriptors that are not open", read(9, text, 1) == -EBADF && write(-1, text, 1) == -EBADF && close(MAX_FDS) == -EBADF && dup2(9, 1) == -EBADF);
    check("a file", read(fd, text, 7) == 7 && same(text, "A proce") && write(fd, text, 1) == -EBADF && close(fd) == 0 && open("none") == -ENOENT);
    check("sizes that make no sense", failed(mmap(0)) && failed(mmap(0xFFFFFFFF)) && set_break(1) == -ENOMEM && tune(0) == -EINVAL && tune(MAX_BATCH + 1) == -EINVAL);
}

int main(int argc, char **argv)
{
    (void)argc, (void)argv;
    test_fork();
    test_fork_limit();
    test_exec();
    test_orphan();
    test_faults();
    test_memory();
    test_pipes();
    test_time();
    test_arguments();
    print(broken ? "%u WRONG\n" : "all promises kept\n", broken);
    return broken != 0;
}
