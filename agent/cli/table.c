/*
 * Tables through libsmartcols: it knows terminals, widths and wide characters.
 */
#include "cli/table.h"

#include <libsmartcols.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { WIDTH_DEFAULT = 80, ROOM_MIN = 20 };

struct table {
    struct libscols_table *table;
    size_t columns, rows;
};

static void out_of_memory(void)
{
    fputs("holdfast: out of memory\n", stderr);
    exit(1);
}

struct table *table_new(const char *const *heads)
{
    struct table *t = calloc(1, sizeof *t);

    if (t == NULL || (t->table = scols_new_table()) == NULL) {
        out_of_memory();
    }
    for (; heads[t->columns] != NULL; t->columns++) {
        const char *head = heads[t->columns];
        int flags = head[0] == '>' ? SCOLS_FL_RIGHT : head[0] == '~' ? SCOLS_FL_TRUNC : 0;

        if (scols_table_new_column(t->table, head + (flags != 0), 0, flags) == NULL) {
            out_of_memory();
        }
    }
    return t;
}

void table_row(struct table *t, const char *const *cells)
{
    struct libscols_line *line = scols_table_new_line(t->table, NULL);

    for (size_t i = 0; line != NULL && i < t->columns; i++) {
        const char *cell = cells[i] != NULL && cells[i][0] != '\0' ? cells[i] : "-";
        AUTO(auto_free) char *safe = text_safe(view_cstr(cell));

        if (safe == NULL || scols_line_set_data(line, i, safe) < 0) {
            out_of_memory();
        }
    }
    t->rows++;
}

void table_print(struct table **tp, const char *if_empty)
{
    struct table *t = take(tp);

    if (t->rows > 0) {
        scols_print_table(t->table);
    } else {
        puts(if_empty);
    }
    scols_unref_table(t->table);
    free(t);
}

static size_t width_of(FILE *out)
{
    struct winsize w;

    if (!isatty(fileno(out))) {
        return SIZE_MAX;
    }
    return ioctl(fileno(out), TIOCGWINSZ, &w) == 0 && w.ws_col > 0 ? w.ws_col : WIDTH_DEFAULT;
}

void text_wrapped(FILE *out, unsigned indent, const char *text)
{
    size_t room = width_of(out) > indent + ROOM_MIN ? width_of(out) - indent : ROOM_MIN;
    AUTO(auto_free) char *safe = text_safe(view_cstr(text));
    size_t used = 0;

    for (const char *word = safe; word != NULL && *word != '\0';) {
        size_t len = strcspn(word, " ");

        if (used > 0 && used + 1 + len > room) {
            fprintf(out, "\n%*s", (int)indent, "");
            used = 0;
        }
        fprintf(out, "%s%.*s", used > 0 ? " " : "", (int)len, word);
        used += len + (used > 0);
        word += len + (word[len] == ' ');
    }
    fputc('\n', out);
}

const char *json_text(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));

    return text != NULL ? text : "";
}

void json_print(const json_t *value)
{
    json_dumpf(value, stdout, JSON_INDENT(2) | JSON_ENCODE_ANY);
    putchar('\n');
}
