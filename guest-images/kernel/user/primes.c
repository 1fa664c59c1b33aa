/* primes [N] - a sieve of processes: each takes the numbers that come through a pipe, prints the first, and passes on what it does not divide.
 * (After Hoare's "Communicating Sequential Processes", where it is McIlroy's.) */
#include "user.h"

static int sieve(int input)
{
    uint32_t prime, value;
    int ends[2], child, status = 0;
    for (;;) {
        if (read(input, &prime, sizeof prime) != sizeof prime)
            return 0;
        print("%u\n", prime);
        if (pipe(ends) < 0 || (child = fork()) < 0)
            return 1;
        if (child > 0)
            break;
        close(ends[1]);                 /* the next one: what this one lets through is its input */
        close(input);
        input = ends[0];
    }
    close(ends[0]);
    while (read(input, &value, sizeof value) == sizeof value)
        if (value % prime != 0)
            write(ends[1], &value, sizeof value);
    close(ends[1]);
    wait(&status);
    return status;
}

int main(int argc, char **argv)
{
    uint32_t limit = 50;
    int ends[2];
    if (argc > 1 && !number(argv[1], &limit)) {
        complain("usage: primes [N]\n");
        return 64;
    }
    if (pipe(ends) < 0)
        return 1;
    int child = fork();
    if (child < 0)
        return 1;
    if (child == 0) {
        close(ends[1]);
        return sieve(ends[0]);
    }
    close(ends[0]);
    for (uint32_t n = 2; n <= limit; n++)
        write(ends[1], &n, sizeof n);
    close(ends[1]);
    int status = 0;
    wait(&status);
    return status;
}
