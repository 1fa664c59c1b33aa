/* guest: compute-sieve
 * format: multiboot
 * teaches: byte stores with a stride, and very short loops
 * expect-status: 0
 * expect-serial: sieve checksum 75AD7F7F\n
 *
 * The sieve of Eratosthenes over the odd numbers below two million. One unit of scale is one whole sieve; the checksum
 * mixes the number of primes (148,933) and their sum.
 */
#include "work.h"

#define LIMIT 2000000
#define HALF (LIMIT / 2)                        /* index i stands for 2 * i + 1 */

const char work_name[] = "sieve";
const uint32_t work_default_scale = 25;

static uint8_t composite[HALF];

uint32_t work(uint32_t scale)
{
    uint32_t checksum = 0;
    for (uint32_t n = 0; n < scale; n++) {
        for (uint32_t i = 0; i < HALF; i++)
            composite[i] = 0;
        for (uint32_t i = 1; 2 * i * (i + 1) < HALF; i++) {
            if (composite[i])
                continue;
            uint32_t prime = 2 * i + 1;
            for (uint32_t j = 2 * i * (i + 1); j < HALF; j += prime)    /* from prime * prime on */
                composite[j] = 1;
        }
        uint32_t count = 1, sum = 2;
        for (uint32_t i = 1; i < HALF; i++)
            if (!composite[i]) {
                count++;
                sum += 2 * i + 1;
            }
        if (count != 148933)
            return 0;
        checksum = checksum * 31 + (count ^ sum);
    }
    return checksum;
}
