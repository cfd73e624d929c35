/*
 * known_hosts as ssh-keygen writes, hashes and finds it; and that damage to a file never makes it
 * trust more than it did.
 */
#include "connect/known_hosts.h"
#include "ssh/support.h"

static struct soft host, other;
static char *host_line, *other_line;

static int make_soft_keys(void **state)
{
    soft_init(&host, SSH_KEY_ED25519);
    soft_init(&other, SSH_KEY_P256);
    host_line = ssh_key_line(host.key, NULL);
    other_line = ssh_key_line(other.key, "a comment");
    return make_folder(state);
}

static int free_soft_keys(void **state)
{
    soft_deinit(&host);
    soft_deinit(&other);
    free(host_line);
    free(other_line);
    return remove_folder(state);
}

static struct connect_known *scan(const char *name, unsigned port, const char *text)
{
    struct connect_known *k = NULL;

    assert_ok(connect_known_new(name, port, &k));
    assert_ok(connect_known_scan(k, "FILE", view_cstr(text)));
    return k;
}

/* The line in which @name is known by the host's key, 0 where it is not. */
static unsigned known_in(const char *name, unsigned port, const char *text)
{
    AUTO(connect_known_free) struct connect_known *k = scan(name, port, text);
    const struct connect_known_entry *e = connect_known_find(k, CONNECT_KNOWN_KEY, host.key);

    return e ? e->line : 0;
}

static unsigned known_by(const char *name, unsigned port, const char *names)
{
    AUTO(auto_free) char *text = text_fmt("%s %s\n", names, host_line);

    return known_in(name, port, text);
}

static void patterns(void **state)
{
    (void)state;
    static const struct {
        const char *pattern, *name;
        bool matches;
    } rows[] = {
        {"", "", true},          {"", "a", false},           {"*", "", true},
        {"*", "a.b", true},      {"a*", "b", false},         {"*.b", "a.b", true},
        {"*.b", "a.b.c", false}, {"*a*b", "xaxab", true},    {"*a*b", "xaxa", false},
        {"?", "", false},        {"?", "a", true},           {"a?c", "abc", true},
        {"A.b", "a.B", true},    {"a", "ab", false},         {"a**b", "ab", true},
        {"*?", "", false},       {"10.*.?", "10.1.2", true},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (connect_known_glob(view_cstr(rows[i].pattern), view_cstr(rows[i].name)) !=
            rows[i].matches) {
            fail_msg("%s on %s", rows[i].pattern, rows[i].name);
        }
    }
}

static void names(void **state)
{
    (void)state;
    assert_true(known_by("web.example", 22, "web.example"));
    assert_true(known_by("WEB.example", 22, "a,b,Web.Example,c"));
    assert_true(known_by("web.example", 22, "*.example"));
    assert_false(known_by("web.example", 22, "*.example,!web.example"));
    assert_false(known_by("web.example", 22, "!web.example,*.example"));
    assert_false(known_by("web.example", 22, "!other"));
    assert_false(known_by("web.example", 22, "web.example.org"));
    assert_false(known_by("web.example", 22, ""));
    assert_false(known_by("web.example", 22, "[web.example]:22"));
    assert_true(known_by("::1", 22, "::1"));
    assert_true(known_by("::1", 2222, "[::1]:2222"));
}

static void names_with_ports(void **state)
{
    (void)state;
    assert_true(known_by("web", 2222, "[web]:2222"));
    assert_true(known_by("web", 2222, "[web]:*"));
    assert_false(known_by("web", 2222, "[web]:2223"));
    assert_true(known_by("web", 2222, "web"));
    assert_false(known_by("web", 22, "[web]:2222"));
    assert_false(known_by("web", 2222, "*,![web]:2222"));

    AUTO(auto_free) char *text = text_fmt("web %s\n[web]:2222 %s\n", host_line, other_line);
    AUTO(connect_known_free) struct connect_known *k = scan("web", 2222, text);
    assert_int_equal(k->count, 2);
    assert_false(k->entries[0].with_port);
    assert_true(k->entries[1].with_port);
    assert_string_equal(k->name, "[web]:2222");
}

static void markers_and_odd_lines(void **state)
{
    (void)state;
    AUTO(auto_free) char *text =
        text_fmt("# web %s\n"
                 "\n"
                 "  \t web\t%s comment with words\r\n"
                 "@cert-authority w* %s\n"
                 "@revoked * %s\n"
                 "@unknown web %s\n"
                 "@revoked\n"
                 "web 1024 35 1234567890\n"
                 "web sk-ssh-ed25519@openssh.com AAAA\n"
                 "web\n"
                 "@revoked elsewhere rubbish\n"
                 "web %s",
                 host_line, host_line, other_line, other_line, host_line, other_line);
    AUTO(connect_known_free) struct connect_known *k = scan("web", 22, text);

    assert_int_equal(k->count, 4);
    assert_int_equal(connect_known_find(k, CONNECT_KNOWN_KEY, host.key)->line, 3);
    assert_int_equal(connect_known_find(k, CONNECT_KNOWN_CA, NULL)->line, 4);
    assert_int_equal(connect_known_find(k, CONNECT_KNOWN_REVOKED, other.key)->line, 5);
    assert_int_equal(connect_known_find(k, CONNECT_KNOWN_KEY, other.key)->line, 12);
    assert_null(connect_known_find(k, CONNECT_KNOWN_REVOKED, host.key));
    assert_string_equal(k->entries[0].file, "FILE");
}

static void revoked_line_that_cannot_be_read(void **state)
{
    (void)state;
    AUTO(connect_known_free) struct connect_known *k = NULL;

    assert_ok(connect_known_new("web", 22, &k));
    assert_err_says(connect_known_scan(k, "FILE", view_cstr("\n@revoked w* ssh-rsa A==B\n")),
                    ERR_INPUT, "FILE:2");
}

static void limits(void **state)
{
    (void)state;
    AUTO(connect_known_free) struct connect_known *k = NULL;
    AUTO(auto_free) char *text = text_fmt("web %s\n", host_line);
    struct buf b;

    assert_ok(connect_known_new("web", 22, &k));
    for (int i = 0; i < CONNECT_KNOWN_ENTRIES_MAX; i++) {
        assert_ok(connect_known_scan(k, "FILE", view_cstr(text)));
    }
    assert_err(connect_known_scan(k, "FILE", view_cstr(text)), ERR_LIMIT);

    buf_init(&b, 0);
    memset(buf_reserve(&b, CONNECT_KNOWN_LINE_MAX_BYTES), ',', CONNECT_KNOWN_LINE_MAX_BYTES);
    buf_put(&b, text, strlen(text));
    buf_put(&b, text, strlen(text) + 1);
    assert_int_equal(known_in("web", 22, (const char *)b.data), 2);
    buf_deinit(&b);
}

static void hosts_that_cannot_be(void **state)
{
    (void)state;
    static const char *const bad[] = {"",   "-p",  "a b",  "a,b", "*",      "a?",
                                      "!a", "[a]", "a\tb", "a/b", "user@a", "|1|x"};

    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct connect_known *k = NULL;
        assert_err(connect_known_new(bad[i], 22, &k), ERR_INPUT);
    }
}

/* --- against ssh-keygen --- */

static void hashed_by_ssh_keygen(void **state)
{
    (void)state;
    static const char *const hosts[] = {"web.example", "[web.example]:2222", "10.0.0.1",
                                        "[::1]:22022", "::1"};
    const char *path = in_folder("hashed");
    AUTO(auto_free) char *plain = text_copy("");

    for (size_t i = 0; i < ARRAY_LEN(hosts); i++) {
        AUTO(auto_free) char *before = plain;
        plain = text_fmt("%s%s %s\n", before, hosts[i], host_line);
    }
    spit(path, plain);
    MUST_RUN("ssh-keygen", "-q", "-H", "-f", path);
    AUTO(auto_free) char *hashed = slurp(path);

    assert_null(strstr(hashed, "web"));
    assert_int_equal(known_in("web.example", 22, hashed), 1);
    assert_int_equal(known_in("Web.Example", 22, hashed), 1);
    assert_int_equal(known_in("10.0.0.1", 22, hashed), 3);
    assert_int_equal(known_in("::1", 22022, hashed), 4);
    assert_int_equal(known_in("::1", 22, hashed), 5);
    assert_int_equal(known_in("web.example", 2222, hashed), 1); /* by name; 2 is found as well */
    assert_int_equal(known_in("10.0.0.2", 22, hashed), 0);
}

/* Every question gets the answer that ssh-keygen -F gives. */
static void found_as_by_ssh_keygen(void **state)
{
    (void)state;
    static const char *const files[] = {"a",   "a,b",  "*",      "a*,!ab", "!a,*",   "?b",
                                        "A,B", "a.*",  "[a]:22", "[a]:1",  "[a]:*",  "*,![a]:1",
                                        "**",  "a,,b", "!",      "a?",     "a.b.?*", "[*]:1"};
    static const char *const asked[] = {"a", "b", "ab", "a.b", "a.b.c", "zb"};
    const char *path = in_folder("find");
    char out[4096];

    for (size_t f = 0; f < ARRAY_LEN(files); f++) {
        AUTO(auto_free) char *text = text_fmt("%s %s\n", files[f], host_line);
        spit(path, text);
        for (size_t i = 0; i < 2 * ARRAY_LEN(asked); i++) {
            const char *name = asked[i / 2];
            AUTO(auto_free) char *with_port = text_fmt("[%s]:1", name);
            AUTO(connect_known_free) struct connect_known *k = scan(name, i % 2 ? 1 : 22, text);
            bool found = RUN(out, "ssh-keygen", "-F", i % 2 ? with_port : name, "-f", path) == 0;
            if (found != (k->count == 1 && k->entries[0].with_port)) {
                fail_msg("%s in \"%s\": ssh-keygen says %d", k->name, files[f], found);
            }
        }
    }
}

/* --- damage --- */

/* A flip may lose a name, a key or a marker; it never makes a CA, nor a key that counts as the
 * host's without the line that says so. */
static void check_damaged(struct view text, void *arg)
{
    AUTO(connect_known_free) struct connect_known *k = NULL;
    const struct connect_known_entry *entry;

    assert_ok(connect_known_new(arg, 22, &k));
    AUTO(err_free) struct err *e = connect_known_scan(k, "FILE", text);
    assert_true(!e || err_is(e, ERR_INPUT));
    assert_true(k->count <= 2);
    assert_null(connect_known_find(k, CONNECT_KNOWN_CA, NULL));
    entry = connect_known_find(k, CONNECT_KNOWN_KEY, host.key);
    assert_true(!entry || entry->line <= 2);
    entry = connect_known_find(k, CONNECT_KNOWN_KEY, other.key);
    assert_null(entry);
}

static void damaged_files(void **state)
{
    (void)state;
    AUTO(auto_free) char *text = text_fmt("web %s\n@revoked * %s\n", host_line, other_line);

    each_flip(view_cstr(text), check_damaged, (void *)(uintptr_t)"web");
    each_truncation(view_cstr(text), check_damaged, (void *)(uintptr_t)"web");
}

/* No flipped bit and no cut in the hash lets the line match. */
static void damaged_hashes(void **state)
{
    (void)state;
    const char *path = in_folder("damage");
    AUTO(auto_free) char *text = text_fmt("web %s\n", host_line);

    spit(path, text);
    MUST_RUN("ssh-keygen", "-q", "-H", "-f", path);
    AUTO(auto_free) char *hashed = slurp(path);
    size_t hash_len = strcspn(hashed, " ");

    assert_int_equal(known_in("web", 22, hashed), 1);
    for (size_t bit = 0; bit < 8 * hash_len; bit++) {
        hashed[bit / 8] = (char)(hashed[bit / 8] ^ 1 << bit % 8);
        assert_int_equal(known_in("web", 22, hashed), 0);
        hashed[bit / 8] = (char)(hashed[bit / 8] ^ 1 << bit % 8);
    }
    for (size_t cut = 1; cut < hash_len; cut++) {
        AUTO(auto_free) char *shorter = text_fmt("%.*s%s", (int)cut, hashed, hashed + hash_len);
        assert_int_equal(known_in("web", 22, shorter), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(patterns),
        cmocka_unit_test(names),
        cmocka_unit_test(names_with_ports),
        cmocka_unit_test(markers_and_odd_lines),
        cmocka_unit_test(revoked_line_that_cannot_be_read),
        cmocka_unit_test(limits),
        cmocka_unit_test(hosts_that_cannot_be),
        cmocka_unit_test(hashed_by_ssh_keygen),
        cmocka_unit_test(found_as_by_ssh_keygen),
        cmocka_unit_test(damaged_files),
        cmocka_unit_test(damaged_hashes),
    };

    return cmocka_run_group_tests(tests, make_soft_keys, free_soft_keys);
}
