#ifndef HF_BASE_AUTO_H
#define HF_BASE_AUTO_H

#include <string.h>

/** AUTO(f): run f(&variable) when the variable's scope ends. Every x_free(struct x **) fits. */
#define AUTO(f) __attribute__((cleanup(f)))
#define MUST_CHECK __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))
#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

/**
 * take() - move a pointer out of a variable
 * @pp: address of the pointer variable (borrowed); NULL afterwards
 * Return: the pointer; the caller owns what the variable owned
 */
static inline void *take(void *pp)
{
    void *p;

    memcpy(&p, pp, sizeof p);
    memset(pp, 0, sizeof p);
    return p;
}

/** auto_free() - free() for AUTO(): accepts the address of any pointer variable */
void auto_free(void *pp);

/** auto_close() - close() for AUTO(): a descriptor below 0 is left alone; -1 afterwards */
void auto_close(int *fd);

#endif
