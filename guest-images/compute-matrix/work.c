/* guest: compute-matrix
 * format: multiboot
 * teaches: three nested loops of multiply and add over arrays
 * expect-status: 0
 * expect-serial: matrix checksum 1A21A8C5\n
 *
 * The product of two 64 x 64 matrices of 32-bit words (modulo 2^32), as written in every textbook. One unit of scale is
 * one product; the result becomes the next left factor.
 */
#include "work.h"

#define N 64

const char work_name[] = "matrix";
const uint32_t work_default_scale = 160;

static uint32_t left[N][N], right[N][N], product[N][N];

static void multiply(void)
{
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++) {
            uint32_t sum = 0;
            for (int k = 0; k < N; k++)
                sum += left[i][k] * right[k][j];
            product[i][j] = sum;
        }
}

uint32_t work(uint32_t scale)
{
    uint32_t random = 0xBEEF, checksum = 0;
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++) {
            left[i][j] = random = next_random(random);
            right[i][j] = random = next_random(random);
        }
    for (uint32_t n = 0; n < scale; n++) {
        multiply();
        for (int i = 0; i < N; i++)
            for (int j = 0; j < N; j++) {
                checksum = checksum * 31 + product[i][j];
                left[i][j] = product[i][j] | 1;     /* odd: repeated products must not die out to zero */
            }
    }
    return checksum;
}
