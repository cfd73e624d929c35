/*
 * The command line: words, options in any order, and what is said to a typing error.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "cli/cli.h"

enum { ARGS_MAX = 12 };

/* Parse a line of words; the exit code, or -1 to run. What is said goes to @said. */
static int parse(const char *line, struct cli *c, char **said)
{
    static char copy[512];
    static char *argv[ARGS_MAX + 1]; /* what was parsed points into it */
    int argc = 1;
    int status = -1;
    char *rest = NULL;
    size_t len = 0;
    FILE *real = stderr;

    memset(argv, 0, sizeof argv);
    argv[0] = "holdfast";
    snprintf(copy, sizeof copy, "%s", line);
    for (char *w = strtok_r(copy, " ", &rest); w != NULL && argc < ARGS_MAX;
         w = strtok_r(NULL, " ", &rest)) {
        argv[argc++] = w;
    }
    *c = (struct cli){0};
    stderr = open_memstream(said, &len);
    bool run = cli_parse(c, argc, argv, &status);

    fclose(stderr);
    stderr = real;
    return run ? -1 : status;
}

static void test_options_in_any_order(void **state)
{
    static const char *const lines[] = {
        "key generate --label web --type rsa --bits 2048 --json",
        "key generate --json --bits=2048 --type=rsa --label=web",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
        struct cli c;
        AUTO(auto_free) char *said = NULL;

        assert_int_equal(parse(lines[i], &c, &said), -1);
        assert_string_equal(c.command->words, "key generate");
        assert_string_equal(cli_option(&c, "label"), "web");
        assert_string_equal(cli_option(&c, "type"), "rsa");
        assert_string_equal(cli_option(&c, "bits"), "2048");
        assert_null(cli_option(&c, "id"));
        assert_true(c.json);
    }
}

static void test_arguments_and_flags(void **state)
{
    struct cli c;
    AUTO(auto_free) char *said = NULL;

    (void)state;
    assert_int_equal(parse("key delete --yes web --config /x.yaml", &c, &said), -1);
    assert_string_equal(cli_argument(&c, 0), "web");
    assert_null(cli_argument(&c, 1));
    assert_string_equal(cli_option(&c, "yes"), "");
    assert_null(cli_option(&c, "force"));
    assert_string_equal(c.config, "/x.yaml");
    assert_false(c.json);
}

static void test_letters_and_lists(void **state)
{
    static struct cli c;
    AUTO(auto_free) char *said = NULL;
    unsigned at = 0;

    (void)state;
    assert_int_equal(parse("certificate create ca -f - --tag a --tag=b --json", &c, &said), -1);
    assert_string_equal(cli_option(&c, "file"), "-");
    assert_string_equal(cli_option(&c, "tag"), "b");
    assert_string_equal(cli_option_each(&c, "tag", &at), "a");
    assert_string_equal(cli_option_each(&c, "tag", &at), "b");
    assert_null(cli_option_each(&c, "tag", &at));
    assert_true(c.json);
    auto_free(&said);
    assert_int_equal(parse("run -i web -- systemctl -f x", &c, &said), -1);
    assert_string_equal(cli_option(&c, "infrastructure"), "web");
    assert_int_equal(c.arguments_n, 3);
    assert_string_equal(cli_argument(&c, 1), "-f");
}

static void test_what_is_wrong(void **state)
{
    static const struct {
        const char *line, *words;
    } wrong[] = {
        {"stauts", "did you mean 'holdfast status'"},
        {"key lst", "did you mean 'holdfast key list'"},
        {"infra lst", "did you mean 'holdfast infrastructure list'"},
        {"key", "holdfast key generate"},
        {"quux", "`holdfast help`"},
        {"key generate --labl x", "no option --labl; did you mean --label?"},
        {"key generate --quux x", "no option --quux; see `holdfast key generate --help`"},
        {"key generate --label", "--label needs a value"},
        {"key show", "an argument is missing"},
        {"key show a b", "what is 'b' here"},
        {"key show", "usage: holdfast key show KEY"},
        {"key show a b", "usage: holdfast key show KEY"},
        {"certificate", "holdfast certificate create [NAME]"},
        {"run -i", "--infrastructure needs a value"},
        {"key delete web --yes=1", "--yes takes no value"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        struct cli c;
        AUTO(auto_free) char *said = NULL;

        assert_int_equal(parse(wrong[i].line, &c, &said), CLI_USAGE);
        if (strstr(said, wrong[i].words) == NULL) {
            fail_msg("'%s' said: %s", wrong[i].line, said);
        }
    }
}

static void test_table_fits_the_terminal(void **state)
{
    (void)state;
    for (const struct cli_command *c = cli_commands; c->words != NULL; c++) {
        assert_true(strlen(c->words) <= 24);
        assert_true(strlen(c->summary) <= 60);
        for (const char *line = c->details; line != NULL && *line != '\0';) {
            assert_true(strcspn(line, "\n") <= 80);
            line += strcspn(line, "\n");
            line += *line == '\n';
        }
        for (const struct cli_option *o = c->options; o != NULL && o->name != NULL; o++) {
            size_t left = strlen(o->name) + (o->value != NULL ? strlen(o->value) + 1 : 0);

            assert_true(strlen(o->help) <= 54);
            assert_true(left <= 20); /* with "--" it is the column's width */
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_options_in_any_order),    cmocka_unit_test(test_arguments_and_flags),
        cmocka_unit_test(test_letters_and_lists),       cmocka_unit_test(test_what_is_wrong),
        cmocka_unit_test(test_table_fits_the_terminal),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
