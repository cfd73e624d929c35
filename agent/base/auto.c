/*
 * The two cleanups that belong to no type of ours.
 */
#include "base/auto.h"

#include <stdlib.h>
#include <unistd.h>

void auto_free(void *pp)
{
    free(take(pp));
}

void auto_close(int *fd)
{
    if (*fd >= 0) {
        close(*fd);
    }
    *fd = -1;
}
