/* process.c - processes and the scheduler. A process is a slot in a table, an address space, descriptors, and a kernel stack; those that are
 * ready wait in one queue, first come, first served, with a slice of time each. */
#include "kernel.h"

enum { KERNEL_STACK = 8192 };

static uint8_t kernel_stacks[MAX_PROCESSES][KERNEL_STACK] __attribute__((aligned(16)));
static struct process *first_ready, *last_ready;
static int next_pid = 1;
struct process processes[MAX_PROCESSES];
struct process *current;
bool need_resched;
uint32_t switches, ticks;

static uint32_t stack_top(const struct process *p)
{
    return (uint32_t)kernel_stacks[p - processes + 1];
}

/* A trap from ring 3 begins at the top of the stack, so its frame is always there. */
struct trap_frame *user_frame(struct process *p)
{
    return (struct trap_frame *)stack_top(p) - 1;
}

static void make_ready(struct process *p)
{
    p->state = READY;
    p->waiting_for = NULL;
    p->wake_time = 0;
    p->next = NULL;
    if (first_ready)
        last_ready->next = p;
    else
        first_ready = p;
    last_ready = p;
}

/* Idles on the stack of whoever ran last, in its address space: there is no process for it. */
static struct process *next_ready(void)
{
    while (!first_ready)
        machine->idle();
    struct process *p = first_ready;
    first_ready = p->next;
    return p;
}

void schedule(void)
{
    struct process *before = current;
    struct process *next = next_ready();
    need_resched = false;
    next->state = RUNNING;
    if (first_ready)
        machine->tick_soon();           /* the others shall have their turn too */
    if (next == before)
        return;
    switches++;
    current = next;
    set_kernel_stack(stack_top(next));
    space_load(&next->space);
    switch_stacks(&before->kernel_esp, next->kernel_esp);
}

/* False: nobody else is ready. */
bool give_up_turn(void)
{
    need_resched = false;
    if (!first_ready)
        return false;
    make_ready(current);
    schedule();
    return true;
}

void sleep_on(const void *event)
{
    if (current->killed)
        return;
    current->state = BLOCKED;
    current->waiting_for = event;
    schedule();
}

void wake(const void *event)
{
    for (struct process *p = processes; p < processes + MAX_PROCESSES; p++)
        if (p->state == BLOCKED && p->waiting_for == event)
            make_ready(p);
    if (first_ready)
        machine->tick_soon();
}

/* ---- time ------------------------------------------------------------------------------------------------------------------ */

void timer_interrupt(void)
{
    uint64_t next = 0;
    ticks++;
    for (struct process *p = processes; p < processes + MAX_PROCESSES; p++) {
        if (p->state != BLOCKED || p->wake_time == 0)
            continue;
        if (machine->now() >= p->wake_time)
            make_ready(p);
        else if (next == 0 || p->wake_time < next)
            next = p->wake_time;
    }
    if (next)
        machine->wake_in(next - machine->now());
    if (first_ready) {
        need_resched = true;
        machine->tick_soon();
    }
}

int process_sleep(uint32_t milliseconds)
{
    uint64_t length = (uint64_t)milliseconds * 1000000;
    if (milliseconds == 0) {
        give_up_turn();
        return 0;
    }
    current->wake_time = machine->now() + machine->granularity + length;
    machine->wake_in(length);
    sleep_on(&current->wake_time);
    current->wake_time = 0;
    return 0;
}

/* ---- fork, exit, wait, kill --------------------------------------------------------------------------------------------------- */

static struct process *new_process(void)
{
    for (struct process *p = processes; p < processes + MAX_PROCESSES; p++)
        if (p->state == FREE) {
            memset(p, 0, sizeof *p);
            return p;
        }
    return NULL;
}

int process_fork(const struct trap_frame *frame)
{
    struct process *child = new_process();
    if (!child)
        return -EAGAIN;
    int result = space_fork(&current->space, &child->space, frame->esp);
    if (result < 0)
        return result;
    child->pid = next_pid++;
    child->parent = current;
    memcpy(child->name, current->name, NAME_SIZE);
    files_inherit(current->files, child->files);

    /* It begins as if it had just been switched from in the middle of the same trap, with another result. */
    *user_frame(child) = *frame;
    user_frame(child)->eax = 0;
    uint32_t *stack = (uint32_t *)user_frame(child);
    *--stack = (uint32_t)trap_return;
    stack -= 4;                         /* EBP, EBX, ESI, EDI: as switch_stacks() pops them; trap_return needs none */
    child->kernel_esp = (uint32_t)stack;
    make_ready(child);
    machine->tick_soon();
    return child->pid;
}

static void bury(struct process *p)
{
    space_destroy(&p->space);
    p->state = FREE;
}

void process_exit(int status)
{
    if (current->pid == 1)
        machine->power_off(status);
    files_close_all(current->files);
    for (struct process *p = processes; p < processes + MAX_PROCESSES; p++)
        if (p->state != FREE && p->parent == current) {
            p->parent = NULL;           /* nobody will ask for it */
            if (p->state == ZOMBIE)
                bury(p);
        }
    current->status = status;
    current->state = ZOMBIE;            /* its address space is in use until somebody else's is loaded: wait() takes it apart */
    if (current->parent) {
        wake(current->parent);
    } else {
        space_load(NULL);
        bury(current);                  /* the slot is free, its stack in use until here: only others run after this */
    }
    schedule();
    panic("a process that ended runs on");
}

int process_wait(int *status)
{
    for (;;) {
        bool any = false;
        for (struct process *p = processes; p < processes + MAX_PROCESSES; p++) {
            if (p->state == FREE || p->parent != current)
                continue;
            any = true;
            if (p->state == ZOMBIE) {
                *status = p->status;
                bury(p);
                return p->pid;
            }
        }
        if (!any || current->killed)
            return -ECHILD;
        sleep_on(current);
    }
}

int process_kill(int pid)
{
    for (struct process *p = processes; p < processes + MAX_PROCESSES; p++)
        if (p->pid == pid && p->state != FREE && p->state != ZOMBIE) {
            p->killed = true;
            if (p->state == BLOCKED)
                make_ready(p);          /* what it waits for looks at `killed` */
            return 0;
        }
    return -ESRCH;
}

void processes_start(const char *program, const char *const *arguments)
{
    struct process *first = new_process();
    struct trap_frame *frame = user_frame(first);
    uint32_t page;
    current = first;
    first->pid = next_pid++;
    first->state = RUNNING;
    for (int fd = 0; fd < 3; fd++)
        first->files[fd] = file_console();
    int count = gather_arguments(arguments, false, &page);
    int result = count < 0 ? count : process_exec(program, page, (uint32_t)count, frame);
    if (result < 0)
        panic("cannot start %s: error %d", program, -result);
    set_kernel_stack(stack_top(first));
    return_to_user(frame);
}
