static volatile int counter;

static inline __attribute__((always_inline)) int twice(int x)
{
    return x + x;
}

int add(int a, int b)
{
    int sum = a + b;
    counter++;
    return sum;
}

void start(void)
{
    int n = 0;
    while (n < 10) {
        n = add(n, twice(1));
    }
    for (;;) {
    }
}
