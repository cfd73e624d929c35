/* Values of answers: absent ones, bytes that are no text, and failures that must not pass for values. */
#include "control/json.h"

#include <event2/buffer.h>

#include "control/support.h"

static void test_texts(void **state)
{
    char *list[] = {"a", "\xff", NULL};

    (void)state;
    assert_true(json_is_null(control_json_text(NULL)));
    json_decref(answer);
    answer = control_json_texts(list);
    assert_text("0", "a");
    assert_text("1", "\\xff");
    json_decref(answer);
    answer = control_json_texts(NULL);
    assert_int_equal(json_array_size(answer), 0);
}

static void test_times_and_numbers(void **state)
{
    (void)state;
    assert_true(json_is_null(control_json_time((struct wall){0})));
    assert_true(json_is_null(control_json_int_or_null(false, 7)));
    json_decref(answer);
    answer = json_pack("{s:o, s:o}", "t", control_json_time((struct wall){86400}), "n",
                       control_json_int_or_null(true, -7));
    assert_text("t", "1970-01-02T00:00:00Z");
    assert_number("n", -7);
}

static void test_join(void **state)
{
    (void)state;
    json_decref(answer);
    answer = control_json_join(json_pack("{s:i}", "a", 1), json_pack("{s:i}", "b", 2));
    assert_number("a", 1);
    assert_number("b", 2);
    assert_null(control_json_join(NULL, json_object()));
    assert_null(control_json_join(json_object(), NULL));
    assert_null(control_json_join(NULL, NULL));
}

static void test_put(void **state)
{
    struct evbuffer *out = evbuffer_new();

    (void)state;
    json_decref(answer);
    answer = json_pack("{s:[i, i]}", "a", 1, 2);
    assert_true(control_json_put(out, answer));
    assert_int_equal(evbuffer_get_length(out), 12);
    assert_memory_equal(evbuffer_pullup(out, -1), "{\"a\":[1,2]}\n", 12);
    assert_false(control_json_put(out, NULL));
    assert_false(control_json_add(answer, NULL));
    evbuffer_free(out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_texts),
        TEST(test_times_and_numbers),
        TEST(test_join),
        TEST(test_put),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
