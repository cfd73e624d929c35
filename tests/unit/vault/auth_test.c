#include "vault/auth.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "vault/break_it.h"

static const char answer[] =
    "{\"auth\":{\"client_token\":\"s.abc\",\"lease_duration\":1200,\"renewable\":true,"
    "\"num_uses\":3,\"token_type\":\"service\",\"policies\":[\"default\",\"ssh\"]},"
    "\"warnings\":[\"TTL was\\ncapped\",\"b\"]}";

static bool read_lease(struct view body, struct vault_lease *ret)
{
    AUTO(vault_json_free) json_t *root = NULL;
    AUTO(err_free) struct err *e = vault_api_read(200, body, &root);

    if (e == NULL) {
        e = vault_auth_read_lease(root, ret);
    }
    assert_true(e == NULL || err_is(e, ERR_PROTOCOL));
    return e == NULL;
}

static void all_of_a_lease_is_read(void **state)
{
    AUTO(vault_lease_deinit) struct vault_lease l = {0};

    (void)state;
    assert_true(read_lease(view_cstr(answer), &l));
    assert_string_equal(secret_text(l.token), "s.abc");
    assert_int_equal(l.ttl_s, 1200);
    assert_int_equal(l.uses, 3);
    assert_true(l.renewable && l.is_ours && !l.is_root && !l.is_batch);
    assert_string_equal(l.warnings, "TTL was capped; b");
}

static void what_kind_of_token_it_is(void **state)
{
    static const struct {
        const char *fields;
        bool root, batch;
        int64_t uses;
    } cases[] = {
        {"\"policies\":[\"root\"]", true, false, 0},
        {"\"policies\":[\"a\",\"root\"],\"num_uses\":-4", true, false, 0},
        {"\"policies\":\"root\",\"num_uses\":\"7\"", false, false, 0},
        {"\"policies\":[7,null,{}],\"token_type\":7", false, false, 0},
        {"\"token_type\":\"batch\",\"num_uses\":9223372036854775807", false, true, INT32_MAX},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        AUTO(auto_free) char *body =
            text_fmt("{\"auth\":{\"client_token\":\"s.x\",%s}}", cases[i].fields);
        AUTO(vault_lease_deinit) struct vault_lease l = {0};

        assert_true(read_lease(view_cstr(body), &l));
        assert_int_equal(l.is_root, cases[i].root);
        assert_int_equal(l.is_batch, cases[i].batch);
        assert_int_equal(l.uses, cases[i].uses);
        assert_null(l.warnings);
    }
}

static void leases_are_kept_sane(void **state)
{
    static const struct {
        const char *number;
        int64_t ttl_s;
    } cases[] = {{"-1", 0}, {"0", 0}, {"9223372036854775807", 315360000}, {"\"x\"", 0}, {"1.5", 0}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        AUTO(vault_lease_deinit) struct vault_lease lease = {0};
        AUTO(auto_free) char *body = text_fmt(
            "{\"auth\":{\"client_token\":\"s.x\",\"lease_duration\":%s}}", cases[i].number);

        assert_true(read_lease(view_cstr(body), &lease));
        assert_int_equal(lease.ttl_s, cases[i].ttl_s);
        assert_false(lease.renewable);
    }
}

static void tokens_that_cannot_be_headers_are_refused(void **state)
{
    static const char *const bad[] = {
        "{}",
        "{\"auth\":null}",
        "{\"auth\":{\"client_token\":\"\"}}",
        "{\"auth\":{\"client_token\":\"a\\r\\nX-Evil: 1\"}}",
        "{\"auth\":{\"client_token\":\"a b\"}}",
        "{\"auth\":{\"client_token\":\"\\u00e4\"}}",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct vault_lease lease = {0};

        assert_false(read_lease(view_cstr(bad[i]), &lease));
        assert_null(lease.token);
    }
}

static bool takes_a_lease(struct view body)
{
    AUTO(vault_lease_deinit) struct vault_lease l = {0};
    bool yes = read_lease(body, &l);

    assert_true(!yes || (l.ttl_s >= 0 && l.uses >= 0 && secret_view(l.token).len > 0));
    return yes;
}

static void broken_answers_do_no_harm(void **state)
{
    (void)state;
    break_it(view_cstr(answer), takes_a_lease);
}

/* --- files -------------------------------------------------------------------------------------- */

struct place {
    char folder[64];
    char *file;
};

static int make_place(void **state)
{
    struct place *p = calloc(1, sizeof *p);

    assert_non_null(p);
    snprintf(p->folder, sizeof p->folder, "%s/hf-auth-XXXXXX",
             getenv("TMPDIR") != NULL ? getenv("TMPDIR") : "/tmp");
    assert_non_null(mkdtemp(p->folder));
    p->file = text_fmt("%s/secret", p->folder);
    *state = p;
    return 0;
}

static int drop_place(void **state)
{
    struct place *p = *state;

    unlink(p->file);
    rmdir(p->folder);
    free(p->file);
    free(p);
    return 0;
}

static void write_file(const char *path, const char *text)
{
    AUTO(err_free) struct err *e = file_replace(path, view_cstr(text), 0600);

    assert_null(e);
}

static bool takes(const char *file, bool password)
{
    AUTO(secret_free) struct secret *s = NULL;
    AUTO(err_free) struct err *e =
        password ? vault_auth_password(file, &s) : vault_auth_secret(file, NULL, &s);

    assert_true((e == NULL) == (s != NULL));
    assert_true(e == NULL || strstr(err_text(e), file) != NULL); /* says which, not what */
    return e == NULL;
}

static void a_secret_is_one_line(void **state)
{
    static const struct {
        const char *text;
        bool header, password;
    } cases[] = {
        {"s.abc", true, true},          {"s.abc\n", true, true},   {"s.abc\r\n", true, true},
        {"a b", false, true},           {"\xc3\xa4", false, true}, {"a\nb", false, false},
        {"a\tb", false, false},         {"a\x7f", false, false},   {"\n", false, false},
        {"X: 1\r\nY: 2", false, false},
    };
    const struct place *p = *state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        write_file(p->file, cases[i].text);
        assert_int_equal(takes(p->file, false), cases[i].header);
        assert_int_equal(takes(p->file, true), cases[i].password);
    }
    write_file(p->file, "s.abc");
    assert_int_equal(chmod(p->file, 0644), 0);
    assert_false(takes(p->file, false));
    assert_false(takes(p->file, true));
}

static void a_stamp_sees_every_change(void **state)
{
    const struct place *p = *state;
    struct vault_conf conf[] = {
        {.token_file = p->file}, {.role_id_file = p->file},  {.secret_id_file = p->file},
        {.jwt_file = p->file},   {.password_file = p->file},
    };

    for (size_t i = 0; i < ARRAY_LEN(conf); i++) {
        unlink(p->file);
        uint64_t absent = vault_auth_stamp(&conf[i]);

        write_file(p->file, "one");
        uint64_t one = vault_auth_stamp(&conf[i]);

        assert_true(absent != one);
        assert_true(one == vault_auth_stamp(&conf[i]));
        write_file(p->file, "two"); /* as long, and perhaps in the same instant: another inode */
        assert_true(one != vault_auth_stamp(&conf[i]));
    }
}

static void the_token_at_home(void **state)
{
    AUTO(auto_free) char *old = text_copy(getenv("HOME"));

    (void)state;
    setenv("HOME", "/somewhere", 1);
    AUTO(auto_free) char *path = vault_auth_home_token();

    assert_string_equal(path, "/somewhere/.vault-token");
    setenv("HOME", "relative", 1); /* not to be believed: the user's entry says where */
    AUTO(auto_free) char *other = vault_auth_home_token();

    assert_true(other == NULL || other[0] == '/');
    unsetenv("HOME");
    if (old != NULL) {
        setenv("HOME", old, 1);
    }
}

static void every_method_has_a_name(void **state)
{
    struct vault_auth_memory *m = NULL;

    (void)state;
    assert_null(vault_auth_memory_new(&m));
    for (unsigned i = 0; i < VAULT_LOGINS; i++) {
        struct vault_auth *a = NULL;
        AUTO(err_free) struct err *e = vault_auth_new((enum vault_login)i, m, &a);

        if (e == NULL) {
            assert_true(strlen(vault_auth_name(a)) > 0);
            assert_false(vault_auth_is_ours(a)); /* not logged in */
            assert_null(vault_auth_warnings(a));
        }
        vault_auth_free(&a);
    }
    vault_auth_memory_free(&m);
}

static int set_up(void **state)
{
    (void)state;
    vault_api_init();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_of_a_lease_is_read),
        cmocka_unit_test(what_kind_of_token_it_is),
        cmocka_unit_test(leases_are_kept_sane),
        cmocka_unit_test(tokens_that_cannot_be_headers_are_refused),
        cmocka_unit_test(broken_answers_do_no_harm),
        cmocka_unit_test_setup_teardown(a_secret_is_one_line, make_place, drop_place),
        cmocka_unit_test_setup_teardown(a_stamp_sees_every_change, make_place, drop_place),
        cmocka_unit_test(the_token_at_home),
        cmocka_unit_test(every_method_has_a_name),
    };

    return cmocka_run_group_tests(tests, set_up, NULL);
}
