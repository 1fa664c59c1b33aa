/* osbench.c - what an operating system does for a living, as a static program without a C library, for a 32-bit Linux
 * guest: osbench ROW COUNT. tools/compare-os.sh builds it, boots Debian's kernel around it and times it from outside.
 *
 *   fork-exec   COUNT times: fork, execve of this program (which exits), waitpid
 *   fork-wait   COUNT times: fork, exit, waitpid: Adams and Agesen's forkwait
 *   pipe        COUNT round trips of one byte between two processes
 *   page-fault  COUNT pages: mmap of 1 MiB, a store into every page, munmap
 *   int80       COUNT times getppid by INT 0x80
 *   sysenter    COUNT times getppid through the kernel's own entry code (vDSO): SYSENTER, where the CPU has it
 *
 * "BEGIN row count" and "END row count" on standard output are what the host takes the time of. The work is checked; what goes wrong is
 * said, and the program fails before END. gcc -m32 -O2 -march=i686 -nostdlib -static -ffreestanding
 */
#include <stddef.h>
#include <stdint.h>

/* Numbers of the 32-bit system calls: Linux, arch/x86/entry/syscalls/syscall_32.tbl. */
enum { SYS_exit = 1, SYS_fork = 2, SYS_read = 3, SYS_write = 4, SYS_close = 6, SYS_waitpid = 7, SYS_execve = 11, SYS_pipe = 42, SYS_getppid = 64,
       SYS_munmap = 91, SYS_mmap2 = 192 };
enum { AT_NULL = 0, AT_SYSINFO = 32 };      /* elf(5): the address of __kernel_vsyscall */
enum { PROT_READ_WRITE = 3, MAP_PRIVATE_ANONYMOUS = 0x22, PAGE = 4096, PAGES = 256, CHILD_STATUS = 7 };

/* Registers as for INT 0x80: EAX number, EBX ECX EDX ESI EDI EBP arguments; EAX the result, or minus an error. */
long call_int80(long number, long a, long b, long c, long d, long e, long f);
long call_vdso(long number, long a, long b, long c, long d, long e, long f);
uintptr_t vdso_entry;

__asm__(".text\n"
        ".macro SYSTEM_CALL name, instruction:vararg\n"
        "\\name: push %ebp; push %edi; push %esi; push %ebx\n"
        "  mov 20(%esp), %eax; mov 24(%esp), %ebx; mov 28(%esp), %ecx; mov 32(%esp), %edx\n"
        "  mov 36(%esp), %esi; mov 40(%esp), %edi; mov 44(%esp), %ebp\n"
        "  \\instruction\n"
        "  pop %ebx; pop %esi; pop %edi; pop %ebp; ret\n"
        ".endm\n"
        "SYSTEM_CALL call_int80, int $0x80\n"
        "SYSTEM_CALL call_vdso, call *vdso_entry\n"
        ".globl _start\n"
        "_start: xor %ebp, %ebp; mov %esp, %eax; and $-16, %esp; sub $12, %esp; push %eax; call run\n");

/* What a C library would do: the vDSO's entry where there is one. */
static long call(long number, long a, long b, long c)
{
    return vdso_entry ? call_vdso(number, a, b, c, 0, 0, 0) : call_int80(number, a, b, c, 0, 0, 0);
}

__attribute__((noreturn)) static void leave(int status)
{
    for (;;)
        call(SYS_exit, status, 0, 0);
}

static size_t length(const char *text)
{
    size_t n = 0;
    while (text[n])
        n++;
    return n;
}

/* Three words as one line, in one write: two processes may share the console. */
static void say(const char *a, const char *b, const char *c)
{
    char line[128];
    size_t n = 0;
    const char *words[] = { a, b, c };
    for (int w = 0; w < 3; w++) {
        for (const char *p = words[w]; *p && n < sizeof line - 2; p++)
            line[n++] = *p;
        line[n++] = w < 2 ? ' ' : '\n';
    }
    call(SYS_write, 1, (long)line, (long)n);
}

static void must(int holds, const char *what)
{
    if (!holds) {
        say("osbench:", "WRONG:", what);
        leave(1);
    }
}

static int equal(const char *a, const char *b)
{
    return length(a) == length(b) && ({ size_t i = 0; while (a[i] && a[i] == b[i]) i++; !a[i]; });
}

static void wait_for(long child)
{
    int status = 0;
    must(call(SYS_waitpid, child, (long)&status, 0) == child, "waitpid");
    must(status == CHILD_STATUS << 8, "the child's status");
}

static void fork_exec(uint32_t count, char *self, char **environment)
{
    char *arguments[] = { self, "child", NULL };
    while (count--) {
        long child = call(SYS_fork, 0, 0, 0);
        must(child >= 0, "fork");
        if (child == 0) {
            call(SYS_execve, (long)self, (long)arguments, (long)environment);
            leave(1);
        }
        wait_for(child);
    }
}

static void fork_wait(uint32_t count)
{
    while (count--) {
        long child = call(SYS_fork, 0, 0, 0);
        must(child >= 0, "fork");
        if (child == 0)
            leave(CHILD_STATUS);
        wait_for(child);
    }
}

static void ping_pong(uint32_t count)
{
    int there[2], back[2];
    must(call(SYS_pipe, (long)there, 0, 0) == 0 && call(SYS_pipe, (long)back, 0, 0) == 0, "pipe");
    long child = call(SYS_fork, 0, 0, 0);
    must(child >= 0, "fork");
    uint8_t ball = 0;
    if (child == 0) {
        call(SYS_close, there[1], 0, 0);
        while (call(SYS_read, there[0], (long)&ball, 1) == 1) {
            ball++;
            call(SYS_write, back[1], (long)&ball, 1);
        }
        leave(CHILD_STATUS);
    }
    for (uint32_t i = 0; i < count; i++) {
        ball = (uint8_t)i;
        must(call(SYS_write, there[1], (long)&ball, 1) == 1 && call(SYS_read, back[0], (long)&ball, 1) == 1, "the pipes");
        must(ball == (uint8_t)(i + 1), "the byte that came back");
    }
    call(SYS_close, there[1], 0, 0);
    wait_for(child);
}

static void page_faults(uint32_t count)
{
    for (uint32_t done = 0; done < count; done += PAGES) {
        long space = call_int80(SYS_mmap2, 0, PAGES * PAGE, PROT_READ_WRITE, MAP_PRIVATE_ANONYMOUS, -1, 0);
        must((unsigned long)space < 0xFFFFF000ul, "mmap");
        for (int page = 0; page < PAGES; page++)        /* a store first: a load would map the page of zeros, and fault twice */
            *(volatile int *)(space + page * PAGE) = page + 1;
        for (int page = 0; page < PAGES; page += PAGES / 4)
            must(((int *)(space + page * PAGE))[0] == page + 1 && ((int *)(space + page * PAGE))[1] == 0, "what a new page holds");
        must(call(SYS_munmap, space, PAGES * PAGE, 0) == 0, "munmap");
    }
}

static void system_calls(uint32_t count, long (*way)(long, long, long, long, long, long, long))
{
    long parent = call_int80(SYS_getppid, 0, 0, 0, 0, 0, 0);
    long sum = 0;
    for (uint32_t i = 0; i < count; i++)
        sum += way(SYS_getppid, 0, 0, 0, 0, 0, 0);
    must((uint32_t)sum == (uint32_t)parent * count, "getppid");
}

/* The stack as the kernel leaves it: argc, argv, 0, environment, 0, auxiliary vector (System V ABI, i386 supplement, 3-28). */
__attribute__((used, noreturn)) void run(uintptr_t *stack)
{
    int argc = (int)stack[0];
    char **argv = (char **)(stack + 1);
    char **environment = argv + argc + 1;
    char **end = environment;
    while (*end)
        end++;
    for (uintptr_t *aux = (uintptr_t *)(end + 1); aux[0] != AT_NULL; aux += 2)
        if (aux[0] == AT_SYSINFO)
            vdso_entry = aux[1];
    if (argc == 2 && equal(argv[1], "child"))
        leave(CHILD_STATUS);
    if (argc != 3) {
        say("usage:", "osbench", "ROW COUNT");
        leave(64);
    }

    const char *row = argv[1];
    uint32_t count = 0;
    for (const char *p = argv[2]; *p; p++) {
        must(*p >= '0' && *p <= '9', "the count is no number");
        count = count * 10 + (uint32_t)(*p - '0');
    }
    say("BEGIN", row, argv[2]);
    if (equal(row, "fork-exec"))
        fork_exec(count, argv[0], environment);
    else if (equal(row, "fork-wait"))
        fork_wait(count);
    else if (equal(row, "pipe"))
        ping_pong(count);
    else if (equal(row, "page-fault"))
        page_faults(count);
    else if (equal(row, "int80"))
        system_calls(count, call_int80);
    else if (equal(row, "sysenter")) {
        must(vdso_entry != 0, "the kernel offers no vDSO");
        system_calls(count, call_vdso);
    } else
        must(0, "there is no such row");
    say("END", row, argv[2]);
    leave(0);
}
