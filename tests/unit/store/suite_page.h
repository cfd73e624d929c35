#ifndef HF_TESTS_STORE_SUITE_PAGE_H
#define HF_TESTS_STORE_SUITE_PAGE_H

/* The contract of store_page(), for every store. */
#include "store/suite.h"

struct sample {
    const char *kind, *scope, *id, *name, *tag;
};

/* In the order of pages: by the bytes of scope, then name, then id, then kind. */
static const struct sample samples[] = {
    {"cert", "account", "b", "Alpha", "eu"},
    {"conn", "account", "b", "Alpha", NULL},
    {"cert", "account", "c", "Alpha", NULL},
    {"cert", "account", "a", "beta vault", "us"},
    {"cert", "org/a", "x", "Vault One", "eu"},
    {"cert", "org/a-b", "x", "beside", "eu"}, /* '-' comes before '/' */
    {"cert", "org/a/project/p", "x", "in p", NULL},
    {"conn", "org/a/project/p", "y", "in p", "eu"},
    {"cert", "org/a/project/q", "x", "in q", NULL},
    {"cert", "org/a0", "x", "zero", NULL}, /* '0' comes after '/' */
    {"cert", "org/ab", "x", "beside too", NULL},
    {"cert", "org/b", "x", "VAULT two", NULL},
};

static void fill(void)
{
    struct store_change c[ARRAY_LEN(samples)];
    char *tags[ARRAY_LEN(samples)][2];

    for (size_t i = 0; i < ARRAY_LEN(samples); i++) {
        const struct sample *s = &samples[ARRAY_LEN(samples) - 1 - i];

        c[i] = change_of(STORE_CREATE, s->kind, s->scope, s->id, "{}");
        c[i].entry.name = (char *)s->name;
        tags[i][0] = (char *)s->tag;
        tags[i][1] = NULL;
        c[i].entry.tags = tags[i];
    }
    assert_ok(commit(c, ARRAY_LEN(c)));
}

/* All pages of a query, @limit entries each: exactly these samples, in their order. */
static void assert_pages(struct store_query q, size_t limit, const char *indices)
{
    AUTO(auto_free) char *after = NULL;
    size_t seen = 0, expected = strlen(indices);

    q.limit = limit;
    do {
        q.after = after;
        AUTO(answer_deinit) struct answer a = page(&q);

        assert_ok(take(&a.e));
        assert_true(a.n <= limit);
        for (size_t i = 0; i < a.n; i++, seen++) {
            assert_true(seen < expected);
            const struct sample *s = &samples[indices[seen] - 'a'];

            assert_string_equal(a.entries[i].key.scope, s->scope);
            assert_string_equal(a.entries[i].name, s->name);
            assert_string_equal(a.entries[i].key.id, s->id);
            assert_string_equal(a.entries[i].key.kind, s->kind);
        }
        assert_int_equal(a.n == limit || *a.next == '\0', 1);
        free(after);
        after = take(&a.next);
    } while (*after != '\0');
    assert_int_equal(seen, expected);
}

static void test_pages(void **state)
{
    static const struct {
        struct store_query q;
        const char *indices;
    } cases[] = {
        {{.scope = "account"}, "abcd"},
        {{.scope = "account", .kind = "cert"}, "acd"},
        {{.scope = "account", .kind = "none"}, ""},
        {{.scope = "account", .below = true}, "abcdefghijkl"},
        {{.scope = "account", .below = true, .kind = "conn"}, "bh"},
        {{.scope = "account", .above = true}, "abcd"},
        {{.scope = "org/a"}, "e"},
        {{.scope = "org/a", .below = true}, "eghi"},
        {{.scope = "org/a", .above = true}, "abcde"},
        {{.scope = "org/a", .above = true, .below = true}, "abcdeghi"},
        {{.scope = "org/a/project/p", .above = true}, "abcdegh"},
        {{.scope = "org/a/project/p", .above = true, .kind = "conn"}, "bh"},
        {{.scope = "org/none", .below = true}, ""},
        {{.scope = "account", .below = true, .tag = "eu"}, "aefh"},
        {{.scope = "account", .below = true, .tag = "eu", .kind = "conn"}, "h"},
        {{.scope = "account", .below = true, .tag = "EU"}, ""},
        {{.scope = "account", .below = true, .name_has = "vault"}, "del"},
        {{.scope = "account", .below = true, .name_has = "VaULT", .tag = "eu"}, "e"},
        {{.scope = "account", .below = true, .name_has = "%"}, ""},
        {{.scope = "account", .below = true, .name_has = "' OR 1=1 --"}, ""},
        {{.scope = "org/a%", .below = true}, ""},
    };

    (void)state;
    fill();
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        for (size_t limit = 1; limit <= 13; limit++) {
            assert_pages(cases[i].q, limit, cases[i].indices);
        }
    }
}

/* A cursor is a place, so what comes and goes in between moves nothing else. */
static void test_pages_while_entries_change(void **state)
{
    struct store_query q = {.scope = "account", .kind = "cert", .limit = 1};

    (void)state;
    fill();
    AUTO(answer_deinit) struct answer first = page(&q);

    assert_string_equal(first.entries[0].key.id, "b");
    assert_ok(put(STORE_DELETE, "cert", "account", "b", NULL));
    assert_ok(put(STORE_CREATE, "cert", "account", "AA", "{}")); /* before the cursor */
    assert_ok(put(STORE_CREATE, "cert", "account", "Beta", "{}"));
    q.after = first.next;
    q.limit = 10;
    AUTO(answer_deinit) struct answer rest = page(&q);

    assert_int_equal(rest.n, 3);
    assert_string_equal(rest.entries[0].key.id, "c");
    assert_string_equal(rest.entries[1].key.id, "Beta");
    assert_string_equal(rest.entries[2].key.id, "a");
    assert_string_equal(rest.next, "");
}

static void test_bad_queries(void **state)
{
    static const char *const cursors[] = {"x", "AA==", "A+==", "////", "AQAAAAA=", "2", "-"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cursors); i++) {
        const struct store_query q = {.scope = "account", .limit = 1, .after = cursors[i]};
        AUTO(answer_deinit) struct answer a = page(&q);

        assert_err(take(&a.e), ERR_INPUT, "cursor");
    }
    const struct store_query none = {.scope = "account"};
    const struct store_query many = {.scope = "account", .limit = STORE_PAGE_MAX + 1};
    const struct store_query nowhere = {.limit = 1};
    AUTO(answer_deinit) struct answer a = page(&none);
    AUTO(answer_deinit) struct answer b = page(&many);
    AUTO(answer_deinit) struct answer c = page(&nowhere);

    assert_err(take(&a.e), ERR_INPUT, "no entries");
    assert_err(take(&b.e), ERR_LIMIT, "at most 1000");
    assert_err(take(&c.e), ERR_INPUT, "no scope");
}

/* A page ends early rather than take all memory, and the next goes on where it ended. */
static void test_pages_of_large_bodies(void **state)
{
    enum { N = 20 };
    AUTO(auto_free) char *body = calloc(1, STORE_BODY_MAX_BYTES + 1);
    struct store_query q = {.scope = "account", .limit = STORE_PAGE_MAX};

    (void)state;
    memset(body, 'x', STORE_BODY_MAX_BYTES);
    for (int i = 0; i < N; i++) {
        AUTO(auto_free) char *id = text_fmt("big_%02d", i);

        assert_ok(put(STORE_CREATE, "cert", "account", id, body));
    }
    AUTO(answer_deinit) struct answer first = page(&q);

    assert_int_equal(first.n, STORE_PAGE_MAX_BYTES / STORE_BODY_MAX_BYTES);
    q.after = first.next;
    AUTO(answer_deinit) struct answer rest = page(&q);

    assert_int_equal(first.n + rest.n, N);
    assert_string_equal(rest.entries[0].key.id, "big_16");
    assert_string_equal(rest.next, "");
}

#define SUITE_PAGE_TESTS                                                                           \
    SUITE_TEST(test_pages), SUITE_TEST(test_pages_while_entries_change),                           \
        SUITE_TEST(test_bad_queries), SUITE_TEST(test_pages_of_large_bodies)

#endif
