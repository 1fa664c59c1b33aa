/* guest: compute-chase
 * format: multiboot
 * teaches: dependent loads all over memory: address translation and the host's caches are everything
 * expect-status: 0
 * expect-serial: chase checksum 1452EDA0\n
 *
 * One random cycle through 8,192 nodes of 64 bytes (512 KiB), followed node by node: each load's address comes from the
 * load before. One unit of scale is one round of the cycle.
 */
#include "work.h"

#define NODES 8192

const char work_name[] = "chase";
const uint32_t work_default_scale = 4000;

struct node {
    struct node *next;
    uint32_t value;
    uint32_t padding[14];                       /* one node, one cache line */
};

static struct node nodes[NODES];

/* Sattolo's algorithm (IPL 22:6, 1986): a random permutation that is a single cycle. */
static void link_in_one_cycle(void)
{
    static uint32_t order[NODES];
    uint32_t random = 0xDEC0DE;
    for (uint32_t i = 0; i < NODES; i++)
        order[i] = i;
    for (uint32_t i = NODES - 1; i > 0; i--) {
        random = next_random(random);
        uint32_t j = random % i, t = order[i];
        order[i] = order[j];
        order[j] = t;
    }
    for (uint32_t i = 0; i < NODES; i++) {
        nodes[i].next = &nodes[order[i]];
        nodes[i].value = random = next_random(random);
    }
}

uint32_t work(uint32_t scale)
{
    link_in_one_cycle();
    const struct node *p = nodes;
    uint32_t checksum = 0;
    for (uint32_t n = 0; n < scale; n++) {
        uint32_t steps = 0;
        do {
            checksum += p->value ^ steps;
            p = p->next;
            steps++;
        } while (p != nodes);
        if (steps != NODES)
            return 0;                           /* not one cycle: a checksum that nobody expects */
    }
    return checksum;
}
