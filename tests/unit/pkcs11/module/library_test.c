/*
 * Loading a module: the real one, and each way a path can be wrong, with its own reason.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <p11-kit/pkcs11.h>

#include "fakes/softhsm.h"
#include "pkcs11/module/module.h"

static void refused(const char *path, enum err_code code, const char *why)
{
    struct p11_library *l = NULL;
    AUTO(err_free) struct err *e = p11_library_open(path, &l);

    assert_int_equal(err_code(e), code);
    assert_non_null(strstr(err_text(e), why));
    assert_null(l);
}

static void test_open(void **state)
{
    (void)state;
    const char *path = softhsm_path();
    struct p11_library *l = NULL;
    AUTO(err_free) struct err *e = NULL;

    if (path == NULL) {
        skip();
    }
    e = p11_library_open(path, &l);
    assert_string_equal(err_text(e), "");
    CK_FUNCTION_LIST *f = p11_library_functions(l);

    assert_int_equal(f->version.major, 2);
    assert_int_equal(p11_library_path(l)[0], '/');
    p11_library_close(&l);
    assert_null(l);
}

/* The path that is kept is the file itself, not the link that led to it. */
static void test_real_path(void **state)
{
    (void)state;
    char folder[] = "/tmp/holdfast-library-XXXXXX";
    const char *path = softhsm_path();
    struct p11_library *l = NULL;

    if (path == NULL) {
        skip();
    }
    assert_non_null(mkdtemp(folder));
    AUTO(auto_free) char *link = text_fmt("%s/module.so", folder);
    AUTO(auto_free) char *real = realpath(path, NULL);

    assert_int_equal(symlink(path, link), 0);
    AUTO(err_free) struct err *e = p11_library_open(link, &l);

    assert_null(e);
    assert_string_equal(p11_library_path(l), real);
    p11_library_close(&l);
    unlink(link);
    rmdir(folder);
}

static void test_refused(void **state)
{
    (void)state;
    char file[] = "/tmp/holdfast-library-XXXXXX";
    int fd = mkstemp(file);

    assert_int_equal(write(fd, "no library\n", 11), 11);
    close(fd);
    refused("/nonexistent/module.so", ERR_NOT_FOUND, "/nonexistent/module.so");
    refused("/tmp", ERR_INPUT, "not a file");
    refused(file, ERR_INPUT, "not a shared object");
    unlink(file);
}

static void test_no_module(void **state)
{
    (void)state;
    AUTO(auto_free) char *libc = softhsm_find_loaded("libc.so.6");

    assert_non_null(libc);
    refused(libc, ERR_INPUT, "no C_GetFunctionList");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_open),
        cmocka_unit_test(test_real_path),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_no_module),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
