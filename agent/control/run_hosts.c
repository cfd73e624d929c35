/*
 * The targets of a run: out of an infrastructure, or out of a plain list. What the infrastructure
 * declares of a host (its key, or the CA of its certificate) becomes a line of known_hosts, and then
 * nothing else may vouch for that host.
 */
#include "control/run_hosts.h"

#include <fnmatch.h>
#include <stdlib.h>

#include "control/resources.h"

static void host_deinit(struct control_host *h)
{
    free(h->name);
    free(h->address);
    free(h->known_hosts);
    text_list_free(&h->tags);
    *h = (struct control_host){0};
}

void control_hosts_deinit(struct control_hosts *h)
{
    for (size_t i = 0; i < h->n; i++) {
        host_deinit(&h->all[i]);
    }
    free(h->all);
    *h = (struct control_hosts){0};
}

static struct err *make_room(const json_t *list, struct control_hosts *h)
{
    size_t n = json_array_size(list);

    if (n > CONTROL_RUN_HOSTS_MAX) {
        return err_new(ERR_LIMIT, "more than %d hosts", CONTROL_RUN_HOSTS_MAX);
    }
    h->all = calloc(n + 1, sizeof *h->all);
    return h->all != NULL ? NULL : err_nomem();
}

/* Spec: sshd(8), SSH_KNOWN_HOSTS FILE FORMAT */
static char *known_line(const struct control_host *h, unsigned port, const char *key, bool is_ca)
{
    const char *marker = is_ca ? "@cert-authority " : "";

    return port == CONTROL_PORT_SSH ? text_fmt("%s%s %s\n", marker, h->address, key)
                                    : text_fmt("%s[%s]:%u %s\n", marker, h->address, port, key);
}

static struct err *take_host(const json_t *v, unsigned port, struct control_host *h)
{
    const char *name = json_string_value(json_object_get(v, "name"));
    const char *address = json_string_value(json_object_get(v, "address"));
    const char *key = json_string_value(json_object_get(v, "host_key"));
    const char *ca = json_string_value(json_object_get(v, "host_ca"));
    const json_t *tag;
    size_t i;

    h->name = text_copy(name != NULL ? name : address);
    h->address = text_copy(address != NULL ? address : name);
    h->port = (unsigned)json_integer_value(json_object_get(v, "port"));
    if (h->port == 0) {
        h->port = port;
    }
    if (h->name == NULL || h->address == NULL) {
        return err_nomem();
    }
    if (key != NULL || ca != NULL) {
        h->known_hosts = known_line(h, h->port, key != NULL ? key : ca, key == NULL);
        if (h->known_hosts == NULL) {
            return err_nomem();
        }
    }
    json_array_foreach(json_object_get(v, "tags"), i, tag)
    {
        if (json_is_string(tag) && !text_list_add(&h->tags, json_string_value(tag))) {
            return err_nomem();
        }
    }
    return NULL;
}

struct err *control_hosts_of_spec(const json_t *spec, unsigned port, struct control_hosts *ret)
{
    const json_t *list = json_object_get(spec, "hosts");
    AUTO(control_hosts_deinit) struct control_hosts h = {0};
    struct err *e = make_room(list, &h);
    const json_t *v;
    size_t i;

    json_array_foreach(list, i, v)
    {
        if (e == NULL) {
            h.n = i + 1;
            e = take_host(v, port, &h.all[i]);
        }
    }
    if (e == NULL) {
        *ret = h;
        h = (struct control_hosts){0};
    }
    return e;
}

static bool read_port(const char *text, unsigned *ret)
{
    char *end;
    unsigned long n = *text >= '0' && *text <= '9' ? strtoul(text, &end, 10) : 0;

    if (n < 1 || n > UINT16_MAX || *end != '\0') {
        return false;
    }
    *ret = (unsigned)n;
    return true;
}

/* More than one colon and no brackets: an address of IPv6. */
static bool split(const char *text, struct control_host *h)
{
    const char *colon = strrchr(text, ':');
    const char *close = strchr(text, ']');

    if (*text == '[') {
        bool has_port = close != NULL && close[1] == ':';

        if (close == NULL || close == text + 1 || (!has_port && close[1] != '\0')) {
            return false;
        }
        h->address = strndup(text + 1, (size_t)(close - text - 1));
        return !has_port || read_port(close + 2, &h->port);
    }
    if (colon == NULL || colon != strchr(text, ':')) {
        h->address = text_copy(text);
        return true;
    }
    h->address = strndup(text, (size_t)(colon - text));
    return colon != text && read_port(colon + 1, &h->port);
}

struct err *control_hosts_of_list(const json_t *list, struct control_hosts *ret)
{
    AUTO(control_hosts_deinit) struct control_hosts h = {0};
    struct err *e = make_room(list, &h);
    const json_t *v;
    size_t i;

    json_array_foreach(list, i, v)
    {
        const char *text = json_string_value(v);

        if (e != NULL) {
            break;
        }
        h.n = i + 1;
        if (text == NULL || *text == '\0' || !split(text, &h.all[i])) {
            e = err_new(ERR_INPUT, "/hosts/%zu is not HOST, HOST:PORT or [ADDRESS]:PORT", i);
        } else {
            h.all[i].name = text_copy(text);
            e = h.all[i].name != NULL && h.all[i].address != NULL ? NULL : err_nomem();
        }
    }
    if (e == NULL) {
        *ret = h;
        h = (struct control_hosts){0};
    }
    return e;
}

static bool fits(const struct control_host *h, const char *pattern)
{
    bool yes = fnmatch(pattern, h->name, 0) == 0 || fnmatch(pattern, h->address, 0) == 0;

    for (size_t i = 0; i < text_list_len(h->tags); i++) {
        yes = yes || fnmatch(pattern, h->tags[i], 0) == 0;
    }
    return yes;
}

void control_hosts_limit(struct control_hosts *h, const char *pattern)
{
    size_t n = 0;

    for (size_t i = 0; i < h->n; i++) {
        if (fits(&h->all[i], pattern)) {
            struct control_host kept = h->all[i];

            h->all[i] = (struct control_host){0};
            h->all[n++] = kept;
        } else {
            host_deinit(&h->all[i]);
        }
    }
    h->n = n;
}
