/* Which identities are offered, in which order, and what is said of one that was refused. */
#include "connect/identities.h"
#include "ssh/issue.h"

static struct soft key, other, ca;
static const struct wall now = {1000};

static int make_soft_keys(void **state)
{
    (void)state;
    soft_init(&key, SSH_KEY_ED25519);
    soft_init(&other, SSH_KEY_P256);
    soft_init(&ca, SSH_KEY_P384);
    return 0;
}

static int free_soft_keys(void **state)
{
    (void)state;
    soft_deinit(&key);
    soft_deinit(&other);
    soft_deinit(&ca);
    return 0;
}

/* Certificates that differ in one thing each; the key id tells which. */
static void put_cert(struct buf *b, const char *key_id, const char *user, enum ssh_cert_kind kind,
                     uint64_t valid_after, uint64_t valid_before)
{
    AUTO(auto_free) char *id = text_copy(key_id);
    AUTO(text_list_free) char **principals = NULL;
    struct buf blob;

    buf_init(&blob, 0);
    assert_true(text_list_add(&principals, user));
    const struct ssh_cert_fields f = {
        .serial = 5,
        .kind = kind,
        .key_id = id,
        .principals = principals,
        .valid_after = valid_after,
        .valid_before = valid_before,
    };
    assert_ok(write_cert(key.key, &f, &ca, &blob));
    buf_put_string(b, buf_view(&blob));
    buf_put_cstr(b, "comment");
    buf_deinit(&blob);
}

static void put_user_cert(struct buf *b, const char *key_id, const char *user, uint64_t until)
{
    put_cert(b, key_id, user, SSH_CERT_USER, 900, until);
}

static void put_key(struct buf *b, const struct ssh_key *k)
{
    buf_put_string(b, ssh_key_blob(k));
    buf_put_cstr(b, "");
}

static const char *id_of(const struct connect_identities *ids, size_t i)
{
    assert_true(i < ids->count);
    return ids->list[i].cert ? ssh_cert_fields(ids->list[i].cert)->key_id : "";
}

static void order(void **state)
{
    struct connect_identities ids = {0};
    struct buf b;

    (void)state;
    buf_init(&b, 0);
    buf_put_u32(&b, 8);
    put_user_cert(&b, "expired", "alice", 1000);
    put_key(&b, key.key);
    put_user_cert(&b, "for bob", "bob", 1001);
    put_cert(&b, "host", "alice", SSH_CERT_HOST, 0, SSH_CERT_FOREVER);
    put_user_cert(&b, "first", "alice", 1001);
    put_cert(&b, "early", "alice", SSH_CERT_USER, 1001, SSH_CERT_FOREVER);
    buf_put_string(&b, view_cstr("\0\0\0\7sk-what"));
    buf_put_cstr(&b, "");
    put_user_cert(&b, "second", "alice", SSH_CERT_FOREVER);
    assert_ok(connect_identities_read(&ids, rd_of(buf_view(&b)), view_of(NULL, 0), "alice", now));
    assert_int_equal(ids.count, 6);
    assert_int_equal(ids.listed, 8);
    assert_int_equal(ids.certs, 6);
    assert_int_equal(ids.unusable, 2);
    assert_string_equal(id_of(&ids, 0), "first");
    assert_string_equal(id_of(&ids, 1), "second");
    assert_string_equal(id_of(&ids, 2), "for bob");
    assert_true(ssh_key_eq(ids.list[3].key, key.key) && !ids.list[3].cert);
    assert_string_equal(id_of(&ids, 4), "expired");
    assert_string_equal(id_of(&ids, 5), "early");
    connect_identities_deinit(&ids);
    buf_deinit(&b);
}

static void the_best_of_many(void **state)
{
    struct connect_identities ids = {0};
    struct buf b;

    (void)state;
    buf_init(&b, 0);
    buf_put_u32(&b, 13);
    for (int i = 0; i < 6; i++) {
        put_key(&b, other.key);
    }
    for (int i = 0; i < 6; i++) {
        put_user_cert(&b, "expired", "alice", 950);
    }
    put_user_cert(&b, "good", "alice", 1100);
    assert_ok(connect_identities_read(&ids, rd_of(buf_view(&b)), view_of(NULL, 0), "alice", now));
    assert_int_equal(ids.count, CONNECT_OFFERS_MAX);
    assert_string_equal(id_of(&ids, 0), "good");
    for (size_t i = 1; i < ids.count; i++) {
        assert_null(ids.list[i].cert);
    }
    connect_identities_deinit(&ids);
    buf_deinit(&b);
}

static void only_one(void **state)
{
    struct connect_identities ids = {0};
    struct buf b;

    (void)state;
    buf_init(&b, 0);
    buf_put_u32(&b, 2);
    put_key(&b, other.key);
    put_key(&b, key.key);
    assert_ok(connect_identities_read(&ids, rd_of(buf_view(&b)), ssh_key_blob(key.key), "a", now));
    assert_int_equal(ids.count, 1);
    assert_true(view_eq(connect_identity_blob(&ids.list[0]), ssh_key_blob(key.key)));
    connect_identities_deinit(&ids);
    ids = (struct connect_identities){0};
    assert_err_says(
        connect_identities_read(&ids, rd_of(buf_view(&b)), ssh_key_blob(ca.key), "a", now),
        ERR_NOT_FOUND, "none of the agent's 2 identities is the key SHA256:");
    buf_deinit(&b);
}

static void nothing_to_offer(void **state)
{
    struct connect_identities ids = {0};
    struct buf b;

    (void)state;
    buf_init(&b, 0);
    buf_put_u32(&b, 0);
    assert_err_says(connect_identities_read(&ids, rd_of(buf_view(&b)), view_of(NULL, 0), "a", now),
                    ERR_NOT_FOUND, "has no identities");
    buf_clear(&b);
    buf_put_u32(&b, 1);
    put_cert(&b, "host", "a", SSH_CERT_HOST, 0, SSH_CERT_FOREVER);
    assert_err_says(connect_identities_read(&ids, rd_of(buf_view(&b)), view_of(NULL, 0), "a", now),
                    ERR_NOT_FOUND, "none of the agent's 1 identities can log in");
    buf_clear(&b);
    buf_put_u32(&b, CONNECT_LISTED_MAX + 1);
    assert_err(connect_identities_read(&ids, rd_of(buf_view(&b)), view_of(NULL, 0), "a", now),
               ERR_LIMIT);
    buf_deinit(&b);
}

/* Damage costs identities or the whole list; it never makes one of another kind or one too many. */
static void check_damaged(struct view answer, void *arg)
{
    struct connect_identities ids = {0};
    AUTO(err_free) struct err *e =
        connect_identities_read(&ids, rd_of(answer), view_of(NULL, 0), "alice", now);
    size_t *worked = arg;

    assert_true(e || (ids.count >= 1 && ids.count <= 2));
    assert_true(!e || err_is(e, ERR_PROTOCOL) || err_is(e, ERR_LIMIT) || err_is(e, ERR_NOT_FOUND));
    for (size_t i = 0; i < ids.count; i++) {
        assert_non_null(ids.list[i].key);
    }
    *worked += !e;
    connect_identities_deinit(&ids);
}

static void damaged_list(void **state)
{
    struct buf b;
    size_t worked = 0;

    (void)state;
    buf_init(&b, 0);
    buf_put_u32(&b, 2);
    put_user_cert(&b, "id", "alice", 1100);
    put_key(&b, other.key);
    each_flip(buf_view(&b), check_damaged, &worked);
    assert_true(worked > 0); /* bits of a key may change and leave a key */
    worked = 0;
    each_truncation(buf_view(&b), check_damaged, &worked);
    assert_int_equal(worked, 0);
    buf_deinit(&b);
}

/* --- words --- */

static struct connect_identity make(const char *key_id, char **principals, uint64_t after,
                                    uint64_t before, struct ssh_cert_option *critical)
{
    struct connect_identity id = {.key = ssh_key_copy(key.key)};
    AUTO(auto_free) char *key_id_copy = text_copy(key_id);
    struct buf blob;
    const struct ssh_cert_fields f = {
        .serial = 5,
        .kind = SSH_CERT_USER,
        .key_id = key_id_copy,
        .principals = principals,
        .valid_after = after,
        .valid_before = before,
        .critical = critical,
    };

    buf_init(&blob, 0);
    assert_ok(write_cert(key.key, &f, &ca, &blob));
    assert_ok(ssh_cert_from_blob(buf_view(&blob), &id.cert));
    buf_deinit(&blob);
    return id;
}

static void says(struct connect_identity id, const char *text, const char *hint)
{
    AUTO(auto_free) char *is_text = connect_identity_text(&id);
    AUTO(auto_free) char *is_hint = connect_identity_hint(&id, "alice", now);

    if (!strstr(is_text, text) || !strstr(is_hint, hint)) {
        fail_msg("%s | %s", is_text, is_hint);
    }
    ssh_key_free(&id.key);
    ssh_cert_free(&id.cert);
}

static void words(void **state)
{
    char alice[] = "alice", bob[] = "bob", name[] = "source-address", value[] = "10.0.0.0/8";
    char *one[] = {alice, NULL}, *two[] = {bob, bob, NULL};
    char *many[] = {bob, bob, bob, bob, bob, bob, NULL};
    struct ssh_cert_option from[] = {{name, value}, {NULL, NULL}};
    char print[SSH_FINGERPRINT_BYTES];

    (void)state;
    says((struct connect_identity){.key = ssh_key_copy(key.key)},
         "key ed25519 SHA256:", "in alice's authorized_keys");
    says(make("web", one, 900, 1100, NULL),
         "certificate \"web\" serial 5 for alice until 1970-01-01T00:18:20Z (ed25519 SHA256:",
         ssh_key_fingerprint(ca.key, print));
    says(make("web", one, 0, SSH_CERT_FOREVER, from), "until forever",
         "good only from 10.0.0.0/8.");
    says(make("web", two, 900, 1100, NULL), "for bob,bob until", "alice is not among its");
    says(make("web", many, 900, 1100, NULL), "for bob,bob,bob,bob and 2 more until",
         "alice is not");
    says(make("web", one, 900, 1000, NULL), "\"web\"", "expired at 1970-01-01T00:16:40Z");
    says(make("web", one, 1001, 1100, NULL), "\"web\"", "valid only from 1970-01-01T00:16:41Z");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(order),        cmocka_unit_test(the_best_of_many),
        cmocka_unit_test(only_one),     cmocka_unit_test(nothing_to_offer),
        cmocka_unit_test(damaged_list), cmocka_unit_test(words),
    };

    return cmocka_run_group_tests(tests, make_soft_keys, free_soft_keys);
}
