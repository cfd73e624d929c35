/*
 * Secrets: taken only from where others cannot reach, kept in the secure heap, gone when freed.
 */
#include "base/support.h"

#include <openssl/crypto.h>
#include <sys/prctl.h>
#include <sys/resource.h>

static void test_new(void **state)
{
    AUTO(auto_free) char *longest = calloc(1, SECRET_MAX_BYTES + 1);
    AUTO(secret_free) struct secret *s = NULL;
    AUTO(secret_free) struct secret *big = NULL;
    struct secret *none = NULL;

    (void)state;
    assert_ok(secret_new(view_of("123456xx", 6), &s));
    assert_string_equal(secret_text(s), "123456");
    assert_true(view_is(secret_view(s), "123456"));
    AUTO(secret_free) struct secret *copy = secret_copy(s);

    secret_free(&s);
    assert_null(s);
    assert_string_equal(secret_text(copy), "123456");
    assert_null(secret_copy(NULL));
    assert_err(secret_new(view_cstr(""), &none), ERR_INPUT);
    assert_ok(secret_new(view_of(longest, SECRET_MAX_BYTES), &big));
    assert_err(secret_new(view_of(longest, SECRET_MAX_BYTES + 1), &none), ERR_LIMIT);
    assert_null(none);
}

static struct err *from_file(const char *content, size_t len, mode_t mode, const char *expected)
{
    AUTO(secret_free) struct secret *s = NULL;
    const char *path = in_folder("pin");

    assert_ok(file_replace(path, view_of(content, len), mode));
    struct err *e = secret_from_file(path, &s);

    assert_true((e == NULL) == (s != NULL));
    if (e == NULL) {
        assert_string_equal(secret_text(s), expected);
    }
    return e;
}

static void test_files(void **state)
{
    struct secret *none = NULL;

    (void)state;
    assert_ok(from_file("1234", 4, 0600, "1234"));
    assert_ok(from_file("1234\n", 5, 0400, "1234"));
    assert_ok(from_file("1234\r\n", 6, 0640, "1234"));
    assert_ok(from_file(" 12 34 \n\n", 9, 0600, " 12 34 "));
    assert_err(from_file("", 0, 0600, NULL), ERR_INPUT);
    assert_err(from_file("\r\n", 2, 0600, NULL), ERR_INPUT);
    assert_err(from_file("12\0004", 4, 0600, NULL), ERR_INPUT);
    assert_err(secret_from_file(in_folder("absent"), &none), ERR_NOT_FOUND);
    assert_err(secret_from_file(folder, &none), ERR_STORE);
}

static void test_modes(void **state)
{
    static const mode_t bad[] = {0604, 0602, 0601, 0620, 0666};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_err(from_file("1234", 4, bad[i], NULL), ERR_INPUT);
    }
}

static void test_file_sizes(void **state)
{
    static const size_t good[] = {1022, 1023, 1024, 1025, SECRET_MAX_BYTES - 1, SECRET_MAX_BYTES};
    AUTO(auto_free) char *text = malloc(SECRET_MAX_BYTES + 2);

    (void)state;
    memset(text, 'x', SECRET_MAX_BYTES + 2);
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        text[good[i]] = '\0';
        assert_ok(from_file(text, good[i], 0600, text));
        text[good[i]] = 'x';
    }
    assert_err(from_file(text, SECRET_MAX_BYTES + 1, 0600, NULL), ERR_LIMIT);
}

static void test_pipe(void **state)
{
    AUTO(secret_free) struct secret *s = NULL;
    char path[64];
    int ends[2];

    (void)state;
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], "1234\n", 5), 5);
    close(ends[1]);
    snprintf(path, sizeof path, "/dev/fd/%d", ends[0]);
    assert_ok(secret_from_file(path, &s));
    assert_string_equal(secret_text(s), "1234");
    close(ends[0]);
}

static void test_environment(void **state)
{
    AUTO(secret_free) struct secret *s = NULL;
    AUTO(auto_free) char *longer = calloc(1, SECRET_MAX_BYTES + 2);
    struct secret *none = NULL;

    (void)state;
    assert_int_equal(setenv("HF_TEST_PIN", "1234", 1), 0);
    char *in_place = getenv("HF_TEST_PIN");

    assert_ok(secret_from_env("HF_TEST_PIN", &s));
    assert_string_equal(secret_text(s), "1234");
    assert_null(getenv("HF_TEST_PIN"));
    assert_memory_equal(in_place, "\0\0\0\0", 4);
    assert_err(secret_from_env("HF_TEST_PIN", &none), ERR_NOT_FOUND);
    setenv("HF_TEST_PIN", "", 1);
    assert_err(secret_from_env("HF_TEST_PIN", &none), ERR_NOT_FOUND);
    memset(longer, 'x', SECRET_MAX_BYTES + 1);
    setenv("HF_TEST_PIN", longer, 1);
    in_place = getenv("HF_TEST_PIN");
    assert_err(secret_from_env("HF_TEST_PIN", &none), ERR_LIMIT);
    assert_int_equal(in_place[0], 0); /* overwritten although it was of no use */
    assert_null(getenv("HF_TEST_PIN"));
}

/* In a process of its own: the heap is made once, and a process that cannot be dumped cannot be
 * searched for leaks. Returns a number that names what does not hold. */
static int check_heap(void)
{
    struct rlimit core;
    struct secret *s[30] = {NULL};
    enum secret_heap heap = secret_heap_init();

    if (heap == SECRET_HEAP_ABSENT || secret_heap_state() != heap) {
        return 1;
    }
    if (prctl(PR_GET_DUMPABLE) != 0 || getrlimit(RLIMIT_CORE, &core) != 0 || core.rlim_cur != 0) {
        return 2;
    }
    /* One secret takes the corner of a large block, then all other large blocks go. */
    void *corner = OPENSSL_secure_malloc(1);

    while (OPENSSL_secure_malloc(SECRET_MAX_BYTES + 100) != NULL) {
    }
    for (size_t i = 0; i < ARRAY_LEN(s); i++) { /* a PIN needs little room to be read */
        struct err *e = secret_from_file(in_folder("heap"), &s[i]);

        if (e != NULL || !CRYPTO_secure_allocated(s[i])) {
            return 3;
        }
    }
    const char *text = secret_text(s[0]);

    secret_free(&s[0]);
    OPENSSL_secure_free(corner);
    return strcmp(text, "1234") == 0 ? 4 : 0; /* the heap's memory stays mapped, but wiped */
}

static void test_heap(void **state)
{
    int status = -1;

    (void)state;
    assert_ok(file_replace(in_folder("heap"), view_cstr("1234"), 0600));
    pid_t pid = fork();

    if (pid == 0) {
        _exit(check_heap());
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_int_equal(secret_heap_state(), SECRET_HEAP_ABSENT); /* here nobody made one */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_new),   cmocka_unit_test(test_files),
        cmocka_unit_test(test_modes), cmocka_unit_test(test_file_sizes),
        cmocka_unit_test(test_pipe),  cmocka_unit_test(test_environment),
        cmocka_unit_test(test_heap),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
