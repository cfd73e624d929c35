/*
 * The command line, read against the table of commands: words first, then options and arguments in
 * any order. What is wrong is answered with the nearest right thing, and exit code 2.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

static const struct cli_option common[] = {
    {"config", "FILE", "configuration, instead of the default one"},
    {"control", "PATH", "control socket of the agent to talk to"},
    {"json", NULL, "print JSON"},
    {"help", NULL, "show this"},
    {NULL, NULL, NULL},
};

static const struct cli_option no_options[] = {{NULL, NULL, NULL}};

static const struct cli_option *options_of(const struct cli_command *c)
{
    return c->options != NULL ? c->options : no_options;
}

const char *cli_option_each(const struct cli *c, const char *name, unsigned *at)
{
    while (*at < c->given_n) {
        const struct cli_given *g = &c->given[(*at)++];

        if (strcmp(g->name, name) == 0) {
            return g->value;
        }
    }
    return NULL;
}

const char *cli_option(const struct cli *c, const char *name)
{
    const char *last = NULL;
    unsigned at = 0;

    for (const char *v; (v = cli_option_each(c, name, &at)) != NULL;) {
        last = v;
    }
    return last;
}

const char *cli_argument(const struct cli *c, unsigned i)
{
    return i < c->arguments_n ? c->arguments[i] : NULL;
}

static void print_options(const struct cli_option *options)
{
    for (; options->name != NULL; options++) {
        char left[64];

        snprintf(left, sizeof left, "--%s%s%s", options->name, options->value != NULL ? " " : "",
                 options->value != NULL ? options->value : "");
        printf("  %-22s %s\n", left, options->help);
    }
}

static void print_help(const struct cli_command *c)
{
    printf("usage: holdfast %s%s%s%s\n\n%s\n", c->words, c->arguments[0] != '\0' ? " " : "",
           c->arguments, options_of(c)->name != NULL ? " [options]" : "", c->summary);
    if (c->details != NULL) {
        printf("\n%s\n", c->details);
    }
    printf("\n");
    print_options(options_of(c));
    print_options(common);
}

static const struct cli_family *family_of(const char *words)
{
    for (const struct cli_family *f = cli_families; f->word != NULL; f++) {
        size_t len = strlen(f->word);

        if (strncmp(f->word, words, len) == 0 && (words[len] == ' ' || words[len] == '\0')) {
            return f;
        }
    }
    return NULL;
}

static void print_overview(FILE *out)
{
    const struct cli_family *before = NULL;

    fputs("Holdfast keeps SSH keys on hardware tokens and their certificates fresh.\n\n"
          "usage: holdfast COMMAND [options]\n\n",
          out);
    for (const struct cli_command *c = cli_commands; c->words != NULL; c++) {
        const struct cli_family *family = family_of(c->words);

        if (family == NULL) {
            fprintf(out, "  %-16s %s\n", c->words, c->summary);
        } else if (family != before) {
            fprintf(out, "  %-16s %s ...\n", family->word, family->summary);
        }
        before = family;
    }
    fputs("\n`holdfast COMMAND --help` says more; `man holdfast` says all.\n", out);
}

/* How many leading words of argv are this command's; 0 when they are not. */
static int match_words(const char *words, int argc, char **argv)
{
    char copy[64];
    char *rest = NULL;
    int n = 0;

    snprintf(copy, sizeof copy, "%s", words);
    for (char *w = strtok_r(copy, " ", &rest); w != NULL; w = strtok_r(NULL, " ", &rest)) {
        if (n >= argc || strcmp(argv[n], w) != 0) {
            return 0;
        }
        n++;
    }
    return n;
}

/* The commands of one family, for "holdfast key". */
static bool print_family(FILE *out, const char *word)
{
    const struct cli_family *family = family_of(word);
    size_t len = strlen(word);
    bool found = false;

    if (family != NULL) {
        fprintf(out, "%s\n\n", family->summary);
    }
    for (const struct cli_command *c = cli_commands; c->words != NULL; c++) {
        if (strncmp(c->words, word, len) == 0 && c->words[len] == ' ') {
            fprintf(out, "  holdfast %s%s%s\n", c->words, c->arguments[0] != '\0' ? " " : "",
                    c->arguments);
            found = true;
        }
    }
    return found;
}

static unsigned distance(const char *a, const char *b)
{
    enum { LEN_MAX = 24 };
    unsigned row[LEN_MAX + 1];
    size_t m = strnlen(b, LEN_MAX);

    for (unsigned k = 0; k <= m; k++) {
        row[k] = k;
    }
    for (unsigned i = 1; i <= strnlen(a, LEN_MAX); i++) {
        unsigned diagonal = row[0];

        row[0] = i;
        for (unsigned k = 1; k <= m; k++) {
            unsigned change = diagonal + (a[i - 1] != b[k - 1]);

            diagonal = row[k];
            row[k] = row[k] + 1 < row[k - 1] + 1 ? row[k] + 1 : row[k - 1] + 1;
            row[k] = change < row[k] ? change : row[k];
        }
    }
    return row[m];
}

/* The words typed, as far as they may be a command's; a first word that was only begun is completed
 * from @words: "infra list". */
static void words_typed(int argc, char **argv, const char *words, char *out, size_t size)
{
    const char *second = argc > 1 && argv[1][0] != '-' ? argv[1] : "";
    size_t len = strlen(argv[0]);
    bool begun = len >= 3 && strncmp(words, argv[0], len) == 0;

    snprintf(out, size, "%.*s%s%s", begun ? (int)strcspn(words, " ") : (int)len,
             begun ? words : argv[0], second[0] != '\0' && strchr(words, ' ') != NULL ? " " : "",
             strchr(words, ' ') != NULL ? second : "");
}

/* Say that there is no such command, and which was probably meant. */
static void suggest(int argc, char **argv)
{
    const struct cli_command *best = NULL;
    unsigned least = 4;
    char typed[64];

    for (const struct cli_command *c = cli_commands; c->words != NULL; c++) {
        words_typed(argc, argv, c->words, typed, sizeof typed);
        unsigned d = distance(typed, c->words);

        if (d < least && 2 * d <= strlen(typed)) {
            least = d;
            best = c;
        }
    }
    words_typed(argc, argv, best != NULL && strchr(best->words, ' ') == NULL ? "" : " ", typed,
                sizeof typed);
    fprintf(stderr, "holdfast: no command '%s'; ", typed);
    if (best != NULL) {
        fprintf(stderr, "did you mean 'holdfast %s'?\n", best->words);
    } else {
        fprintf(stderr, "`holdfast help` lists them\n");
    }
}

static const struct cli_command *find_command(int argc, char **argv, int *ret_words)
{
    for (const struct cli_command *c = cli_commands; c->words != NULL; c++) {
        int n = match_words(c->words, argc, argv);

        if (n > 0) {
            *ret_words = n;
            return c;
        }
    }
    return NULL;
}

static int find_option(const struct cli_option *options, const char *name, size_t len)
{
    for (int i = 0; options[i].name != NULL; i++) {
        if (strlen(options[i].name) == len && strncmp(options[i].name, name, len) == 0) {
            return i;
        }
    }
    return -1;
}

/* The option that @word ("--file", "--file=x", "-f") names, of the command or of all; @ret_value:
 * what stands after "=", or NULL. */
static const struct cli_option *option_of(const struct cli_command *c, const char *word,
                                          const char **ret_value)
{
    static const struct {
        char letter[3];
        const char *name;
    } letters[] = {{"-f", "file"}, {"-i", "infrastructure"}};
    const char *name = word + 2;

    for (size_t i = 0; i < ARRAY_LEN(letters); i++) {
        name = strcmp(word, letters[i].letter) == 0 ? letters[i].name : name;
    }
    size_t len = strcspn(name, "=");
    int own = find_option(options_of(c), name, len);
    int shared = find_option(common, name, len);

    *ret_value = name[len] == '=' ? name + len + 1 : NULL;
    return own >= 0 ? &options_of(c)[own] : shared >= 0 ? &common[shared] : NULL;
}

static bool keep_option(struct cli *c, const struct cli_option *option, const char *value)
{
    if (option == &common[0]) {
        c->config = value;
    } else if (option == &common[1]) {
        c->control = value;
    } else if (option == &common[2]) {
        c->json = true;
    } else if (c->given_n == CLI_GIVEN_MAX) {
        fprintf(stderr, "holdfast %s: more than %d options\n", c->command->words, CLI_GIVEN_MAX);
        return false;
    } else {
        c->given[c->given_n++] = (struct cli_given){option->name, value};
    }
    return true;
}

static void suggest_option(const struct cli_command *c, const char *word)
{
    AUTO(auto_free) char *typed = strndup(word, strcspn(word, "="));
    const char *name = typed != NULL ? typed + strspn(typed, "-") : "";
    const char *best = NULL;
    unsigned least = 3;

    for (const struct cli_option *o = options_of(c); o->name != NULL; o++) {
        bool begun = name[0] != '\0' && strncmp(o->name, name, strlen(name)) == 0;
        unsigned d = begun ? 0 : distance(name, o->name);

        if (d < least && 2 * d <= strlen(name)) {
            least = d;
            best = o->name;
        }
    }
    fprintf(stderr, "holdfast %s: no option %s; ", c->words, typed != NULL ? typed : "");
    if (best != NULL) {
        fprintf(stderr, "did you mean --%s?\n", best);
    } else {
        fprintf(stderr, "see `holdfast %s --help`\n", c->words);
    }
}

/* One argument that is an option; returns how many argv entries it used, 0 when it is wrong. */
static int take_option(struct cli *c, char **argv, int left)
{
    const char *value;
    const struct cli_option *option = option_of(c->command, argv[0], &value);
    int used = 1;

    if (option == NULL) {
        suggest_option(c->command, argv[0]);
        return 0;
    }
    if (option->value == NULL && value != NULL) {
        fprintf(stderr, "holdfast %s: --%s takes no value\n", c->command->words, option->name);
        return 0;
    }
    if (option->value != NULL && value == NULL) {
        if (left < 2) {
            fprintf(stderr, "holdfast %s: --%s needs a value: %s\n", c->command->words,
                    option->name, option->value);
            return 0;
        }
        value = argv[1];
        used = 2;
    }
    return keep_option(c, option, value != NULL ? value : "") ? used : 0;
}

/* "--x", or a letter that this command has. */
static bool is_option(const struct cli_command *c, const char *word)
{
    const char *value;

    return strncmp(word, "--", 2) == 0 ||
           (word[0] == '-' && strlen(word) == 2 && option_of(c, word, &value) != NULL);
}

static bool wants_help(int argc, char **argv)
{
    for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            return true;
        }
    }
    return false;
}

static bool count_arguments(const struct cli *c)
{
    const struct cli_command *command = c->command;

    if (c->arguments_n < command->min) {
        fprintf(stderr, "holdfast %s: an argument is missing\n", command->words);
    } else if (c->arguments_n > command->max) {
        fprintf(stderr, "holdfast %s: what is '%s' here?\n", command->words,
                c->arguments[command->max]);
    } else {
        return true;
    }
    fprintf(stderr, "usage: holdfast %s%s%s%s\n", command->words,
            command->arguments[0] != '\0' ? " " : "", command->arguments,
            options_of(command)->name != NULL ? " [options]" : "");
    return false;
}

/* Options and arguments after the words; arguments are moved to the front of @argv. */
static bool take_all(struct cli *c, int argc, char **argv)
{
    int kept = 0;
    bool only_arguments = false;

    for (int i = 0; i < argc;) {
        if (!only_arguments && strcmp(argv[i], "--") == 0) {
            only_arguments = true;
            i++;
        } else if (!only_arguments && is_option(c->command, argv[i])) {
            int used = take_option(c, argv + i, argc - i);

            if (used == 0) {
                return false;
            }
            i += used;
        } else {
            argv[kept++] = argv[i++];
        }
    }
    c->arguments = argv;
    c->arguments_n = (unsigned)kept;
    return count_arguments(c);
}

/* What is typed is no command, or only the first word of some. */
static int no_command(int argc, char **argv)
{
    bool help = wants_help(argc - 1, argv + 1);

    if (argc > 1 && !help) {
        suggest(argc, argv);
    }
    if (print_family(help ? stdout : stderr, argv[0])) {
        return help ? CLI_OK : CLI_USAGE;
    }
    if (argc == 1 || help) {
        suggest(argc, argv);
    }
    return CLI_USAGE;
}

bool cli_parse(struct cli *c, int argc, char **argv, int *ret_exit)
{
    int words = 0;

    *ret_exit = CLI_USAGE;
    if (argc < 2 || strcmp(argv[1], "help") == 0 || strcmp(argv[1], "--help") == 0 ||
        strcmp(argv[1], "-h") == 0) {
        print_overview(argc < 2 ? stderr : stdout);
        *ret_exit = argc < 2 ? CLI_USAGE : CLI_OK;
        return false;
    }
    if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "version") == 0) {
        printf("holdfast %s\n", HOLDFAST_VERSION);
        *ret_exit = CLI_OK;
        return false;
    }
    c->command = find_command(argc - 1, argv + 1, &words);
    if (c->command == NULL) {
        *ret_exit = no_command(argc - 1, argv + 1);
        return false;
    }
    if (wants_help(argc - 1 - words, argv + 1 + words)) {
        print_help(c->command);
        *ret_exit = CLI_OK;
        return false;
    }
    return take_all(c, argc - 1 - words, argv + 1 + words);
}
