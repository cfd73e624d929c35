#ifndef HF_CLI_TABLE_H
#define HF_CLI_TABLE_H

#include <jansson.h>
#include <stdio.h>

#include "base/base.h"

/** A table for a person: fits the terminal, never breaks a line of a pipe. */
struct table;

/** table_new() - @heads ends with NULL; a head that starts with '>' is for numbers, one that starts
 * with '~' may be cut where the terminal is narrow. Ends the program when out of memory */
struct table *table_new(const char *const *heads);
/** table_row() - as many cells as heads; NULL shows "-" */
void table_row(struct table *t, const char *const *cells);
/** table_print() - and free. An empty table prints @if_empty instead */
void table_print(struct table **t, const char *if_empty);

/** text_wrapped() - @text from column @indent on, broken at blanks where @out is a terminal, with the
 * same indent for each further line; control characters are shown, not sent */
void text_wrapped(FILE *out, unsigned indent, const char *text);

/** json_text() - a member as text, "" when absent or null; borrowed */
const char *json_text(const json_t *object, const char *name);
/** json_print() - to standard output, for --json */
void json_print(const json_t *value);

#endif
