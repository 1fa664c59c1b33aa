/* bench ROW LOOPS - what single operations cost. bench alone names the rows.
 *
 *   syscall     getpid
 *   clock       the time
 *   switch      a byte to another process and back, through two pipes
 *   yield       two processes let each other go first, again and again
 *   fork        fork, exit, wait
 *   exec        a program takes the place of itself
 *   fault       a page of new memory, touched for the first time
 *   cow         a page shared since fork, stored to
 *   mmap        sixteen pages asked for, touched, given back
 *   console     a line of 64 bytes
 *   table-1     a page-table entry changed, one at a time
 *   table-64    the same, in batches of 64
 *
 * Each prints `ROW LOOPS operations N ticks T`: N operations in a loop, T of the time-stamp counter for all loops. Where the guest's clock is
 * virtual T says little: then the host runs a row twice, with different LOOPS, and takes the difference (toyvmm bench paravirt). A mark says
 * where the measured part begins and where it ends, for whoever watches from outside. */
#include "user.h"

enum { PAGES = 64, FEW_PAGES = 16 };

static void must(bool holds, const char *what)
{
    if (!holds) {
        complain("bench: %s\n", what);
        exit(1);
    }
}

static inline uint64_t ticks(void)
{
    uint64_t value;
    __asm__ volatile("rdtsc" : "=A"(value));
    return value;
}

static void touch(volatile uint32_t *pages, uint32_t count)
{
    for (uint32_t n = 0; n < count; n++)
        pages[n * (PAGE_SIZE / 4)] = n;
}

static void wait_for(int child)
{
    int status = -1;
    must(child > 0 && wait(&status) == child && status == 0, "a child went wrong");
}

static void row_syscall(uint32_t loops)
{
    int pid = getpid();
    while (loops--)
        must(getpid() == pid, "getpid");
}

static void row_clock(uint32_t loops)
{
    uint64_t before = 0, now;
    for (; loops--; before = now) {
        clock(&now);
        must(now >= before, "time went back");
    }
}

static void row_switch(uint32_t loops)
{
    int there[2], back[2];
    uint8_t ball;
    must(pipe(there) == 0 && pipe(back) == 0, "pipe");
    int child = fork();
    if (child == 0) {
        close(there[1]);
        while (read(there[0], &ball, 1) == 1) {
            ball++;
            write(back[1], &ball, 1);
        }
        exit(0);
    }
    for (uint32_t n = 0; n < loops; n++) {
        ball = (uint8_t)n;
        must(write(there[1], &ball, 1) == 1 && read(back[0], &ball, 1) == 1 && ball == (uint8_t)(n + 1), "the ball");
    }
    close(there[1]);
    wait_for(child);
}

static void row_yield(uint32_t loops)
{
    int child = fork();
    for (uint32_t n = 0; n < loops; n++)
        yield();
    if (child == 0)
        exit(0);
    wait_for(child);
}

static void row_fork(uint32_t loops)
{
    while (loops--) {
        int child = fork();
        if (child == 0)
            exit(0);
        wait_for(child);
    }
}

/* The next program has one loop less to go; the first one waits for the last. */
static void row_exec(uint32_t loops)
{
    char text[11], *digits = text + sizeof text;
    *--digits = 0;
    for (uint32_t n = loops; n || !*digits; n /= 10)
        *--digits = (char)('0' + n % 10);
    const char *const arguments[] = { "bench", "exec-next", digits, NULL };
    int child = fork();
    if (child == 0) {
        exec("bench", arguments);
        exit(1);
    }
    wait_for(child);
}

static int exec_next(const char *text)
{
    uint32_t left;
    if (!number(text, &left))
        return 1;
    if (left <= 1)
        return 0;
    char digits[11], *p = digits + sizeof digits;
    *--p = 0;
    for (uint32_t n = left - 1; n; n /= 10)
        *--p = (char)('0' + n % 10);
    const char *const arguments[] = { "bench", "exec-next", p, NULL };
    exec("bench", arguments);
    return 1;
}

static void row_fault(uint32_t loops)
{
    while (loops--) {
        void *pages = mmap(PAGES * PAGE_SIZE);
        must(!failed(pages), "mmap");
        touch(pages, PAGES);
        munmap(pages, PAGES * PAGE_SIZE);
    }
}

static void row_cow(uint32_t loops)
{
    void *pages = mmap(PAGES * PAGE_SIZE);
    must(!failed(pages), "mmap");
    touch(pages, PAGES);
    while (loops--) {
        int child = fork();
        if (child == 0) {
            touch(pages, PAGES);
            exit(0);
        }
        wait_for(child);
    }
}

static void row_mmap(uint32_t loops)
{
    while (loops--) {
        void *pages = mmap(FEW_PAGES * PAGE_SIZE);
        must(!failed(pages), "mmap");
        touch(pages, FEW_PAGES);
        munmap(pages, FEW_PAGES * PAGE_SIZE);
    }
}

static void row_console(uint32_t loops)
{
    static const char line[] = "A line of sixty-four bytes, the last of which ends it properly.\n";
    _Static_assert(sizeof line == 64 + 1, "the line");
    while (loops--)
        must(write(1, line, 64) == 64, "write");
}

static void change_tables(uint32_t loops, uint32_t batch)
{
    void *pages = mmap(PAGES * PAGE_SIZE);
    must(!failed(pages), "mmap");
    touch(pages, PAGES);
    must(tune(batch) == 0, "tune");
    for (uint32_t n = 0; n < loops; n++)
        must(protect(pages, PAGES * PAGE_SIZE, n % 2) == 0, "protect");
    must(tune(MAX_BATCH) == 0, "tune");
}

static void row_table_1(uint32_t loops) { change_tables(loops, 1); }
static void row_table_64(uint32_t loops) { change_tables(loops, 64); }

static const struct row {
    const char *name;
    void (*run)(uint32_t loops);
    uint32_t operations;        /* of a loop */
} rows[] = {
    { "syscall", row_syscall, 1 },
    { "clock", row_clock, 1 },
    { "switch", row_switch, 1 },
    { "yield", row_yield, 2 },
    { "fork", row_fork, 1 },
    { "exec", row_exec, 1 },
    { "fault", row_fault, PAGES },
    { "cow", row_cow, PAGES },
    { "mmap", row_mmap, 1 },
    { "console", row_console, 1 },
    { "table-1", row_table_1, PAGES },
    { "table-64", row_table_64, PAGES },
};

enum { ROWS = sizeof rows / sizeof *rows };

int main(int argc, char **argv)
{
    uint32_t loops;
    if (argc == 1) {
        for (uint32_t n = 0; n < ROWS; n++)
            print("%s %u\n", rows[n].name, rows[n].operations);
        return 0;
    }
    if (argc == 3 && same(argv[1], "exec-next"))
        return exec_next(argv[2]);
    if (argc != 3 || !number(argv[2], &loops) || loops == 0) {
        complain("usage: bench [ROW LOOPS]\n");
        return 64;
    }
    for (uint32_t n = 0; n < ROWS; n++)
        if (same(argv[1], rows[n].name)) {
            mark(n + 1, 1);
            uint64_t begin = ticks();
            rows[n].run(loops);
            uint64_t time = ticks() - begin;
            mark(n + 1, 0);
            print("%s %u operations %u ticks %u\n", rows[n].name, loops, rows[n].operations, time > 0xFFFFFFFF ? 0xFFFFFFFF : (uint32_t)time);
            return 0;
        }
    complain("bench: there is no row %s\n", argv[1]);
    return 64;
}
