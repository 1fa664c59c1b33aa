/* guest: compute-quicksort
 * format: multiboot
 * teaches: unpredictable branches and recursion over memory
 * expect-status: 0
 * expect-serial: quicksort checksum 233EBF8F\n
 *
 * Hoare's quicksort (CACM 4:7, 1961) of 16,384 pseudo-random words; insertion sort below 12. One unit of scale fills,
 * sorts and checks the array once.
 */
#include "work.h"

#define COUNT 16384
#define SMALL 12

const char work_name[] = "quicksort";
const uint32_t work_default_scale = 150;

static uint32_t values[COUNT];

static void insertion_sort(uint32_t *low, uint32_t *high)
{
    for (uint32_t *p = low + 1; p <= high; p++) {
        uint32_t x = *p, *q = p;
        for (; q > low && q[-1] > x; q--)
            *q = q[-1];
        *q = x;
    }
}

static void quicksort(uint32_t *low, uint32_t *high)
{
    while (high - low >= SMALL) {
        uint32_t pivot = low[(high - low) / 2];
        uint32_t *i = low, *j = high;
        while (i <= j) {
            while (*i < pivot)
                i++;
            while (*j > pivot)
                j--;
            if (i <= j) {
                uint32_t t = *i;
                *i++ = *j;
                *j-- = t;
            }
        }
        if (j - low < high - i) {               /* recurse into the smaller part: depth stays below log2(COUNT) */
            quicksort(low, j);
            low = i;
        } else {
            quicksort(i, high);
            high = j;
        }
    }
    if (low < high)
        insertion_sort(low, high);
}

uint32_t work(uint32_t scale)
{
    uint32_t random = 0x1234567, checksum = 0;
    for (uint32_t n = 0; n < scale; n++) {
        for (int i = 0; i < COUNT; i++)
            values[i] = random = next_random(random);
        quicksort(values, values + COUNT - 1);
        for (int i = 1; i < COUNT; i++)
            if (values[i - 1] > values[i])
                return 0;                       /* not sorted: a checksum that nobody expects */
        checksum = checksum * 31 + values[n % COUNT];
    }
    return checksum;
}
