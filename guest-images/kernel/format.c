/* format.c - numbers and strings to text; see format.h. */
#include "format.h"

uint32_t format_text(char *to, uint32_t size, const char *format, va_list arguments)
{
    uint32_t used = 0;
    for (; *format; format++) {
        char digits[11], *text = digits;
        uint32_t length = 0, width = 0;
        int left = 0;
        if (*format != '%') {
            digits[length++] = *format;
        } else {
            if (*++format == '-')
                left = 1, format++;
            while (*format >= '0' && *format <= '9')
                width = width * 10 + (uint32_t)(*format++ - '0');
            if (*format == 's') {
                text = va_arg(arguments, char *);
                while (text[length])
                    length++;
            } else if (*format == 'd' || *format == 'u' || *format == 'x') {
                uint32_t value = va_arg(arguments, uint32_t), base = *format == 'x' ? 16 : 10;
                int negative = *format == 'd' && (int32_t)value < 0;
                if (negative)
                    value = -value;
                text = digits + sizeof digits;
                do
                    *--text = "0123456789abcdef"[value % base];
                while (value /= base);
                if (negative)
                    *--text = '-';
                length = (uint32_t)(digits + sizeof digits - text);
            } else {
                digits[length++] = *format == 'c' ? (char)va_arg(arguments, int) : *format;
            }
        }
        for (uint32_t n = length; !left && n < width; n++)
            if (used + 1 < size)
                to[used++] = ' ';
        for (uint32_t n = 0; n < length; n++)
            if (used + 1 < size)
                to[used++] = text[n];
        for (uint32_t n = length; left && n < width; n++)
            if (used + 1 < size)
                to[used++] = ' ';
    }
    if (size)
        to[used] = 0;
    return used;
}
