/*
 * What the sanitizers have to know in every program of a sanitized build, also in a helper, which
 * gets no environment but the one that the agent makes for it. Never part of a release.
 */
const char *__asan_default_options(void);
const char *__ubsan_default_options(void);
const char *__lsan_default_suppressions(void);

const char *__asan_default_options(void)
{
    /* Only whole stacks show who asked libcrypto for memory: it has no frame pointers. They are slow,
     * so that only the program which loads vendor code takes them. */
    return SANITIZE_WHOLE_STACKS ? "print_legend=0:fast_unwind_on_malloc=0" : "print_legend=0";
}

const char *__ubsan_default_options(void)
{
    return "print_stacktrace=1:halt_on_error=1";
}

/* The list that unit tests take from the environment is tests/lsan.supp; it says why. */
const char *__lsan_default_suppressions(void)
{
    return "leak:libsofthsm2.so\n";
}
