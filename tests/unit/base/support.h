#ifndef HF_TESTS_BASE_SUPPORT_H
#define HF_TESTS_BASE_SUPPORT_H

/* What tests share: errors that are and are not expected, and a folder of their own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/base.h"

#define assert_ok(call)                                                                            \
    do {                                                                                           \
        AUTO(err_free) struct err *e_ = (call);                                                    \
        if (e_ != NULL) {                                                                          \
            fail_msg("%s", err_text(e_));                                                          \
        }                                                                                          \
    } while (0)

#define assert_err(call, wanted)                                                                   \
    do {                                                                                           \
        AUTO(err_free) struct err *e_ = (call);                                                    \
        assert_non_null(e_);                                                                       \
        if (err_code(e_) != (wanted)) {                                                            \
            fail_msg("%s: %s", err_code_name(err_code(e_)), err_text(e_));                         \
        }                                                                                          \
    } while (0)

#define assert_err_says(call, wanted, text)                                                        \
    do {                                                                                           \
        AUTO(err_free) struct err *e_ = (call);                                                    \
        assert_non_null(e_);                                                                       \
        if (err_code(e_) != (wanted) || strstr(err_text(e_), text) == NULL) {                      \
            fail_msg("%s: %s", err_code_name(err_code(e_)), err_text(e_));                         \
        }                                                                                          \
    } while (0)

static char folder[256];

static inline int make_folder(void **state)
{
    const char *base = getenv("TMPDIR");

    (void)state;
    snprintf(folder, sizeof folder, "%s/hf-test-XXXXXX", base != NULL ? base : P_tmpdir);
    return mkdtemp(folder) != NULL ? 0 : -1;
}

static inline int remove_folder(void **state)
{
    AUTO(auto_free) char *command = text_fmt("rm -r '%s'", folder);

    (void)state;
    return system(command);
}

static inline const char *in_folder(const char *name)
{
    static char path[4][512];
    static unsigned next;
    char *p = path[next++ % 4];

    snprintf(p, sizeof path[0], "%s/%s", folder, name);
    return p;
}

#endif
