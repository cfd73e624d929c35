/*
 * Resolving: which file wins, why a value is what it is, and what the shipped files say.
 */
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "pkcs11/profile/field.h"

/* firmware-profiles/ of the tree this test was compiled from. */
static char *shipped_folder(void)
{
    const char *here = __FILE__;
    const char *tests = strstr(here, "tests/unit/");

    return text_fmt("%.*sfirmware-profiles", (int)(tests - here), here);
}

struct folder {
    char path[64];
    char *files[8];
    size_t n;
};

static void folder_start(struct folder *f)
{
    *f = (struct folder){.path = "/tmp/holdfast-profiles-XXXXXX"};
    assert_non_null(mkdtemp(f->path));
}

static void folder_add(struct folder *f, const char *name, const char *text)
{
    char *path = text_fmt("%s/%s", f->path, name);
    AUTO(err_free) struct err *e = file_replace(path, view_cstr(text), 0600);

    assert_null(e);
    f->files[f->n++] = path;
}

static void folder_stop(struct folder *f)
{
    for (size_t i = 0; i < f->n; i++) {
        unlink(f->files[i]);
        free(f->files[i]);
    }
    rmdir(f->path);
}

static struct profile_set *load(const char *first, const char *second)
{
    const char *const folders[] = {first, second, NULL};
    struct profile_set *s = NULL;
    AUTO(err_free) struct err *e = profile_set_load(folders, &s);

    assert_string_equal(err_text(e), "");
    return s;
}

static const struct profile_reason *reason(const struct profile_why *w, const char *key)
{
    for (size_t i = 0; i < w->n; i++) {
        if (strcmp(w->reasons[i].key, key) == 0) {
            return &w->reasons[i];
        }
    }
    fail_msg("no reason for %s", key);
    return NULL;
}

static void assert_reason(const struct profile_why *w, const char *key, const char *value,
                          const char *file)
{
    assert_string_equal(reason(w, key)->value, value);
    assert_string_equal(reason(w, key)->file, file);
}

/* The default file is the list of all keys, and equals what is built in. */
static void test_default_is_complete(void **state)
{
    (void)state;
    AUTO(auto_free) char *shipped = shipped_folder();
    AUTO(profile_set_free) struct profile_set *s = load(shipped, "/nonexistent");
    AUTO(profile_set_free) struct profile_set *none = load("/nonexistent", NULL);
    AUTO(profile_load_deinit) struct profile_load p;
    AUTO(profile_load_deinit) struct profile_load bare;
    struct profile_facts facts = {.module_path = "/usr/lib/other.so"};
    struct profile_token t;
    struct profile_token bare_token;
    AUTO(profile_why_deinit) struct profile_why load_why;
    AUTO(profile_why_deinit) struct profile_why token_why;

    assert_null(profile_match_load(s, facts.module_path, &p, &load_why));
    assert_null(profile_match_token(s, &facts, &t, &token_why));
    for (size_t i = 0; i < load_why.n; i++) {
        assert_string_equal(load_why.reasons[i].file, "10-default.yaml");
        assert_true(load_why.reasons[i].line > 0);
    }
    for (size_t i = 0; i < token_why.n; i++) {
        assert_string_equal(token_why.reasons[i].file, "10-default.yaml");
    }
    assert_int_equal(token_why.n, 14);
    assert_null(profile_match_load(none, facts.module_path, &bare, NULL));
    assert_null(profile_match_token(none, &facts, &bare_token, NULL));
    assert_memory_equal(&t, &bare_token, sizeof t);
    assert_int_equal(p.threads_max, bare.threads_max);
    assert_int_equal(p.os_locking, bare.os_locking);
}

static void test_shipped_products(void **state)
{
    (void)state;
    AUTO(auto_free) char *shipped = shipped_folder();
    AUTO(profile_set_free) struct profile_set *s = load(shipped, NULL);
    AUTO(profile_load_deinit) struct profile_load tpm;
    AUTO(profile_load_deinit) struct profile_load soft;
    AUTO(profile_why_deinit) struct profile_why why;
    struct profile_facts facts = {.module_path = "/usr/lib/x/libtpm2_pkcs11.so.1"};
    struct profile_token t;

    assert_null(profile_match_load(s, facts.module_path, &tpm, NULL));
    assert_null(profile_match_load(s, "/usr/lib/softhsm/libsofthsm2.so", &soft, &why));
    assert_null(profile_match_token(s, &facts, &t, NULL));
    assert_int_equal(tpm.threads_max, 1);
    assert_true(text_list_has(tpm.environment, "TPM2_PKCS11_STORE"));
    assert_false(t.ed25519);
    assert_true(t.mechanisms_off_n == 2);
    assert_true(soft.threads_max >= 1 && soft.threads_max <= 64);
    assert_true(text_list_has(soft.environment, "SOFTHSM2_CONF"));
    assert_string_equal(reason(&why, "threads-max")->file, "30-softhsm2.yaml");
    assert_reason(&why, "finalize", "yes", "10-default.yaml");
    assert_int_equal(text_list_len(why.files), 2);
}

/* One worker for each core that the agent may use. */
static void test_cores(void **state)
{
    (void)state;
    AUTO(auto_free) char *shipped = shipped_folder();
    AUTO(profile_set_free) struct profile_set *s = load(shipped, NULL);
    AUTO(profile_load_deinit) struct profile_load all;
    AUTO(profile_load_deinit) struct profile_load one;
    AUTO(profile_why_deinit) struct profile_why why;
    cpu_set_t before, pinned;

    assert_int_equal(sched_getaffinity(0, sizeof before, &before), 0);
    assert_null(profile_match_load(s, "/usr/lib/softhsm/libsofthsm2.so", &all, NULL));
    CPU_ZERO(&pinned);
    CPU_SET((size_t)sched_getcpu(), &pinned);
    assert_int_equal(sched_setaffinity(0, sizeof pinned, &pinned), 0);
    struct err *e = profile_match_load(s, "/usr/lib/softhsm/libsofthsm2.so", &one, &why);

    assert_int_equal(sched_setaffinity(0, sizeof before, &before), 0);
    assert_null(e);
    assert_int_equal(all.threads_max, CPU_COUNT(&before) < 64 ? CPU_COUNT(&before) : 64);
    assert_int_equal(one.threads_max, 1);
    assert_reason(&why, "threads-max", "1", "30-softhsm2.yaml");
}

static void test_order(void **state)
{
    (void)state;
    struct folder a;
    struct folder b;
    struct profile_facts facts = {.module_path = "m.so", .token = {.model = "M"}};
    AUTO(profile_why_deinit) struct profile_why why;
    struct profile_token t;

    folder_start(&a);
    folder_start(&b);
    folder_add(&a, "90-a.yaml", "token:\n  login: never\n  generate: no\n");
    folder_add(&a, "20-a.yaml", "token:\n  login: always\n  sessions-max: 7\n  ec-point: raw\n");
    folder_add(&a, "95-a.yaml", "match:\n  model: N\ntoken:\n  login: auto\n");
    folder_add(&a, "99-a.txt", "no profile");
    folder_add(&b, "10-b.yaml", "match:\n  model: M\ntoken:\n  sessions-max: 9\n");
    AUTO(profile_set_free) struct profile_set *s = load(a.path, b.path);

    assert_null(profile_match_token(s, &facts, &t, &why));
    assert_int_equal(t.login, PROFILE_LOGIN_NEVER);
    assert_int_equal(t.sessions_max, 9);
    assert_int_equal(t.ec_point, PROFILE_POINT_RAW);
    assert_false(t.generate);
    assert_reason(&why, "login", "never", "90-a.yaml");
    assert_reason(&why, "sessions-max", "9", "10-b.yaml");
    assert_int_equal(reason(&why, "sessions-max")->line, 4);
    assert_reason(&why, "rsa-hash", "host", "built in");
    assert_int_equal(reason(&why, "rsa-hash")->line, 0);
    assert_string_equal(why.files[0], "20-a.yaml");
    assert_string_equal(why.files[2], "10-b.yaml");
    assert_null(why.files[3]);
    folder_stop(&a);
    folder_stop(&b);
}

static void test_lists(void **state)
{
    (void)state;
    struct folder a;
    AUTO(profile_load_deinit) struct profile_load p;
    AUTO(profile_load_deinit) struct profile_load bare;
    AUTO(profile_why_deinit) struct profile_why why;

    folder_start(&a);
    folder_add(&a, "1.yaml", "load:\n  write-paths: [/a, /b]\n  environment: [A]\n");
    folder_add(&a, "2.yaml",
               "match:\n  module: ['m.*']\nload:\n  write-paths: []\n"
               "  init-string: 'a=b'\n");
    AUTO(profile_set_free) struct profile_set *s = load(a.path, NULL);
    AUTO(profile_set_free) struct profile_set *none = load("/nonexistent", NULL);

    assert_null(profile_match_load(s, "/x/m.so", &p, &why));
    assert_non_null(p.write_paths); /* nowhere, not anywhere */
    assert_null(p.write_paths[0]);
    assert_string_equal(p.environment[0], "A");
    assert_string_equal(p.init_string, "a=b");
    assert_reason(&why, "environment", "A", "1.yaml");
    assert_null(profile_match_load(none, "/x/m.so", &bare, NULL));
    assert_null(bare.write_paths);
    folder_stop(&a);
}

/* In the load phase nothing but the file name is known: such values would leak to other tokens. */
static void test_load_needs_module_match(void **state)
{
    (void)state;
    struct folder a;
    struct profile_set *s = NULL;

    folder_start(&a);
    folder_add(&a, "1.yaml", "match:\n  model: M\nload:\n  threads-max: 1\n");
    const char *const folders[] = {a.path, NULL};
    AUTO(err_free) struct err *e = profile_set_load(folders, &s);

    assert_true(err_is(e, ERR_INPUT));
    assert_non_null(strstr(err_text(e), "1.yaml:4:"));
    assert_null(s);
    folder_stop(&a);
}

static void test_errors_name_the_folder(void **state)
{
    (void)state;
    struct folder a;
    struct profile_set *s = NULL;

    folder_start(&a);
    folder_add(&a, "1.yaml", "token:\n  logon: auto\n");
    const char *const folders[] = {a.path, NULL};
    AUTO(err_free) struct err *e = profile_set_load(folders, &s);

    assert_true(err_is(e, ERR_INPUT));
    assert_non_null(strstr(err_text(e), a.path));
    assert_non_null(strstr(err_text(e), "1.yaml:2: unknown key 'logon'"));
    folder_stop(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_default_is_complete),
        cmocka_unit_test(test_shipped_products),
        cmocka_unit_test(test_cores),
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_lists),
        cmocka_unit_test(test_load_needs_module_match),
        cmocka_unit_test(test_errors_name_the_folder),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
