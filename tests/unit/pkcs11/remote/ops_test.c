/*
 * Each message there and back; cut off at each byte it is an error, and with any bit flipped it is
 * an error or another message that the writer would have written: nothing is half understood.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "pkcs11/remote/ops.h"

static struct ssh_key *key;

static const struct token_info info = {
    .slot_id = 0x1234567890,
    .label = "alpha",
    .manufacturer = "maker",
    .model = "model",
    .serial = "0123456789abcdef",
    .flags = 0x40d,
    .sessions_max = 7,
    .pin_min = 4,
    .pin_max = 8,
    .hardware_major = 1,
    .hardware_minor = 2,
    .firmware_major = 3,
    .firmware_minor = 4,
};

/* A message: write a sample, or read one and write again what was understood. */
struct message {
    const char *name;
    void (*sample)(struct buf *b);
    struct err *(*again)(struct rd *r, struct buf *b);
    bool lax; /* has a profile in it, whose reader takes any byte but 0 for true */
};

/* Read a plain struct and write it again. */
#define AGAIN(name, type, stem)                                                                    \
    static struct err *name##_again(struct rd *r, struct buf *b)                                   \
    {                                                                                              \
        type m;                                                                                    \
                                                                                                   \
        memset(&m, 0, sizeof m);                                                                   \
        struct err *e = stem##_get(r, &m);                                                         \
                                                                                                   \
        if (e == NULL) {                                                                           \
            stem##_put(b, &m);                                                                     \
        }                                                                                          \
        return e;                                                                                  \
    }

static void load_sample(struct buf *b)
{
    char *names[] = {(char[]){"HOME"}, NULL};
    const struct profile_load p = {.os_locking = true, .threads_max = 4, .environment = names};

    ops_load_put(b, "/lib/module.so", &p);
}

static struct err *load_again(struct rd *r, struct buf *b)
{
    struct ops_load l;
    struct err *e = ops_load_get(r, &l);

    if (e == NULL) {
        ops_load_put(b, l.path, &l.profile);
        ops_load_deinit(&l);
    }
    return e;
}

static void library_sample(struct buf *b)
{
    const struct ops_library l = {
        .info = {"maker", "library", 2, 40, 1, 5},
        .sandbox = "seccomp",
    };

    ops_library_put(b, &l);
}

AGAIN(library, struct ops_library, ops_library)

static void lanes_sample(struct buf *b)
{
    ops_lanes_put(b, &(struct ops_lanes){{1, 7, OPS_LANES_MAX}, 3});
}

AGAIN(lanes, struct ops_lanes, ops_lanes)

static void tokens_sample(struct buf *b)
{
    const struct token_info list[2] = {info, info};

    ops_tokens_put(b, list, 2);
}

static struct err *tokens_again(struct rd *r, struct buf *b)
{
    AUTO(auto_free) struct token_info *list = NULL;
    size_t n = 0;
    struct err *e = ops_tokens_get(r, &list, &n);

    if (e == NULL) {
        ops_tokens_put(b, list, n);
    }
    return e;
}

static void info_sample(struct buf *b)
{
    ops_info_put(b, &info);
}

AGAIN(info, struct token_info, ops_info)

static void open_sample(struct buf *b)
{
    const struct ops_open o = {.lane = 3,
                               .info = info,
                               .profile = {.sessions_max = 4,
                                           .sign_timeout_ms = 1000,
                                           .login_timeout_ms = 1000,
                                           .generate_timeout_ms = 1000,
                                           .mechanisms_off = {0x1057},
                                           .mechanisms_off_n = 1}};

    ops_open_put(b, &o);
}

AGAIN(open, struct ops_open, ops_open)

static void opened_sample(struct buf *b)
{
    ops_opened_put(b, &(struct ops_opened){true, 4, 8});
}

AGAIN(opened, struct ops_opened, ops_opened)

static void login_sample(struct buf *b)
{
    ops_login_put(b, &(struct ops_login){2, TOKEN_LOGIN_USE_LAST_TRY, true, view_cstr("1234")});
}

static void path_login_sample(struct buf *b)
{
    ops_login_put(b, &(struct ops_login){2, TOKEN_LOGIN_KEEP_LAST_TRY, false, {NULL, 0}});
}

AGAIN(login, struct ops_login, ops_login)

static void lane_sample(struct buf *b)
{
    ops_lane_put(b, 5);
}

static struct err *lane_again(struct rd *r, struct buf *b)
{
    uint32_t lane;
    struct err *e = ops_lane_get(r, &lane);

    if (e == NULL) {
        ops_lane_put(b, lane);
    }
    return e;
}

static void keys_sample(struct buf *b)
{
    ops_keys_put(b, &(struct ops_keys){1, 300});
}

AGAIN(keys, struct ops_keys, ops_keys)

static struct token_key sample_key(char *why_not)
{
    return (struct token_key){.label = (char *)(uintptr_t)"web",
                              .id = {1, 2, 3},
                              .id_len = 3,
                              .key = key,
                              .sensitive = true,
                              .local = true,
                              .proven = why_not == NULL,
                              .why_not = why_not};
}

static void key_sample(struct buf *b)
{
    const struct token_key k = sample_key(NULL);

    ops_key_put(b, &k);
}

static struct err *key_again(struct rd *r, struct buf *b)
{
    struct token_key k;
    struct err *e = ops_key_get(r, &k);

    if (e == NULL) {
        ops_key_put(b, &k);
        ops_key_deinit(&k);
    }
    return e;
}

static void page_sample(struct buf *b)
{
    char why[] = "may not sign";
    const struct token_key keys[2] = {sample_key(NULL), sample_key(why)};

    ops_page_put(b, keys, 2, 0);
}

static struct err *page_again(struct rd *r, struct buf *b)
{
    struct token_key *keys = NULL;
    size_t n = 0;
    size_t total = 0;
    struct err *e = ops_page_get(r, &total, &keys, &n);

    if (e == NULL) {
        AUTO(buf_deinit) struct buf page;

        buf_init(&page, 0);
        ops_page_put(&page, keys, n, 0);
        buf_put_u32(b, (uint32_t)total); /* a page need not be the whole list */
        buf_put(b, page.data + 4, page.len - 4);
        ops_keys_free(&keys, n);
    }
    return e;
}

static void sign_sample(struct buf *b)
{
    ops_sign_put(b, &(struct ops_sign){1, ops_name_of(view_cstr("id"), view_cstr("blob")),
                                       SCHEME_ES256, view_cstr("data")});
}

AGAIN(sign, struct ops_sign, ops_sign)

static void generate_sample(struct buf *b)
{
    ops_generate_put(b, 1,
                     &(struct token_key_spec){SSH_KEY_RSA, 3072, "label", view_cstr("\x01\x02")});
}

static struct err *generate_again(struct rd *r, struct buf *b)
{
    struct ops_generate g;
    struct err *e = ops_generate_get(r, &g);

    if (e == NULL) {
        ops_generate_put(b, g.lane, &g.spec);
    }
    return e;
}

static void delete_sample(struct buf *b)
{
    ops_delete_put(b, &(struct ops_delete){1, view_cstr("id"), view_cstr("blob")});
}

AGAIN(delete, struct ops_delete, ops_delete)

static void export_sample(struct buf *b)
{
    ops_export_put(b, &(struct ops_export){1, ops_name_of(view_cstr("id"), view_cstr("blob"))});
}

AGAIN(export, struct ops_export, ops_export)

static void cert_sample(struct buf *b)
{
    ops_cert_put(b, &(struct ops_cert){.lane = 1,
                                       .id = view_cstr("id"),
                                       .blob = view_cstr("blob"),
                                       .label = "label",
                                       .der = view_cstr("der")});
}

AGAIN(cert, struct ops_cert, ops_cert)

static const struct message messages[] = {
    {"load", load_sample, load_again, true},
    {"library", library_sample, library_again, false},
    {"lanes", lanes_sample, lanes_again, false},
    {"tokens", tokens_sample, tokens_again, false},
    {"info", info_sample, info_again, false},
    {"open", open_sample, open_again, true},
    {"opened", opened_sample, opened_again, false},
    {"login", login_sample, login_again, false},
    {"login without a PIN", path_login_sample, login_again, false},
    {"lane", lane_sample, lane_again, false},
    {"keys", keys_sample, keys_again, false},
    {"key", key_sample, key_again, false},
    {"page", page_sample, page_again, false},
    {"sign", sign_sample, sign_again, false},
    {"generate", generate_sample, generate_again, false},
    {"delete", delete_sample, delete_again, false},
    {"export", export_sample, export_again, false},
    {"certificate", cert_sample, cert_again, false},
};

/* Read, write again: true when the message was taken, and then the same bytes must come out. */
static bool is_taken(const struct message *m, struct view bytes)
{
    AUTO(buf_deinit) struct buf again;
    struct rd r = rd_of(bytes);

    buf_init(&again, 0);
    AUTO(err_free) struct err *e = m->again(&r, &again);

    if (e == NULL && !m->lax && !view_eq(buf_view(&again), bytes)) {
        fail_msg("%s: understood something else than what was written", m->name);
    }
    return e == NULL;
}

/* A copy of exact size, so that a read beyond its end is seen. */
static bool is_taken_copy(const struct message *m, const uint8_t *p, size_t len)
{
    uint8_t *copy = malloc(len > 0 ? len : 1);

    assert_non_null(copy);
    memcpy(copy, p, len);
    bool taken = is_taken(m, view_of(copy, len));

    free(copy);
    return taken;
}

static void each_message(void (*check)(const struct message *m, struct buf *sample))
{
    for (size_t i = 0; i < ARRAY_LEN(messages); i++) {
        AUTO(buf_deinit) struct buf b;

        buf_init(&b, 0);
        messages[i].sample(&b);
        assert_false(b.failed);
        check(&messages[i], &b);
    }
}

static void check_round_trip(const struct message *m, struct buf *b)
{
    if (!is_taken(m, buf_view(b))) {
        fail_msg("%s: not understood", m->name);
    }
}

static void check_truncated(const struct message *m, struct buf *b)
{
    for (size_t len = 0; len < b->len; len++) {
        if (is_taken_copy(m, b->data, len)) {
            fail_msg("%s: taken with %zu of %zu bytes", m->name, len, b->len);
        }
    }
}

static void check_longer(const struct message *m, struct buf *b)
{
    buf_put_u8(b, 0);
    if (is_taken(m, buf_view(b))) {
        fail_msg("%s: taken with a byte too many", m->name);
    }
}

static void check_flipped(const struct message *m, struct buf *b)
{
    for (size_t bit = 0; bit < 8 * b->len; bit++) {
        b->data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        is_taken_copy(m, b->data, b->len);
        b->data[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
}

static void test_round_trips(void **state)
{
    (void)state;
    each_message(check_round_trip);
}

static void test_truncated(void **state)
{
    (void)state;
    each_message(check_truncated);
}

static void test_longer(void **state)
{
    (void)state;
    each_message(check_longer);
}

static void test_flipped(void **state)
{
    (void)state;
    each_message(check_flipped);
}

static void test_pages_hold_all(void **state)
{
    enum { N = TOKEN_KEYS_MAX };
    struct token_key *keys = calloc(N, sizeof *keys);
    size_t seen = 0;
    unsigned pages = 0;
    char label[200];

    (void)state;
    assert_non_null(keys);
    memset(label, 'x', sizeof label);
    label[sizeof label - 1] = '\0';
    for (size_t i = 0; i < N; i++) {
        keys[i] = sample_key(NULL);
        keys[i].label = label;
        keys[i].id[0] = (uint8_t)i;
        keys[i].id[1] = (uint8_t)(i >> 8);
    }
    while (seen < N) {
        AUTO(buf_deinit) struct buf b;
        struct token_key *page = NULL;
        size_t total = 0;
        size_t n = 0;

        buf_init(&b, 0);
        ops_page_put(&b, keys, N, seen);
        struct rd r = rd_of(buf_view(&b));

        assert_null(ops_page_get(&r, &total, &page, &n));
        assert_int_equal(total, N);
        assert_true(n > 0 && seen + n <= N);
        assert_memory_equal(page[n - 1].id, keys[seen + n - 1].id, 3);
        ops_keys_free(&page, n);
        seen += n;
        pages++;
    }
    assert_true(pages > 1);
    free(keys);
}

static void test_names_differ(void **state)
{
    struct ops_name a = ops_name_of(view_cstr("1"), view_cstr("23"));
    struct ops_name b = ops_name_of(view_cstr("12"), view_cstr("3"));
    struct ops_name c = ops_name_of(view_cstr("1"), view_cstr("23"));

    (void)state;
    assert_memory_not_equal(&a, &b, sizeof a);
    assert_memory_equal(&a, &c, sizeof a);
}

static int make_key(void **state)
{
    uint8_t point[32];

    (void)state;
    memset(point, 0x66, sizeof point); /* the base point (Spec: RFC 8032, 5.1) */
    point[0] = 0x58;
    struct err *e = ssh_key_from_point(SSH_KEY_ED25519, view_of(point, sizeof point), &key);

    return e != NULL ? -1 : 0;
}

static int free_key(void **state)
{
    (void)state;
    ssh_key_free(&key);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trips),    cmocka_unit_test(test_truncated),
        cmocka_unit_test(test_longer),         cmocka_unit_test(test_flipped),
        cmocka_unit_test(test_pages_hold_all), cmocka_unit_test(test_names_differ),
    };

    return cmocka_run_group_tests(tests, make_key, free_key);
}
