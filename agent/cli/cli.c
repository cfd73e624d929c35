/*
 * What several commands do the same way: fail, ask, read a file.
 */
#include "cli/cli.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli/table.h"

int cli_fail(struct err *e)
{
    AUTO(auto_free) char *text = text_fmt("holdfast: %s", err_text(e));

    fflush(stdout);
    text_wrapped(stderr, 0, text != NULL ? text : err_text(e));
    err_free(&e);
    return CLI_FAILED;
}

struct err *cli_confirm(const struct cli *c, const char *nothing, const char *fmt, ...)
{
    char answer[16] = "";
    va_list ap;

    if (cli_option(c, "yes") != NULL) {
        return NULL;
    }
    if (!isatty(STDIN_FILENO)) {
        return err_new(ERR_INPUT, "nobody to ask, so nothing was %s: --yes asks nothing", nothing);
    }
    fflush(stdout);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputs(" [y/N] ", stderr);
    if (fgets(answer, sizeof answer, stdin) == NULL || (answer[0] != 'y' && answer[0] != 'Y')) {
        return err_new(ERR_DENIED, "nothing was %s", nothing);
    }
    return NULL;
}

static struct err *read_all(FILE *in, const char *name, size_t max_bytes, struct buf *out)
{
    char piece[4096];
    size_t n;

    while ((n = fread(piece, 1, sizeof piece, in)) > 0) {
        if (out->len + n > max_bytes) {
            return err_new(ERR_LIMIT, "%s is larger than %zu bytes", name, max_bytes);
        }
        buf_put(out, piece, n);
    }
    return ferror(in) ? err_sys(errno, "read %s", name) : buf_check(out, name);
}

/* Not with file_read(): a person may give a pipe, <(command). */
struct err *cli_read(const char *path, size_t max_bytes, struct buf *out)
{
    if (strcmp(path, "-") == 0) {
        return read_all(stdin, "standard input", max_bytes, out);
    }
    FILE *in = fopen(path, "re");

    if (in == NULL) {
        return err_sys(errno, "%s", path);
    }
    struct err *e = read_all(in, path, max_bytes, out);

    fclose(in);
    return e;
}

char *cli_absolute(const char *path)
{
    AUTO(auto_free) char *here = path[0] != '/' ? getcwd(NULL, 0) : NULL;

    return path[0] == '/' ? strdup(path) : here != NULL ? text_fmt("%s/%s", here, path) : NULL;
}
