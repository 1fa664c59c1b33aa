/* ps - the processes; ps -m: the machine too. */
#include "user.h"

int main(int argc, char **argv)
{
    static const char *const states[] = { "free", "ready", "running", "blocked", "zombie" };
    struct process_info process;
    struct system_info system;
    int result;
    print("  pid parent state   pages name\n");
    for (uint32_t slot = 0; (result = CALL2(SYS_PROCESS, slot, &process)) >= 0; slot++)
        if (result == 1)
            print("%5d %6d %-8s%5u %s\n", process.pid, process.parent, states[process.state], process.pages, process.name);
    if (argc > 1 && same(argv[1], "-m") && info(&system) == 0)
        print("%s; %u of %u pages free; %u page faults, %u switches, %u ticks\n", system.paravirtual ? "paravirtual" : "fully virtualized",
              system.free_pages, system.total_pages, system.page_faults, system.switches, system.ticks);
    return 0;
}
