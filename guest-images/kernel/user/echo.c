/* echo - its arguments, a blank between them. */
#include "user.h"

int main(int argc, char **argv)
{
    for (int n = 1; n < argc; n++)
        print(n < argc - 1 ? "%s " : "%s", argv[n]);
    print("\n");
    return 0;
}
