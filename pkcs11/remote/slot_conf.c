/*
 * What is configured of a token, as a value: made, compared, exchanged. A PIN source that is the same
 * as before stays what it was, tried included: a new configuration is no new insertion.
 */
#include <stdlib.h>

#include "pkcs11/remote/client.h"

void slot_conf_deinit(struct slot_conf *c)
{
    for (size_t i = 0; i < c->sources_n; i++) {
        source_deinit(&c->sources[i]);
    }
    free(c->sources);
    p11_uri_free(&c->uri);
    free(c->uri_text);
    free(c->name);
}

void slot_conf_free(struct slot_conf **cp)
{
    struct slot_conf *c = take(cp);

    if (c != NULL) {
        slot_conf_deinit(c);
        free(c);
    }
}

struct err *slot_conf_new(const struct remote_token_conf *conf, struct slot_conf **ret)
{
    AUTO(slot_conf_free) struct slot_conf *c = calloc(1, sizeof *c);

    if (c == NULL) {
        return err_nomem();
    }
    c->name = text_copy(conf->name);
    c->uri_text = text_copy(conf->uri);
    c->sources = calloc(conf->pins_n + 1, sizeof *c->sources);
    if (c->name == NULL || c->uri_text == NULL || c->sources == NULL) {
        return err_nomem();
    }
    struct err *e = p11_uri_parse(conf->uri, &c->uri);

    for (size_t i = 0; e == NULL && i < conf->pins_n; i++) {
        c->sources_n++;
        e = source_copy(&c->sources[i], &conf->pins[i]);
    }
    if (e == NULL && conf->pins_n == 0 && p11_uri_pin_source(c->uri) != NULL) {
        c->sources_n = 1;
        e = source_from_uri(&c->sources[0], p11_uri_pin_source(c->uri));
    }
    if (e == NULL) {
        *ret = take(&c);
    }
    return err_add(e, "token %s", conf->name);
}

static bool is_same_text(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static bool is_same_source(const struct source *a, const struct source *b)
{
    size_t n = text_list_len(a->argv);

    for (size_t i = 0; n == text_list_len(b->argv) && i < n; i++) {
        if (strcmp(a->argv[i], b->argv[i]) != 0) {
            return false;
        }
    }
    return a->kind == b->kind && is_same_text(a->text, b->text) && n == text_list_len(b->argv) &&
           (a->value == NULL || b->value == NULL
                ? a->value == b->value
                : view_eq(secret_view(a->value), secret_view(b->value)));
}

bool slot_conf_is(const struct slot *s, const struct slot_conf *c)
{
    bool same = is_same_text(s->name, c->name) && is_same_text(s->uri_text, c->uri_text) &&
                s->sources_n == c->sources_n;

    for (size_t i = 0; same && i < c->sources_n; i++) {
        same = is_same_source(&s->sources[i], &c->sources[i]);
    }
    return same;
}

void slot_conf_swap(struct slot *s, struct slot_conf *c)
{
    const struct slot_conf was = {s->name, s->uri_text, s->uri, s->sources, s->sources_n};

    for (size_t i = 0; i < c->sources_n; i++) {
        for (size_t k = 0; k < was.sources_n; k++) {
            if (is_same_source(&c->sources[i], &was.sources[k])) {
                c->sources[i].tried = was.sources[k].tried;
            }
        }
    }
    s->name = c->name;
    s->uri_text = c->uri_text;
    s->uri = c->uri;
    s->sources = c->sources;
    s->sources_n = c->sources_n;
    *c = was;
}
