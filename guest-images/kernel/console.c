/* console.c - COM1: text out by the machine's way, what is typed in by interrupt, a line at a time to whoever reads. What is typed is shown
 * when it is read, not when it comes in: then a session looks the same however fast somebody types. */
#include "format.h"
#include "kernel.h"

enum { COM1_IER = COM1 + 1, COM1_MCR = COM1 + 4, LSR_DATA_READY = 1 };
enum { RING = 1024, LINE = 256, BACKSPACE = 8, DELETE = 127, END_OF_FILE = 4 };

static char ring[RING];             /* typed and not yet read: a multiple of two, put and taken only grow */
static uint32_t put, taken;
static char line[LINE];             /* being edited, or handed out */
static uint32_t line_length, line_taken;
static bool line_complete;
static char bounce[PAGE_SIZE];

void console_start(void)
{
    /* The UART's own queues stay off: switching them on empties them (16550 data sheet, FCR bit 0), and somebody may have typed already. */
    outb(COM1_MCR, 0x0B);           /* DTR, RTS, and OUT2, which on a PC lets the interrupt through */
    outb(COM1_IER, 0x01);           /* an interrupt for what comes in */
}

/* What finds no room stays in the UART, until somebody has read. */
static void receive(void)
{
    while (put - taken < RING && inb(COM1_LSR) & LSR_DATA_READY)
        ring[put++ % RING] = (char)inb(COM1);
}

void console_interrupt(void)
{
    receive();
    wake(ring);
}

void kprintf(const char *format, ...)
{
    char text[256];
    va_list arguments;
    va_start(arguments, format);
    uint32_t length = format_text(text, sizeof text, format, arguments);
    va_end(arguments);
    machine->console_write(text, length);
}

void panic(const char *format, ...)
{
    char text[256];
    va_list arguments;
    va_start(arguments, format);
    uint32_t length = format_text(text, sizeof text, format, arguments);
    va_end(arguments);
    kprintf("kernel panic: ");
    machine->console_write(text, length);
    kprintf("\n");
    machine->power_off(101);
}

int console_write_user(const char *from, uint32_t length)
{
    for (uint32_t done = 0; done < length;) {       /* the user's pages need not lie side by side in memory; these bytes do */
        uint32_t piece = length - done < sizeof bounce ? length - done : sizeof bounce;
        copy_in(bounce, from + done, piece);
        machine->console_write(bounce, piece);
        done += piece;
    }
    return (int)length;
}

/* Takes what is in the ring into the line, up to its end. */
static void edit(void)
{
    char echo[LINE * 3];
    uint32_t shown = 0;
    while (!line_complete && taken != put && shown + 3 <= sizeof echo) {
        char c = ring[taken++ % RING];
        if (c == '\r')
            c = '\n';
        if (c == BACKSPACE || c == DELETE) {
            if (line_length > 0) {
                line_length--;
                echo[shown++] = BACKSPACE;
                echo[shown++] = ' ';
                echo[shown++] = BACKSPACE;
            }
        } else if (c == END_OF_FILE) {
            line_complete = true;
        } else if (c == '\n' || (c >= ' ' && line_length < LINE - 1)) {
            line[line_length++] = echo[shown++] = c;
            line_complete = c == '\n';
        }
    }
    if (shown)
        machine->console_write(echo, shown);
}

/* A line, or as much of it as fits; 0 at the end (Ctrl-D at its beginning). */
int console_read(char *to, uint32_t length)
{
    for (;;) {
        receive();                  /* also what came while the ring was full */
        edit();
        if (line_complete)
            break;
        if (current->killed)
            return -EIO;
        if (taken == put)
            sleep_on(ring);
    }
    uint32_t count = line_length - line_taken < length ? line_length - line_taken : length;
    copy_out(to, line + line_taken, count);
    line_taken += count;
    if (line_taken == line_length) {
        line_length = line_taken = 0;
        line_complete = false;
    }
    return (int)count;
}
