/*
 * Certificates as ssh-keygen makes them: everything it shows of one, we have read; everything it
 * signed, we verify; and no flipped bit gets past both the parser and the signature.
 */
#include "ssh/issue.h"

/* --- our fields, written down as ssh-keygen -L writes them --- */

static const char *const shown[TYPES] = {"RSA", "ECDSA", "ECDSA", "ECDSA", "ED25519"};

static void put_text(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);
static void put_text(struct buf *b, const char *fmt, ...)
{
    char text[1024];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    buf_put(b, text, strlen(text));
}

/* ssh-keygen shows the data of options that it does not know as hex, with the wrapping. */
static void put_unknown_option(struct buf *b, const struct ssh_cert_option *o)
{
    AUTO(auto_free) char *hex = text_hex(view_cstr(o->value));

    if (o->value[0] == '\0') {
        put_text(b, " UNKNOWN FLAG OPTION");
        return;
    }
    put_text(b, " UNKNOWN OPTION: %08zx%s (len %zu)", strlen(o->value), hex, strlen(o->value) + 4);
}

static void put_options(struct buf *b, const char *title, const struct ssh_cert_option *o)
{
    put_text(b, "        %s: %s\n", title, o == NULL ? "(none)" : "");
    for (; o != NULL && o->name != NULL; o++) {
        put_text(b, "                %s", o->name);
        if (strchr(o->name, '@') != NULL) {
            put_unknown_option(b, o);
        } else if (o->value[0] != '\0') {
            put_text(b, " %s", o->value);
        }
        put_text(b, "\n");
    }
}

static void put_window(struct buf *b, const struct ssh_cert_fields *f)
{
    char after[WALL_TEXT_BYTES], before[WALL_TEXT_BYTES];

    if (f->valid_after == 0 && f->valid_before == SSH_CERT_FOREVER) {
        put_text(b, "        Valid: forever\n");
        return;
    }
    wall_text((struct wall){(int64_t)f->valid_after}, after);
    wall_text((struct wall){(int64_t)f->valid_before}, before);
    after[strlen(after) - 1] = before[strlen(before) - 1] = '\0'; /* the Z */
    put_text(b, "        Valid: from %s to %s\n", after, before);
}

static char *as_shown(const struct ssh_cert *c, const char *path)
{
    const struct ssh_cert_fields *f = ssh_cert_fields(c);
    enum ssh_key_type ca = ssh_key_type(ssh_cert_ca(c));
    char fp[SSH_FINGERPRINT_BYTES];
    struct buf b;

    buf_init(&b, 0);
    put_text(&b, "%s:\n", path);
    put_text(&b, "        Type: %s %s certificate\n", ssh_cert_type_name(c),
             f->kind == SSH_CERT_USER ? "user" : "host");
    put_text(&b, "        Public key: %s-CERT %s\n", shown[ssh_key_type(ssh_cert_key(c))],
             ssh_key_fingerprint(ssh_cert_key(c), fp));
    put_text(&b, "        Signing CA: %s %s (using %s)\n", shown[ca],
             ssh_key_fingerprint(ssh_cert_ca(c), fp), ssh_alg_name(ssh_alg_default(ca)));
    put_text(&b, "        Key ID: \"%s\"\n        Serial: %llu\n", f->key_id,
             (unsigned long long)f->serial);
    put_window(&b, f);
    put_text(&b, "        Principals: %s\n", f->principals == NULL ? "(none)" : "");
    for (char **p = f->principals; p != NULL && *p != NULL; p++) {
        put_text(&b, "                %s\n", *p);
    }
    put_options(&b, "Critical Options", f->critical);
    put_options(&b, "Extensions", f->extensions);
    char *text = view_dup(buf_view(&b));

    buf_deinit(&b);
    return text;
}

static void must_be_as_shown(const struct ssh_cert *c, enum ssh_key_type type)
{
    char out[8192];
    AUTO(auto_free) char *ours = as_shown(c, cert_path(type));

    assert_int_equal(RUN(out, "ssh-keygen", "-Lf", cert_path(type)), 0);
    assert_string_equal(ours, out);
    assert_ok(ssh_cert_verify(c));
}

/* --- tests --- */

static void test_every_key_type_by_every_ca_type(void **state)
{
    (void)state;
    for (int i = 0; i < TYPES * TYPES; i++) {
        enum ssh_key_type type = (enum ssh_key_type)(i % TYPES);
        const char *ca = ssh_key_type_word((enum ssh_key_type)(i / TYPES));
        AUTO(ssh_cert_free) struct ssh_cert *c =
            ISSUE(type, ca, "-I", "an id", "-n", "alice", "-z", "7", "-V", "20200102:20300405");
        AUTO(ssh_key_free) struct ssh_key *key = key_of_file(type);
        AUTO(auto_free) char *line = slurp(cert_path(type));
        AUTO(auto_free) char *again = ssh_cert_line(c, "some comment");

        must_be_as_shown(c, type);
        assert_true(ssh_key_eq(ssh_cert_key(c), key));
        line[strcspn(line, "\n")] = '\0';
        assert_string_equal(again, line);
        assert_true(ssh_cert_is_blob(ssh_cert_blob(c)));
        assert_false(ssh_cert_is_blob(ssh_key_blob(key)));
    }
}

static void test_options_and_windows(void **state)
{
    static const char *const more[][8] = {
        {"-O", "clear"},
        {"-O", "force-command=/bin/ls -l", "-O", "source-address=10.0.0.0/8,::1"},
        {"-O", "no-pty", "-O", "critical:x@example.com=1", "-O", "extension:y@example.com"},
        {"-O", "extension:z@example.com=a value", "-O", "verify-required"},
        {"-n", "alice,bob,carol", "-z", "18446744073709551615"},
        {"-V", "always:forever", "-n", "alice"},
        {"-h", "-n", "a.example.com,b.example.com", "-V", "20200102:20300405"},
        {"-h", "-V", "20200102030405:20200102030406"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(more); i++) {
        const char *argv[16] = {"ssh-keygen", "-q", "-s", in_folder("ed25519"), "-I", "id \"q\""};
        size_t n = 6;

        for (size_t k = 0; k < 8 && more[i][k] != NULL; k++) {
            argv[n++] = more[i][k];
        }
        argv[n] = pub_path(SSH_KEY_P256);
        AUTO(ssh_cert_free) struct ssh_cert *c = issue(SSH_KEY_P256, argv);

        must_be_as_shown(c, SSH_KEY_P256);
    }
}

static void test_window(void **state)
{
    AUTO(ssh_cert_free) struct ssh_cert *c =
        ISSUE(SSH_KEY_P256, "p256", "-I", "i", "-n", "a", "-V", "20200102:20300405");
    AUTO(ssh_cert_free) struct ssh_cert *always =
        ISSUE(SSH_KEY_P256, "p256", "-I", "i", "-n", "a", "-V", "always:forever");
    int64_t from = (int64_t)ssh_cert_fields(c)->valid_after;
    int64_t to = (int64_t)ssh_cert_fields(c)->valid_before;

    (void)state;
    assert_false(ssh_cert_is_valid_at(c, (struct wall){from - 1}));
    assert_true(ssh_cert_is_valid_at(c, (struct wall){from}));
    assert_true(ssh_cert_is_valid_at(c, (struct wall){to - 1}));
    assert_false(ssh_cert_is_valid_at(c, (struct wall){to}));
    assert_true(ssh_cert_is_valid_at(always, (struct wall){0}));
    assert_true(ssh_cert_is_valid_at(always, (struct wall){INT64_MAX}));
    assert_false(ssh_cert_is_valid_at(always, (struct wall){-1}));
    assert_false(ssh_cert_is_valid_at(always, (struct wall){INT64_MIN}));
}

static void must_not_parse(struct view blob, void *arg)
{
    struct ssh_cert *c = NULL;
    AUTO(err_free) struct err *e = ssh_cert_from_blob(blob, &c);

    (void)arg;
    assert_non_null(e);
    assert_null(c);
}

/* What the parser lets pass, the signature does not. */
static void must_not_verify(struct view blob, void *parsed)
{
    AUTO(ssh_cert_free) struct ssh_cert *c = NULL;
    AUTO(err_free) struct err *e = ssh_cert_from_blob(blob, &c);

    if (e == NULL) {
        ++*(size_t *)parsed;
        assert_err(ssh_cert_verify(c), ERR_CERT);
    }
}

static void test_truncated_and_flipped(void **state)
{
    static const enum ssh_key_type types[] = {SSH_KEY_P256, SSH_KEY_ED25519, SSH_KEY_RSA};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        AUTO(ssh_cert_free) struct ssh_cert *c =
            ISSUE(types[i], ssh_key_type_word(types[i]), "-I", "id", "-n", "alice,bob", "-O",
                  "force-command=ls", "-V", "20200102:20300405");
        size_t parsed = 0;
        AUTO(buf_deinit) struct buf longer;

        each_truncation(ssh_cert_blob(c), must_not_parse, NULL);
        each_flip(ssh_cert_blob(c), must_not_verify, &parsed);
        assert_true(parsed > 100); /* so the signature was really asked */
        buf_init(&longer, 0);
        buf_put(&longer, ssh_cert_blob(c).p, ssh_cert_blob(c).len);
        buf_put_u8(&longer, 0);
        must_not_parse(buf_view(&longer), NULL);
    }
}

static void test_signature_under_sha1_is_refused(void **state)
{
    AUTO(ssh_cert_free) struct ssh_cert *c =
        ISSUE(SSH_KEY_P256, "rsa", "-I", "id", "-n", "alice", "-t", "ssh-rsa");
    AUTO(ssh_cert_free) struct ssh_cert *good =
        ISSUE(SSH_KEY_P256, "rsa", "-I", "id", "-n", "alice", "-t", "rsa-sha2-256");

    (void)state;
    assert_err_says(ssh_cert_verify(c), ERR_CERT, "SHA-1");
    assert_ok(ssh_cert_verify(good));
}

/* --- certificates that ssh-keygen does not make --- */

/* Where a field stands in the blob of a P-256 certificate. */
struct odd {
    const char *type;
    uint32_t kind;
    struct view principals, critical, extensions, ca;
};

static struct err *parse_odd(const struct odd *odd)
{
    static const char g[] = "046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"
                            "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5";
    AUTO(ssh_cert_free) struct ssh_cert *c = NULL;
    AUTO(ssh_key_free) struct ssh_key *key = NULL;
    AUTO(buf_deinit) struct buf b, point;

    buf_init(&b, 0);
    buf_init(&point, 0);
    assert_ok(text_unhex(g, &point));
    assert_ok(ssh_key_from_point(SSH_KEY_P256, buf_view(&point), &key));
    buf_put_cstr(&b, odd->type != NULL ? odd->type : "ecdsa-sha2-nistp256-cert-v01@openssh.com");
    buf_put_cstr(&b, "nonce");
    buf_put_cstr(&b, "nistp256");
    buf_put_string(&b, buf_view(&point));
    buf_put_u64(&b, 1);
    buf_put_u32(&b, odd->kind != 0 ? odd->kind : 1);
    buf_put_cstr(&b, "id");
    buf_put_string(&b, odd->principals);
    buf_put_u64(&b, 0);
    buf_put_u64(&b, 1);
    buf_put_string(&b, odd->critical);
    buf_put_string(&b, odd->extensions);
    buf_put_cstr(&b, "reserved for later: to be ignored");
    buf_put_string(&b, odd->ca.len > 0 ? odd->ca : ssh_key_blob(key));
    buf_put_cstr(&b, "signature");
    assert_ok(buf_check(&b, "b"));
    return ssh_cert_from_blob(buf_view(&b), &c);
}

/* "name=value" with the value wrapped, or a flag without "=", or "name==raw" with the data as is. */
static void put_option(struct buf *b, const char *text)
{
    size_t name = strcspn(text, "=");
    const char *rest = text + name;

    buf_put_string(b, view_of(text, name));
    if (rest[0] == '=' && rest[1] == '=') {
        buf_put_cstr(b, rest + 2);
        return;
    }
    size_t data = buf_begin_string(b);

    if (rest[0] == '=') {
        buf_put_cstr(b, rest + 1);
    }
    buf_end_string(b, data);
}

static struct err *parse_options(bool critical, const char *const *options, size_t n)
{
    AUTO(buf_deinit) struct buf b;

    buf_init(&b, 0);
    for (size_t i = 0; i < n && options[i] != NULL; i++) {
        put_option(&b, options[i]);
    }
    return parse_odd(critical ? &(struct odd){.critical = buf_view(&b)}
                              : &(struct odd){.extensions = buf_view(&b)});
}

static void test_options_in_order_once_and_wrapped(void **state)
{
    static const char *const good[][4] = {
        {"a"}, {"a", "b=x"}, {"a=x", "ab"}, {"A", "a"}, {"a="}, {NULL},
    };
    static const char *const bad[][4] = {
        {"b", "a"},  {"a", "a"},  {"a=x", "a=y"},
        {"ab", "a"}, {"a", "A"},  {""},
        {"a==x"},    {"a==\x01"}, {"a", "b==\x7f\x7f\x7f\x7f\x7f"},
    };

    (void)state;
    for (int critical = 0; critical < 2; critical++) {
        for (size_t i = 0; i < ARRAY_LEN(good); i++) {
            assert_ok(parse_options(critical, good[i], 4));
        }
        for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
            assert_err(parse_options(critical, bad[i], 4), ERR_PROTOCOL);
        }
    }
}

static void test_nul_bytes_are_malformed(void **state)
{
    static const uint8_t nul_name[] = "\0\0\0\3a\0b\0\0\0\0";
    static const uint8_t nul_value[] = "\0\0\0\1a\0\0\0\7\0\0\0\3x\0y";

    (void)state;
    assert_err(parse_odd(&(struct odd){.critical = view_of(nul_name, 11)}), ERR_PROTOCOL);
    assert_err(parse_odd(&(struct odd){.extensions = view_of(nul_value, 16)}), ERR_PROTOCOL);
    assert_err(parse_odd(&(struct odd){.principals = view_of(nul_name, 7)}), ERR_PROTOCOL);
}

static void test_data_behind_an_option_is_malformed(void **state)
{
    static const uint8_t more[] = "\0\0\0\1a\0\0\0\6\0\0\0\1xy";
    static const uint8_t second[] = "\0\0\0\1a\0\0\0\x0a\0\0\0\1x\0\0\0\1y";

    (void)state;
    assert_err(parse_odd(&(struct odd){.critical = view_of(more, 15)}), ERR_PROTOCOL);
    assert_err(parse_odd(&(struct odd){.critical = view_of(second, 19)}), ERR_PROTOCOL);
}

static void test_limits(void **state)
{
    AUTO(buf_deinit) struct buf options, principals, big;

    (void)state;
    buf_init(&options, 0);
    buf_init(&principals, 0);
    buf_init(&big, 0);
    for (int i = 0; i <= SSH_CERT_OPTIONS_MAX; i++) {
        char name[8];

        if (i == SSH_CERT_OPTIONS_MAX) {
            assert_ok(parse_odd(&(struct odd){.critical = buf_view(&options)}));
        }
        snprintf(name, sizeof name, "%03d", i);
        put_option(&options, name);
    }
    assert_err(parse_odd(&(struct odd){.critical = buf_view(&options)}), ERR_LIMIT);
    for (int i = 0; i <= SSH_CERT_PRINCIPALS_MAX; i++) {
        if (i == SSH_CERT_PRINCIPALS_MAX) {
            assert_ok(parse_odd(&(struct odd){.principals = buf_view(&principals)}));
        }
        buf_put_cstr(&principals, "p");
    }
    assert_err(parse_odd(&(struct odd){.principals = buf_view(&principals)}), ERR_LIMIT);
    memset(buf_reserve(&big, SSH_BLOB_MAX_BYTES), 0, SSH_BLOB_MAX_BYTES);
    assert_err(parse_odd(&(struct odd){.ca = buf_view(&big)}), ERR_LIMIT);
}

static void test_odd_types(void **state)
{
    AUTO(ssh_cert_free) struct ssh_cert *c = ISSUE(SSH_KEY_P256, "p256", "-I", "i", "-n", "a");

    (void)state;
    assert_ok(parse_odd(&(struct odd){0}));
    assert_ok(parse_odd(&(struct odd){.kind = 2}));
    assert_err(parse_odd(&(struct odd){.kind = 3}), ERR_PROTOCOL);
    assert_err(parse_odd(&(struct odd){.type = "ecdsa-sha2-nistp256"}), ERR_PROTOCOL);
    assert_err(parse_odd(&(struct odd){.type = "ssh-dss-cert-v01@openssh.com"}), ERR_UNSUPPORTED);
    assert_err(parse_odd(&(struct odd){.type = "ecdsa-sha2-nistp384-cert-v01@openssh.com"}),
               ERR_PROTOCOL);
    assert_err_says(parse_odd(&(struct odd){.ca = ssh_cert_blob(c)}), ERR_PROTOCOL,
                    "signed by a certificate");
    assert_err(parse_odd(&(struct odd){.ca = view_of("\0\0\0\1x", 5)}), ERR_UNSUPPORTED);
    assert_err(parse_odd(&(struct odd){.ca = view_of("\0\0\0\2x", 5)}), ERR_PROTOCOL);
}

static void test_lines(void **state)
{
    AUTO(ssh_cert_free) struct ssh_cert *c = ISSUE(SSH_KEY_P256, "p256", "-I", "i", "-n", "a");
    AUTO(auto_free) char *line = ssh_cert_line(c, NULL);
    AUTO(auto_free) char *key_line = slurp(pub_path(SSH_KEY_P256));
    AUTO(ssh_cert_free) struct ssh_cert *again = NULL;
    struct ssh_cert *none = NULL;

    (void)state;
    assert_ok(ssh_cert_from_line(line, &again));
    assert_true(view_eq(ssh_cert_blob(c), ssh_cert_blob(again)));
    assert_err(ssh_cert_from_line(key_line, &none), ERR_INPUT);
    assert_err(ssh_cert_from_line("", &none), ERR_INPUT);
    ssh_cert_free(&none);
}

/* Of the keys it is told, it takes those it names, and is the same certificate with them. */
static void test_shared_keys(void **state)
{
    AUTO(ssh_cert_free) struct ssh_cert *a =
        ISSUE(SSH_KEY_P256, "rsa", "-I", "a", "-n", "alice", "-V", "20200102:20300405");
    AUTO(ssh_cert_free) struct ssh_cert *b =
        ISSUE(SSH_KEY_P256, "rsa", "-I", "b", "-n", "alice", "-V", "20200102:20300405");
    AUTO(ssh_key_free) struct ssh_key *key = key_of_file(SSH_KEY_P256);

    (void)state;
    ssh_cert_share(b, ssh_cert_ca(a), key); /* neither is what it names there */
    assert_ptr_not_equal(ssh_cert_key(b), ssh_cert_ca(a));
    assert_ptr_not_equal(ssh_cert_ca(b), key);
    ssh_cert_share(b, NULL, NULL);
    ssh_cert_share(b, key, ssh_cert_ca(a));
    ssh_cert_share(b, key, ssh_cert_ca(a));
    assert_ptr_equal(ssh_cert_key(b), key);
    assert_ptr_equal(ssh_cert_ca(b), ssh_cert_ca(a));
    ssh_cert_free(&a);
    assert_ok(ssh_cert_verify(b));
    must_be_as_shown(b, SSH_KEY_P256);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_key_type_by_every_ca_type),
        cmocka_unit_test(test_options_and_windows),
        cmocka_unit_test(test_window),
        cmocka_unit_test(test_truncated_and_flipped),
        cmocka_unit_test(test_signature_under_sha1_is_refused),
        cmocka_unit_test(test_options_in_order_once_and_wrapped),
        cmocka_unit_test(test_nul_bytes_are_malformed),
        cmocka_unit_test(test_data_behind_an_option_is_malformed),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_odd_types),
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_shared_keys),
    };

    return cmocka_run_group_tests(tests, make_keys, remove_folder);
}
