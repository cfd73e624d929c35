/* YAML of no fixed shape: what comes out, with lines; what is refused. */
#include "base/yaml.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/text.h"

static const char sample[] = "a: 1\n"
                             "b:\n"
                             "  - x\n"
                             "  - !vault 'y'\n"
                             "c: {d: ~}\n";

static void shape(void **state)
{
    AUTO(yaml_tree_free) struct yaml_tree *t = NULL;

    (void)state;
    assert_null(yaml_tree_read("f", view_cstr(sample), &t));
    assert_int_equal(t->type, YAML_TREE_MAP);
    assert_int_equal(t->n, 3);
    const struct yaml_tree *a = t->entries[0], *b = t->entries[1], *c = t->entries[2];

    assert_string_equal(a->key, "a");
    assert_string_equal(a->text, "1");
    assert_true(a->plain);
    assert_string_equal(b->key, "b");
    assert_int_equal(b->type, YAML_TREE_LIST);
    assert_int_equal(b->entries[1]->line, 4);
    assert_string_equal(b->entries[1]->tag, "!vault");
    assert_false(b->entries[1]->plain);
    assert_string_equal(c->entries[0]->key, "d");
    assert_string_equal(c->entries[0]->text, "~");
}

static void refuses(const char *text, enum err_code code, const char *part)
{
    struct yaml_tree *t = NULL;
    struct err *e = yaml_tree_read("f", view_cstr(text), &t);

    assert_null(t);
    if (!err_is(e, code) || strstr(err_text(e), part) == NULL) {
        fail_msg("'%s': %s", text, err_text(e));
    }
    err_free(&e);
}

static void refusals(void **state)
{
    struct yaml_tree *t = NULL;

    (void)state;
    assert_null(yaml_tree_read("f", view_cstr("# nothing\n"), &t));
    assert_null(t);
    assert_null(yaml_tree_read("f", view_of(NULL, 0), &t));
    assert_null(t);
    assert_int_equal(yaml_line_of(view_of(NULL, 0), "a"), 1);
    refuses("a: &x [1]\nb: *x\n", ERR_INPUT, "f:2: aliases");
    refuses("a: [\n", ERR_INPUT, "f:2: not YAML");
    refuses("[1]: 2\n", ERR_INPUT, "f:1: a key must be a word");
    refuses("--- 1\n--- 2\n", ERR_INPUT, "f:2: more than one document");
    refuses("[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]\n", ERR_LIMIT, "f:1: more than 16 levels");
}

static void truncated_and_flipped(void **state)
{
    char text[sizeof sample];

    (void)state;
    memcpy(text, sample, sizeof sample);
    for (size_t bit = 0; bit < (sizeof sample - 1) * 8; bit++) {
        struct yaml_tree *t = NULL;

        text[bit / 8] = (char)(text[bit / 8] ^ 1 << bit % 8);
        struct err *e = yaml_tree_read("f", view_of(text, sizeof sample - 1), &t);

        assert_true(e == NULL || t == NULL);
        err_free(&e);
        yaml_tree_free(&t);
        text[bit / 8] = (char)(text[bit / 8] ^ 1 << bit % 8);
        e = yaml_tree_read("f", view_of(text, bit / 8), &t);
        err_free(&e);
        yaml_tree_free(&t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shape),
        cmocka_unit_test(refusals),
        cmocka_unit_test(truncated_and_flipped),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
