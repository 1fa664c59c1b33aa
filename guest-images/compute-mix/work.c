/* guest: compute-mix
 * format: multiboot
 * teaches: what ordinary programs are made of: lists, small matrices, a state machine over text, a CRC over it all
 * expect-status: 0
 * expect-serial: mix checksum A78A6FDA\n
 *
 * The four kinds of work that embedded benchmarks mix, each written here from scratch. One unit of scale does each kind
 * once, on data that the earlier rounds have changed; a CRC-16 gathers every result.
 */
#include "work.h"

const char work_name[] = "mix";
const uint32_t work_default_scale = 2500;

/* ---- CRC-16, polynomial x^16 + x^12 + x^5 + 1 (ITU-T V.41), bit by bit ------------------------------------------- */

static uint16_t crc_byte(uint16_t crc, uint8_t byte)
{
    crc ^= (uint16_t)(byte << 8);
    for (int bit = 0; bit < 8; bit++)
        crc = (uint16_t)(crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1);
    return crc;
}

static uint16_t crc_word(uint16_t crc, uint32_t word)
{
    for (int shift = 0; shift < 32; shift += 8)
        crc = crc_byte(crc, (uint8_t)(word >> shift));
    return crc;
}

/* ---- a linked list: search, reverse, merge sort -------------------------------------------------------------------- */

#define ITEMS 200

struct item {
    struct item *next;
    int16_t key;
    uint16_t tag;
};

static struct item items[ITEMS];

static struct item *reverse(struct item *list)
{
    struct item *done = NULL;
    while (list) {
        struct item *next = list->next;
        list->next = done;
        done = list;
        list = next;
    }
    return done;
}

static struct item *merge(struct item *a, struct item *b)
{
    struct item head = { 0 }, *tail = &head;
    while (a && b) {
        struct item **smaller = a->key <= b->key ? &a : &b;
        tail = tail->next = *smaller;
        *smaller = (*smaller)->next;
    }
    tail->next = a ? a : b;
    return head.next;
}

static struct item *sort(struct item *list)
{
    if (!list || !list->next)
        return list;
    struct item *slow = list, *fast = list->next;
    while (fast && fast->next) {
        slow = slow->next;
        fast = fast->next->next;
    }
    struct item *second = slow->next;
    slow->next = NULL;
    return merge(sort(list), sort(second));
}

static uint16_t list_work(uint16_t crc, uint32_t *random)
{
    for (int i = 0; i < ITEMS; i++) {
        *random = next_random(*random);
        items[i] = (struct item){ i + 1 < ITEMS ? &items[i + 1] : NULL, (int16_t)*random, (uint16_t)i };
    }
    struct item *list = reverse(items);
    int found = 0;
    for (int wanted = 0; wanted < 16; wanted++)
        for (struct item *p = list; p; p = p->next)
            if ((p->key & 15) == wanted) {
                found += p->tag;
                break;
            }
    list = sort(list);
    crc = crc_word(crc, (uint32_t)found);
    for (struct item *p = list; p; p = p->next)
        crc = crc_byte(crc, (uint8_t)p->tag);
    return crc;
}

/* ---- 16-bit matrices --------------------------------------------------------------------------------------------------- */

#define SIDE 12

static uint16_t matrix_work(uint16_t crc, uint32_t *random)
{
    static int16_t a[SIDE][SIDE], b[SIDE][SIDE];
    static int32_t c[SIDE][SIDE];
    for (int i = 0; i < SIDE; i++)
        for (int j = 0; j < SIDE; j++) {
            *random = next_random(*random);
            a[i][j] = (int16_t)*random;
            b[i][j] = (int16_t)(*random >> 16);
        }
    for (int i = 0; i < SIDE; i++)
        for (int j = 0; j < SIDE; j++) {
            int32_t sum = 0;
            for (int k = 0; k < SIDE; k++)
                sum += (a[i][k] >> 3) * (b[k][j] >> 3);
            c[i][j] = sum;
        }
    int32_t largest = c[0][0];
    for (int i = 0; i < SIDE; i++) {
        int32_t row = 0;
        for (int j = 0; j < SIDE; j++) {
            row += c[i][j] >> 8;
            if (c[i][j] > largest)
                largest = c[i][j];
        }
        crc = crc_word(crc, (uint32_t)row);
    }
    return crc_word(crc, (uint32_t)largest);
}

/* ---- a state machine that tells integers, fractions, scientific numbers, hexadecimal and rubbish apart ------------ */

enum state { START, SIGN, ZERO, INTEGER, POINT, FRACTION, EXPONENT, EXPONENT_SIGN, SCIENTIFIC, HEX_MARK, HEX, BAD, STATES };

static int is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static enum state next_state(enum state state, char c)
{
    switch (state) {
    case START:
        if (c == '+' || c == '-')
            return SIGN;
        /* fall through */
    case SIGN:
        return c == '0' ? ZERO : is_digit(c) ? INTEGER : c == '.' ? POINT : BAD;
    case ZERO:
        if (c == 'x')
            return HEX_MARK;
        /* fall through */
    case INTEGER:
        return is_digit(c) ? INTEGER : c == '.' ? POINT : c == 'e' ? EXPONENT : BAD;
    case POINT:
    case FRACTION:
        return is_digit(c) ? FRACTION : c == 'e' && state == FRACTION ? EXPONENT : BAD;
    case EXPONENT:
        return c == '+' || c == '-' ? EXPONENT_SIGN : is_digit(c) ? SCIENTIFIC : BAD;
    case EXPONENT_SIGN:
    case SCIENTIFIC:
        return is_digit(c) ? SCIENTIFIC : BAD;
    case HEX_MARK:
    case HEX:
        return is_digit(c) || (c >= 'a' && c <= 'f') ? HEX : BAD;
    default:
        return BAD;
    }
}

static uint16_t text_work(uint16_t crc, uint32_t *random)
{
    static const char *const words[8] = {
        "5012", "-874", "+122.25", ".5e-3", "-110.7e+10", "0x7fe3a", "T0.3e-1F", "1e++2",
    };
    uint32_t ended[STATES] = { 0 }, steps = 0;
    for (int i = 0; i < 100; i++) {
        *random = next_random(*random);
        uint32_t spoiled = (*random >> 8) & 15;         /* one character may be damaged on the way */
        enum state state = START;
        uint32_t position = 0;
        for (const char *p = words[*random & 7]; *p && state != BAD; p++, position++, steps++)
            state = next_state(state, position == spoiled ? (char)(*p ^ 1) : *p);
        ended[state]++;
    }
    for (int i = 0; i < STATES; i++)
        crc = crc_byte(crc, (uint8_t)ended[i]);
    return crc_word(crc, steps);
}

uint32_t work(uint32_t scale)
{
    uint32_t random = 0x5EED;
    uint16_t crc = 0xFFFF;
    uint32_t checksum = 0;
    for (uint32_t n = 0; n < scale; n++) {
        crc = list_work(crc, &random);
        crc = matrix_work(crc, &random);
        crc = text_work(crc, &random);
        checksum = checksum * 31 + crc;
    }
    return checksum;
}
