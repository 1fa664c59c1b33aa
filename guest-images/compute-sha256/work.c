/* guest: compute-sha256
 * format: multiboot
 * teaches: rotations, shifts and 32-bit additions in long straight blocks: the best case for any engine
 * expect-status: 0
 * expect-serial: sha256 checksum 965B6839\n
 *
 * SHA-256 as FIPS 180-4 defines it, over a 4 KiB message that changes with every round. One unit of scale hashes it
 * once. Before it starts, the code hashes "abc" and compares with the standard's example.
 */
#include "work.h"

const char work_name[] = "sha256";
const uint32_t work_default_scale = 900;

/* FIPS 180-4, 4.2.2: the first 32 bits of the fractional parts of the cube roots of the first 64 primes. */
static const uint32_t round_constants[64] = {
    0x428A2F98, 0x71374491, 0xB5C0FBCF, 0xE9B5DBA5, 0x3956C25B, 0x59F111F1, 0x923F82A4, 0xAB1C5ED5,
    0xD807AA98, 0x12835B01, 0x243185BE, 0x550C7DC3, 0x72BE5D74, 0x80DEB1FE, 0x9BDC06A7, 0xC19BF174,
    0xE49B69C1, 0xEFBE4786, 0x0FC19DC6, 0x240CA1CC, 0x2DE92C6F, 0x4A7484AA, 0x5CB0A9DC, 0x76F988DA,
    0x983E5152, 0xA831C66D, 0xB00327C8, 0xBF597FC7, 0xC6E00BF3, 0xD5A79147, 0x06CA6351, 0x14292967,
    0x27B70A85, 0x2E1B2138, 0x4D2C6DFC, 0x53380D13, 0x650A7354, 0x766A0ABB, 0x81C2C92E, 0x92722C85,
    0xA2BFE8A1, 0xA81A664B, 0xC24B8B70, 0xC76C51A3, 0xD192E819, 0xD6990624, 0xF40E3585, 0x106AA070,
    0x19A4C116, 0x1E376C08, 0x2748774C, 0x34B0BCB5, 0x391C0CB3, 0x4ED8AA4A, 0x5B9CCA4F, 0x682E6FF3,
    0x748F82EE, 0x78A5636F, 0x84C87814, 0x8CC70208, 0x90BEFFFA, 0xA4506CEB, 0xBEF9A3F7, 0xC67178F2,
};

static inline uint32_t rotate_right(uint32_t x, int n)
{
    return (x >> n) | (x << (32 - n));
}

static inline uint32_t load_big_endian(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* FIPS 180-4, 6.2.2: one 64-byte block. */
static void compress(uint32_t state[8], const uint8_t *block)
{
    uint32_t w[64];
    for (int t = 0; t < 16; t++)
        w[t] = load_big_endian(block + 4 * t);
    for (int t = 16; t < 64; t++) {
        uint32_t s0 = rotate_right(w[t - 15], 7) ^ rotate_right(w[t - 15], 18) ^ (w[t - 15] >> 3);
        uint32_t s1 = rotate_right(w[t - 2], 17) ^ rotate_right(w[t - 2], 19) ^ (w[t - 2] >> 10);
        w[t] = s1 + w[t - 7] + s0 + w[t - 16];
    }

    uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
    uint32_t e = state[4], f = state[5], g = state[6], h = state[7];
    for (int t = 0; t < 64; t++) {
        uint32_t sum1 = rotate_right(e, 6) ^ rotate_right(e, 11) ^ rotate_right(e, 25);
        uint32_t choose = (e & f) ^ (~e & g);
        uint32_t t1 = h + sum1 + choose + round_constants[t] + w[t];
        uint32_t sum0 = rotate_right(a, 2) ^ rotate_right(a, 13) ^ rotate_right(a, 22);
        uint32_t majority = (a & b) ^ (a & c) ^ (b & c);
        uint32_t t2 = sum0 + majority;
        h = g; g = f; f = e; e = d + t1;
        d = c; c = b; b = a; a = t1 + t2;
    }
    state[0] += a; state[1] += b; state[2] += c; state[3] += d;
    state[4] += e; state[5] += f; state[6] += g; state[7] += h;
}

static void sha256(const uint8_t *message, uint32_t length, uint32_t state[8])
{
    static const uint32_t initial[8] = {
        0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A, 0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19,
    };
    for (int i = 0; i < 8; i++)
        state[i] = initial[i];

    uint32_t left = length;
    for (; left >= 64; left -= 64, message += 64)
        compress(state, message);

    /* FIPS 180-4, 5.1.1: a one bit, zeros, and the length in bits as a 64-bit big-endian number. */
    uint8_t tail[128];
    uint32_t size = left < 56 ? 64 : 128;
    for (uint32_t i = 0; i < size; i++)
        tail[i] = i < left ? message[i] : 0;
    tail[left] = 0x80;
    tail[size - 5] = (uint8_t)(length >> 29);
    tail[size - 4] = (uint8_t)(length >> 21);
    tail[size - 3] = (uint8_t)(length >> 13);
    tail[size - 2] = (uint8_t)(length >> 5);
    tail[size - 1] = (uint8_t)(length << 3);
    for (uint32_t i = 0; i < size; i += 64)
        compress(state, tail + i);
}

uint32_t work(uint32_t scale)
{
    static uint8_t message[4096];
    uint32_t state[8];

    sha256((const uint8_t *)"abc", 3, state);
    if (state[0] != 0xBA7816BF || state[7] != 0xF20015AD)
        return 0;                               /* not SHA-256: a checksum that nobody expects */

    uint32_t random = 1;
    for (uint32_t i = 0; i < sizeof message; i++) {
        random = next_random(random);
        message[i] = (uint8_t)random;
    }
    for (uint32_t n = 0; n < scale; n++) {
        sha256(message, sizeof message, state);
        for (int i = 0; i < 8; i++)             /* the digest goes into the next message */
            message[(n * 32 + (uint32_t)i * 4) % sizeof message] ^= (uint8_t)state[i];
    }
    return state[0] ^ state[7];
}
