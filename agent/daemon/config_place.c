/*
 * Where in the file something is wrong: the place is a path ("identities[0].certificates[1]"), which
 * finds the line again.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/yaml.h"
#include "daemon/config_check.h"

struct err *config_wrong(const struct config_place *at, const char *key, const char *fmt, ...)
{
    AUTO(auto_free) char *path = text_fmt("%s%s%s", at->path, key[0] != '\0' ? "." : "", key);
    AUTO(auto_free) char *what = NULL;
    va_list ap;

    va_start(ap, fmt);
    if (vasprintf(&what, fmt, ap) < 0) {
        what = NULL;
    }
    va_end(ap);
    if (path == NULL || what == NULL) {
        return err_nomem();
    }
    return err_new(ERR_INPUT, "%s:%u: %s: %s", at->config->file, yaml_line_of(at->text, path), path,
                   what);
}

struct err *config_check_name(const struct config_place *at, const char *name)
{
    if (!text_name_ok(name)) {
        return config_wrong(at, "name", "'%s' is no name: 1 to 64 of A-Z a-z 0-9 . _ -", name);
    }
    return NULL;
}
