/* Tags and references as one value: what is written comes back; cut or changed ones are refused as
 * damage, or are other lists, and never more than the limits allow. */
#include "store/suite.h"

#include "store/db.h"

static char *tags[] = {"prod", "eu", "", NULL};
static struct store_key refs[] = {{"cert", "account", "root"}, {"cert", "org/a", "leaf"}};
static const struct store_entry sample = {.tags = tags, .refs = refs, .refs_n = 2};

static void test_round_trip(void **state)
{
    static const struct store_entry empty = {0};
    AUTO(buf_deinit) struct buf b;
    AUTO(store_entry_deinit) struct store_entry e = {0};
    AUTO(store_entry_deinit) struct store_entry none = {0};

    (void)state;
    buf_init(&b, 0);
    store_lists_write(&b, &sample);
    assert_ok(store_lists_read(buf_view(&b), &e));
    assert_int_equal(text_list_len(e.tags), 3);
    assert_string_equal(e.tags[1], "eu");
    assert_int_equal(e.refs_n, 2);
    assert_string_equal(e.refs[1].kind, "cert");
    assert_string_equal(e.refs[1].scope, "org/a");
    assert_string_equal(e.refs[1].id, "leaf");
    buf_clear(&b);
    store_lists_write(&b, &empty);
    assert_ok(store_lists_read(buf_view(&b), &none));
    assert_null(none.tags);
    assert_null(none.refs);
}

/* The longest that the limits allow fits. */
static void test_the_longest(void **state)
{
    AUTO(buf_deinit) struct buf b;
    AUTO(store_entry_deinit) struct store_entry back = {0};
    char text[STORE_TEXT_MAX_BYTES + 1];
    char *all_tags[STORE_TAGS_MAX + 1] = {NULL};
    struct store_key all_refs[STORE_REFS_MAX];

    (void)state;
    memset(text, 'x', STORE_TEXT_MAX_BYTES);
    text[STORE_TEXT_MAX_BYTES] = '\0';
    for (size_t i = 0; i < STORE_TAGS_MAX; i++) {
        all_tags[i] = text;
    }
    for (size_t i = 0; i < STORE_REFS_MAX; i++) {
        all_refs[i] = key_of(text, text, text);
    }
    const struct store_entry e = {.tags = all_tags, .refs = all_refs, .refs_n = STORE_REFS_MAX};

    buf_init(&b, 0);
    store_lists_write(&b, &e);
    assert_ok(buf_check(&b, "lists"));
    assert_ok(store_lists_read(buf_view(&b), &back));
    assert_int_equal(text_list_len(back.tags), STORE_TAGS_MAX);
    assert_int_equal(back.refs_n, STORE_REFS_MAX);
}

static void test_cut_and_changed(void **state)
{
    AUTO(buf_deinit) struct buf b;
    size_t refused = 0;

    (void)state;
    buf_init(&b, 0);
    store_lists_write(&b, &sample);
    for (size_t len = 0; len < b.len; len++) {
        AUTO(store_entry_deinit) struct store_entry e = {0};

        assert_err(store_lists_read(view_of(b.data, len), &e), ERR_STORE, "damaged");
    }
    for (size_t bit = 0; bit < b.len * 8; bit++) {
        AUTO(store_entry_deinit) struct store_entry e = {0};

        b.data[bit / 8] ^= (uint8_t)(1U << bit % 8);
        struct err *why = store_lists_read(buf_view(&b), &e);

        b.data[bit / 8] ^= (uint8_t)(1U << bit % 8);
        assert_true(why == NULL || err_is(why, ERR_STORE));
        assert_true(text_list_len(e.tags) <= STORE_TAGS_MAX && e.refs_n <= STORE_REFS_MAX);
        refused += why != NULL;
        err_free(&why);
    }
    assert_true(refused > 8 * 4 * 8); /* at least those of its lengths */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_the_longest),
        cmocka_unit_test(test_cut_and_changed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
