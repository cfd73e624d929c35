#include "vault/url.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* The finished address, or NULL and the error's code. */
static char *build(const char *address, const char *path, const char *name, enum err_code *ret_code)
{
    AUTO(buf_deinit) struct buf url;
    const char *text = NULL;

    buf_init(&url, 0);
    AUTO(err_free) struct err *e = vault_url_begin(&url, address);

    if (e == NULL) {
        e = vault_url_path(&url, path);
    }
    if (e == NULL) {
        e = vault_url_name(&url, name);
    }
    if (e == NULL) {
        e = vault_url_end(&url, &text);
    }
    *ret_code = e != NULL ? err_code(e) : 0;
    return text_copy(text);
}

static void assert_builds(const char *address, const char *path, const char *name, const char *want)
{
    enum err_code code;
    AUTO(auto_free) char *got = build(address, path, name, &code);

    assert_non_null(got);
    assert_string_equal(got, want);
}

static void assert_refused(const char *address, const char *path, const char *name)
{
    enum err_code code;
    AUTO(auto_free) char *got = build(address, path, name, &code);

    assert_null(got);
    assert_int_equal(code, ERR_INPUT);
}

static void plain_names_stay_as_they_are(void **state)
{
    (void)state;
    assert_builds("https://v:8200", "ssh", "web", "https://v:8200/v1/ssh/web");
    assert_builds("https://v:8200/", "/ssh/", "web", "https://v:8200/v1/ssh/web");
    assert_builds("https://v//", "team/ssh/sign", "a.b-c_d~",
                  "https://v/v1/team/ssh/sign/a.b-c_d~");
    assert_builds("https://proxy/vault", "ssh", "web", "https://proxy/vault/v1/ssh/web");
    assert_builds("https://[::1]:8200", "ssh", "...", "https://[::1]:8200/v1/ssh/...");
}

static void other_characters_are_encoded(void **state)
{
    (void)state;
    assert_builds("https://v", "a b", "\xc3\xa4@+&;", "https://v/v1/a%20b/%C3%A4%40%2B%26%3B");
}

static void paths_cannot_lead_elsewhere(void **state)
{
    static const char *const bad[] = {"",      "/",   ".",      "..",       "a/..", "../a", "a//b",
                                      "a/./b", "a?b", "a#b",    "a%2e",     "a\\b", "a\nb", "a\x7f",
                                      "a\tb",  "//",  "a/../b", "a/.. /..", "\x01"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_refused("https://v", bad[i], "web");
        assert_refused("https://v", "ssh", bad[i]);
    }
    assert_refused("https://v", "ssh", "a/b");
    assert_refused("https://v", "ssh", "/a");
}

static void addresses_are_https_and_nothing_but_a_place(void **state)
{
    static const char *const bad[] = {"http://v",
                                      "v:8200",
                                      "https://",
                                      "https:///",
                                      "https://v?a",
                                      "https://v#a",
                                      "https://u@v",
                                      "https://u:p@v",
                                      "https://v\n",
                                      "https://v b",
                                      "",
                                      "HTTPS://v",
                                      "https://v\\a",
                                      "file:///etc/passwd"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_refused(bad[i], "ssh", "web");
    }
}

static void every_byte_is_plain_encoded_or_refused(void **state)
{
    (void)state;
    for (int c = 1; c < 256; c++) {
        char name[] = {'x', (char)c, 'y', '\0'};
        enum err_code code;
        AUTO(auto_free) char *got = build("https://v", "m", name, &code);

        if (got == NULL) {
            assert_int_equal(code, ERR_INPUT);
            assert_true(c < 0x20 || c == 0x7f || strchr("?#%\\/", c) != NULL);
            continue;
        }
        assert_memory_equal(got, "https://v/v1/m/x", 16);
        assert_true(got[16] == c || got[16] == '%');
        assert_true(strspn(got + 16,
                           "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
                           "-._~%") == strlen(got + 16));
    }
}

static void assert_named(const char *address, const char *name, const char *url_wanted,
                         const char *to_wanted)
{
    AUTO(buf_deinit) struct buf url, to;
    const char *text = NULL;

    buf_init(&url, 0);
    buf_init(&to, 0);
    AUTO(err_free) struct err *e = vault_url_named(&url, address, name, &to);

    if (url_wanted == NULL) {
        assert_true(err_is(e, ERR_INPUT));
        return;
    }
    assert_null(e);
    assert_null(vault_url_end(&url, &text));
    assert_string_equal(text, url_wanted);
    assert_string_equal((const char *)to.data, to_wanted);
}

static void another_name_leads_to_the_same_host(void **state)
{
    (void)state;
    assert_named("https://10.0.0.1:8200", "vault.example.org", "https://vault.example.org:8200/v1",
                 "::10.0.0.1:8200");
    assert_named("https://h", "v", "https://v/v1", "::h:");
    assert_named("https://h/p/", "v", "https://v/p/v1", "::h:");
    assert_named("https://h:1/p/q", "v", "https://v:1/p/q/v1", "::h:1");
    assert_named("https://[::1]:8200", "v", "https://v:8200/v1", "::[::1]:8200");
    assert_named("https://[::1]", "[::2]", "https://[::2]/v1", "::[::1]:");
    assert_named("https://h", "", NULL, NULL);
    assert_named("https://h", "a b", NULL, NULL);
    assert_named("https://h", "a/b", NULL, NULL);
    assert_named("https://h", "a:1", NULL, NULL);
    assert_named("https://h", "user@a", NULL, NULL);
    assert_named("https://h", "[::1", NULL, NULL);
    assert_named("https://h", "[::1]x", NULL, NULL);
    assert_named("http://h", "v", NULL, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_names_stay_as_they_are),
        cmocka_unit_test(other_characters_are_encoded),
        cmocka_unit_test(paths_cannot_lead_elsewhere),
        cmocka_unit_test(addresses_are_https_and_nothing_but_a_place),
        cmocka_unit_test(every_byte_is_plain_encoded_or_refused),
        cmocka_unit_test(another_name_leads_to_the_same_host),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
