/* sh - a shell: words, quotes, pipes (a | b | c), background (&), and the commands wait, exit and help. */
#include "user.h"

enum { LINE = 256, STAGES = 8 };

static int children[MAX_PROCESSES]; /* not yet waited for, foreground and background */
static int child_count;

/* Finds the next word, without its quotes: its length is known, its zero not yet written, as that may be where a | stands. NULL: the next
 * thing is no word. False: a quote that is not closed. */
static bool next_word(char **at, char **word, uint32_t *used)
{
    char *p = *at, *to;
    while (*p == ' ')
        p++;
    *word = to = p;
    if (*p == 0 || *p == '|' || *p == '&') {
        *at = p;
        *word = NULL;
        return true;
    }
    while (*p && *p != ' ' && *p != '|' && *p != '&') {
        if (*p == '\'' || *p == '"') {
            char quote = *p++;
            while (*p && *p != quote)
                *to++ = *p++;
            if (!*p)
                return false;
            p++;
        } else {
            *to++ = *p++;
        }
    }
    *used = (uint32_t)(to - *word);
    *at = p;
    return true;
}

struct command { const char *words[MAX_ARGUMENTS + 1]; int count; };

/* How many commands the line has; -1 after a complaint. */
static int parse(char *line, struct command *commands, bool *in_background)
{
    int n = 0;
    commands[0].count = 0;
    *in_background = false;
    for (char *p = line;;) {
        char *word;
        uint32_t used = 0;
        if (!next_word(&p, &word, &used)) {
            complain("sh: a quote is not closed\n");
            return -1;
        }
        char behind = *p;
        if (word) {
            if (commands[n].count == MAX_ARGUMENTS) {
                complain("sh: more than %d words\n", MAX_ARGUMENTS);
                return -1;
            }
            commands[n].words[commands[n].count++] = word;
        }
        if (behind)
            p++;
        if (word)
            word[used] = 0;
        if (behind == ' ')
            continue;
        commands[n].words[commands[n].count] = NULL;
        if (behind == 0)
            return commands[n].count > 0 ? n + 1 : n == 0 ? 0 : (complain("sh: a command is missing\n"), -1);
        if (commands[n].count == 0 || (behind == '|' && n == STAGES - 1)) {
            complain(commands[n].count == 0 ? "sh: a command is missing\n" : "sh: the pipe is too long\n");
            return -1;
        }
        if (behind == '&') {
            while (*p == ' ')
                p++;
            if (*p) {
                complain("sh: & ends a line\n");
                return -1;
            }
            *in_background = true;
            return n + 1;
        }
        commands[++n].count = 0;
    }
}

static void run_program(const struct command *command)
{
    int result = exec(command->words[0], command->words);
    complain(result == -ENOENT ? "sh: %s: not found\n" : "sh: %s: cannot run\n", command->words[0]);
    exit(127);
}

/* Starts each command, its standard input being the pipe from the one before. */
static void start(const struct command *commands, int count)
{
    int input = 0, started = 0;
    for (; started < count; started++) {
        int ends[2] = { 0, 1 };
        bool last = started == count - 1;
        if (!last && pipe(ends) < 0) {
            complain("sh: no pipe\n");
            break;
        }
        int child = fork();
        if (child == 0) {
            if (input)
                dup2(input, 0), close(input);
            if (!last)
                dup2(ends[1], 1), close(ends[0]), close(ends[1]);
            run_program(&commands[started]);
        }
        if (input)
            close(input);
        if (!last)
            close(ends[1]);
        input = last ? 0 : ends[0];
        if (child < 0) {
            complain("sh: no process\n");
            break;
        }
        children[child_count++] = child;
    }
    if (input)
        close(input);
}

/* Until all children from that one on have ended; others may end meanwhile. */
static void wait_from(int first)
{
    int status;
    while (child_count > first) {
        int child = wait(&status), n = 0;
        if (child < 0)
            break;
        if (status >= KILLED)
            complain("sh: %d ended by %s %d\n", child, status == KILLED + 9 ? "kill" : "exception", status - KILLED);
        while (n < child_count && children[n] != child)
            n++;
        first -= n < first;
        for (; n < child_count - 1; n++)
            children[n] = children[n + 1];
        child_count--;
    }
}

/* False: the end. */
static bool read_line(char *line, uint32_t size)
{
    uint32_t used = 0;
    while (used < size - 1) {
        int result = read(0, line + used, size - 1 - used);
        if (result <= 0)
            return false;
        used += (uint32_t)result;
        if (line[used - 1] == '\n') {
            line[used - 1] = 0;
            return true;
        }
    }
    line[used] = 0;
    return true;
}

int main(int argc, char **argv)
{
    static char line[LINE];
    static struct command commands[STAGES];
    (void)argc, (void)argv;
    for (;;) {
        bool in_background;
        uint32_t status = 0;
        write(1, "$ ", 2);
        if (!read_line(line, sizeof line)) {
            write(1, "\n", 1);
            return 0;
        }
        int count = parse(line, commands, &in_background);
        if (count <= 0)
            continue;
        const struct command *first = &commands[0];
        if (same(first->words[0], "exit")) {
            if (first->count > 1 && !number(first->words[1], &status))
                complain("sh: exit: %s is no number\n", first->words[1]);
            else
                return (int)status;
        } else if (same(first->words[0], "wait")) {
            wait_from(0);
        } else if (same(first->words[0], "help")) {
            print("commands: a | b, a &, wait, exit [STATUS]; programs: ls\n");
        } else {
            int first_child = child_count;
            start(commands, count);
            if (!in_background)
                wait_from(first_child);
        }
    }
}
