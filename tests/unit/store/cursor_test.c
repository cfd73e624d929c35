/* Cursors: every place comes back; cut or changed ones are refused or are some other place. */
#include "store/suite.h"

#include "store/store_impl.h"

static void test_round_trip(void **state)
{
    static const struct store_place places[] = {
        {"account", "A name", "a_name", "cert"},
        {"", "", "", ""},
        {"org/\xff", "\xc3\xa9?>", "~~~???", "\n"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(places); i++) {
        AUTO(auto_free) char *text = store_cursor_write(&places[i]);
        AUTO(store_place_deinit) struct store_place p = {0};

        assert_null(strpbrk(text, "+/&? "));
        assert_ok(store_cursor_read(text, &p));
        assert_string_equal(p.scope, places[i].scope);
        assert_string_equal(p.name, places[i].name);
        assert_string_equal(p.id, places[i].id);
        assert_string_equal(p.kind, places[i].kind);
    }
}

static void test_none_is_the_first_place(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        AUTO(store_place_deinit) struct store_place p = {0};

        assert_ok(store_cursor_read(i == 0 ? NULL : "", &p));
        assert_string_equal(p.scope, "");
        assert_string_equal(p.kind, "");
    }
}

static void test_cut_and_changed(void **state)
{
    const struct store_place place = {"org/acme", "Main vault", "main_vault", "connector"};
    AUTO(auto_free) char *text = store_cursor_write(&place);
    size_t len = strlen(text), refused = 0;

    (void)state;
    for (size_t i = 1; i < len; i++) {
        AUTO(auto_free) char *cut = strndup(text, i);
        struct store_place p = {0};

        assert_err(store_cursor_read(cut, &p), ERR_INPUT, "cursor");
        assert_null(p.scope);
    }
    for (size_t bit = 0; bit < len * 8; bit++) {
        AUTO(auto_free) char *changed = text_copy(text);
        AUTO(store_place_deinit) struct store_place p = {0};

        changed[bit / 8] = (char)((unsigned char)changed[bit / 8] ^ 1U << bit % 8);
        struct err *e = store_cursor_read(changed, &p);

        assert_true(e == NULL || err_is(e, ERR_INPUT));
        assert_true((e == NULL) == (p.scope != NULL));
        refused += e != NULL;
        err_free(&e);
    }
    assert_true(refused > len); /* more than those that are not base64 at all */
}

static void test_huge(void **state)
{
    AUTO(auto_free) char *text = calloc(1, 100001);
    struct store_place p = {0};

    (void)state;
    memset(text, 'A', 100000);
    assert_err(store_cursor_read(text, &p), ERR_INPUT, "cursor");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_none_is_the_first_place),
        cmocka_unit_test(test_cut_and_changed),
        cmocka_unit_test(test_huge),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
