/* guest: race
 * format: multiboot
 * teaches: a race: two threads, one counter, and a timer that comes at the wrong moment
 * expect-status: 3
 * expect-serial: sold 189614 of 200000\n
 * qemu-skip: when the timer comes between two instructions is another matter there, and so is what gets lost
 *
 * Two clerks sell tickets from one roll. Each looks at the number on the roll and writes down the next one - two steps, and between
 * them the timer may give the CPU to the other clerk. Now and then it does: docs/debugging.md finds out when, by going back from the end. */
#include "toyvmm.h"

enum { TICKETS = 100000, CLERKS = 2, STACK_WORDS = 1024, PRINTING = 4 };
enum { PIC1 = 0x20, PIC2 = 0xA0, PIC_EOI = 0x20, PIT_CHANNEL0 = 0x40, PIT_COMMAND = 0x43, PIT_COUNT = 119, VECTOR_TIMER = 0x20, KERNEL_CODE = 8 };

struct gate { uint16_t low, selector, flags, high; };                   /* SDM 3A 6.11 */
struct table_pointer { uint16_t limit; uint32_t base; } __attribute__((packed));

volatile uint32_t sold;                 /* by both, as the roll says */
volatile uint32_t sold_by[CLERKS];      /* by each, as the clerk says */
volatile uint32_t paper;

static struct gate idt[VECTOR_TIMER + 1];
static uint32_t stacks[CLERKS][STACK_WORDS];
static uint32_t saved_esp[CLERKS + 1];  /* of the clerks, and of guest_main */
static uint32_t running = CLERKS;
static uint32_t at_work = CLERKS;

/* The other one's turn: all registers wait on the stack of whoever is interrupted. */
__asm__("timer_entry: pusha\n\t push %esp\n\t call next_turn\n\t mov %eax, %esp\n\t popa\n\t iret");
void timer_entry(void);

__attribute__((used)) uint32_t next_turn(uint32_t esp)
{
    saved_esp[running] = esp;
    running = (running + 1) % (CLERKS + 1);
    outb(PIC1, PIC_EOI);
    return saved_esp[running];
}

__attribute__((noinline)) static void print_ticket(uint32_t number)
{
    for (int line = 0; line < PRINTING; line++)
        paper = paper * 33 + number;
}

__attribute__((noinline)) static void sell_ticket(uint32_t clerk)
{
    uint32_t number = sold + 1;
    sold = number;
    sold_by[clerk]++;
    print_ticket(number);
}

static void work(uint32_t clerk)
{
    for (int n = 0; n < TICKETS; n++)
        sell_ticket(clerk);
    __asm__ volatile("decl %0" : "+m"(at_work));       /* one instruction: nothing can come between */
    for (;;)
        __asm__ volatile("hlt");
}

/* As if the timer had interrupted it before its first instruction: PUSHA's registers, EIP, CS, EFLAGS with IF; then its caller and its argument. */
static uint32_t new_stack(uint32_t clerk)
{
    uint32_t *top = stacks[clerk] + STACK_WORDS;
    *--top = clerk;
    *--top = 0;
    *--top = 0x202;
    *--top = KERNEL_CODE;
    *--top = (uint32_t)work;
    return (uint32_t)(top - 8);
}

static void start_timer(void)
{
    struct table_pointer pointer = { sizeof idt - 1, (uint32_t)idt };
    uint32_t handler = (uint32_t)timer_entry;
    idt[VECTOR_TIMER] = (struct gate){ (uint16_t)handler, KERNEL_CODE, 0x8E00, (uint16_t)(handler >> 16) };
    __asm__ volatile("lidt %0" : : "m"(pointer));
    outb(PIC1, 0x11);                   /* 8259A data sheet, ICW1 to ICW4 */
    outb(PIC1 + 1, VECTOR_TIMER);
    outb(PIC1 + 1, 1 << 2);
    outb(PIC1 + 1, 1);
    outb(PIC1 + 1, 0xFE);
    outb(PIC2 + 1, 0xFF);
    outb(PIT_COMMAND, 0x34);            /* 8254 data sheet: channel 0, both bytes, mode 2; ten thousand times a second */
    outb(PIT_CHANNEL0, PIT_COUNT & 0xFF);
    outb(PIT_CHANNEL0, PIT_COUNT >> 8);
}

int guest_main(uint32_t magic, const struct multiboot_info *info)
{
    (void)magic, (void)info;
    for (uint32_t clerk = 0; clerk < CLERKS; clerk++)
        saved_esp[clerk] = new_stack(clerk);
    start_timer();
    while (*(volatile uint32_t *)&at_work)
        __asm__ volatile("sti; hlt");
    __asm__ volatile("cli");
    print("sold ");
    print_dec(sold);
    print(" of ");
    print_dec(CLERKS * TICKETS);
    print("\n");
    return sold == CLERKS * TICKETS ? 0 : 1;
}
