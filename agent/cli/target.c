/*
 * The one place that knows how a person writes a host.
 */
#include "cli/target.h"

#include <stdlib.h>

void target_deinit(struct target *t)
{
    auto_free(&t->user);
    auto_free(&t->infrastructure);
    auto_free(&t->host);
    t->port = 0;
}

static struct err *wrong(const char *text)
{
    return err_new(ERR_INPUT, "'%s' is not [USER@]HOST[:PORT] or [USER@]INFRASTRUCTURE/HOST", text);
}

static struct err *port(const char *text, unsigned *ret)
{
    size_t len = strlen(text);
    unsigned long n = len <= 5 ? strtoul(text, NULL, 10) : 0;

    if (len == 0 || strspn(text, "0123456789") != len || n < 1 || n > 65535) {
        return err_new(ERR_INPUT, "'%s' is no port", text);
    }
    *ret = (unsigned)n;
    return NULL;
}

/* HOST[:PORT], [HOST][:PORT], or an IPv6 address, which has two colons. */
static struct err *address(const char *whole, const char *text, struct target *t)
{
    bool bracket = text[0] == '[';
    const char *host = text + bracket;
    const char *colon = strchr(text, ':');
    bool bare_v6 = !bracket && colon != NULL && strchr(colon + 1, ':') != NULL;
    size_t len = bare_v6 ? strlen(host) : strcspn(host, bracket ? "]" : ":");
    const char *after = host + len + (bracket && host[len] == ']');

    if (len == 0 || (bracket && host[len] != ']') || (*after != '\0' && *after != ':')) {
        return wrong(whole);
    }
    t->host = strndup(host, len);
    return *after == ':' ? port(after + 1, &t->port) : NULL;
}

static struct err *host_of(const char *whole, const char *text, struct target *t)
{
    const char *slash = strchr(text, '/');

    if (slash == NULL) {
        return address(whole, text, t);
    }
    if (slash == text || slash[1] == '\0' || strchr(slash + 1, '/') != NULL) {
        return wrong(whole);
    }
    t->infrastructure = strndup(text, (size_t)(slash - text));
    t->host = strdup(slash + 1);
    return t->infrastructure != NULL && t->host != NULL ? NULL : err_nomem();
}

struct err *target_parse(const char *text, struct target *ret)
{
    const char *at = strrchr(text, '@');
    struct target t = {0};

    if (at == text) {
        return wrong(text);
    }
    if (at != NULL) {
        t.user = strndup(text, (size_t)(at - text));
    }
    struct err *e = host_of(text, at != NULL ? at + 1 : text, &t);

    if (e == NULL && (t.host == NULL || (at != NULL && t.user == NULL))) {
        e = err_nomem();
    }
    if (e != NULL) {
        target_deinit(&t);
        return e;
    }
    *ret = t;
    return NULL;
}
