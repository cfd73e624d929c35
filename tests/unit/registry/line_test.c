/*
 * Rows as text: what goes from the row to the page untouched is the same, byte for byte, as what the
 * long way gives; and what is damaged never gets out of its place.
 */
#include "registry/line.h"

#include "fixture.h"

static char tag_a[] = "blue", tag_b[] = "a \"b\" \\ c";
static char *tags[] = {tag_a, tag_b, NULL};

static struct store_entry row_of(const char *kind, const char *name, const char *body)
{
    return (struct store_entry){
        .key = {(char *)(uintptr_t)kind, (char *)(uintptr_t)"org/a/project/p",
                (char *)(uintptr_t)"some_id"},
        .revision = 18,
        .name = (char *)(uintptr_t)name,
        .body = (char *)(uintptr_t)body,
        .tags = tags,
        .created = {1700000000},
        .updated = {1800000000},
    };
}

/* NULL when it fails. */
static char *by_line(const struct store_entry *row)
{
    AUTO(buf_deinit) struct buf b;

    buf_init(&b, 0);
    AUTO(err_free) struct err *e = registry_line_put_entry(&b, row);

    if (e != NULL) {
        assert_true(err_is(e, ERR_STORE));
        return NULL;
    }
    buf_put_u8(&b, '\0');
    assert_false(b.failed);
    return (char *)take(&b.data);
}

static char *by_tree(const struct store_entry *row)
{
    AUTO(registry_json_free) json_t *shown = NULL;
    AUTO(err_free) struct err *e = registry_resource_show(row, true, &shown);

    return e == NULL ? json_dumps(shown, JSON_COMPACT) : NULL;
}

static void same(const char *kind, const char *name, const char *body)
{
    struct store_entry row = row_of(kind, name, body);
    AUTO(auto_free) char *line = by_line(&row);
    AUTO(auto_free) char *tree = by_tree(&row);

    assert_non_null(tree);
    assert_string_equal(line, tree);
}

#define SPEC                                                                                       \
    "\"spec\":{\"active\":true,\"addresses\":[\"https://v\",\"}]\\\"\\\\\"],\"login\":{\"m\":1}}"
static const char plain[] = "{\"description\":\"of \\\"us\\\", \\\\ all\\\\\"," SPEC "}";

static void both_ways_are_one(void **state)
{
    static const char *const kinds[] = {"connector", "secrets-manager", "ssh-key",
                                        "infrastructure"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        same(kinds[i], "a name", plain);
        same(kinds[i], "a name", "{\"description\":null," SPEC "}");
        same(kinds[i], "a name", "{\"description\":\"\",\"spec\":{}}");
        same(kinds[i], "a name", "{" SPEC "}");
        same(kinds[i], "a name", "{\"description\":\"d\",\"facts\":{\"more\":[1]}," SPEC "}");
        same(kinds[i], "a name",
             "{\"broken\":[{\"at\":\"/spec/x\",\"name\":\"CA\",\"reference\":\"ca\","
             "\"title\":\"Certificate\"}],\"description\":null," SPEC "}");
        same(kinds[i], "a name", "{\"description\":null,\"spec\":{\"hosts\":[1],\"pem\":\"P\"}}");
        same(kinds[i], "a name", " { \"spec\" : {} , \"description\" : \"elsewhere\" } ");
    }
}

static void every_character(void **state)
{
    char name[] = "a?b \xc3\xa9 \xf0\x9f\x94\x91 /";

    (void)state;
    for (char c = 1; c > 0 && c < 127; c++) {
        name[1] = c;
        same("connector", name, plain);
    }
    name[1] = 127;
    same("connector", name, plain);
}

static void no_tags(void **state)
{
    struct store_entry row = row_of("connector", "n", plain);

    (void)state;
    row.tags = NULL;
    AUTO(auto_free) char *line = by_line(&row);
    AUTO(auto_free) char *tree = by_tree(&row);

    assert_string_equal(line, tree);
}

/* A body that is cut, or goes on, has no page to be on. */
static void damaged(void **state)
{
    AUTO(auto_free) char *longer = text_fmt("%s}", plain);
    struct store_entry row = row_of("connector", "n", longer);

    (void)state;
    assert_null(by_line(&row));
    for (size_t n = 0; n < strlen(plain); n++) {
        AUTO(auto_free) char *cut = view_dup(view_of(plain, n));

        row.body = cut;
        assert_null(by_line(&row));
    }
}

/* A body with a wrong bit is no row, or its entry still begins with what names it and has an end. */
static void flipped(void **state)
{
    struct store_entry row = row_of("connector", "n", plain);
    AUTO(auto_free) char *good = by_line(&row);
    size_t head = (size_t)(strstr(good, "\"description\":") - good), tried = 0;

    (void)state;
    for (size_t i = 0; i < 8 * strlen(plain); i++) {
        AUTO(auto_free) char *body = text_copy(plain);

        body[i / 8] = (char)(body[i / 8] ^ (1 << i % 8));
        row.body = body;
        AUTO(auto_free) char *line = by_line(&row);

        if (line != NULL) {
            assert_memory_equal(line, good, head);
            assert_int_equal(line[strlen(line) - 1], '}');
            tried++;
        }
    }
    assert_true(tried > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_ways_are_one), cmocka_unit_test(every_character),
        cmocka_unit_test(no_tags),           cmocka_unit_test(damaged),
        cmocka_unit_test(flipped),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
