/*
 * About the registry itself: which scopes are in use, and how its store is. Both are what an
 * administrator looks at before anything else, so they are asked of the store each time: nothing here
 * is remembered.
 */
#include <stdlib.h>

#include "registry/line.h"
#include "registry/op.h"

enum { SCOPES_MAX_BYTES = 2 * STORE_PAGE_MAX * (STORE_TEXT_MAX_BYTES + 64) };

static void answer(struct registry_op *op)
{
    registry_op_end(op, NULL);
}

/* Answers are never given before the call has returned. */
static void nothing(struct registry_op *op)
{
    (void)op;
}

static struct err *write_scopes(const struct store_tally *scopes, size_t n, const char *next,
                                char **ret)
{
    AUTO(buf_deinit) struct buf page;

    buf_init(&page, SCOPES_MAX_BYTES);
    registry_line_put(&page, "{\"items\":[");
    for (size_t i = 0; i < n; i++) {
        AUTO(auto_free) char *count = text_fmt("%llu}", (unsigned long long)scopes[i].entries);

        registry_line_put(&page, i > 0 ? ",{\"scope\":" : "{\"scope\":");
        registry_line_put_text(&page, scopes[i].word);
        registry_line_put(&page, ",\"resources\":");
        registry_line_put(&page, count != NULL ? count : "0}");
    }
    registry_line_put(&page, "],\"next\":");
    registry_line_put_text(&page, *next != '\0' ? next : NULL);
    registry_line_put(&page, "}");
    buf_put_u8(&page, '\0');
    struct err *e = buf_check(&page, "the page");

    *ret = e == NULL ? (char *)take(&page.data) : NULL;
    return e;
}

static void on_scopes(void *arg, struct err *e, const struct store_tally *scopes, size_t n,
                      const char *next)
{
    struct registry_op *op = arg;

    e = e == NULL ? write_scopes(scopes, n, next, &op->text) : e;
    registry_op_end(op, e);
}

void registry_scopes(struct registry *r, char *const *tops, const char *after, size_t limit,
                     registry_text_fn *on_done, void *arg)
{
    struct registry_op *op = registry_op_new_text(r, on_done, arg);

    for (size_t i = 0; op != NULL && op->e == NULL && tops != NULL && tops[i] != NULL; i++) {
        op->e = registry_scope_check(tops[i]);
    }
    if (op != NULL && op->e != NULL) {
        registry_op_work(op, nothing, answer);
    } else if (op != NULL) {
        store_scopes(r->store, &(struct store_scopes_query){tops, after, limit}, on_scopes, op);
    }
}

static json_t *time_or_null(struct wall t)
{
    char text[WALL_TEXT_BYTES];

    return t.s > 0 ? json_string(wall_text(t, text)) : json_null();
}

static json_t *text_or_null(const char *text)
{
    json_t *s = text != NULL ? json_string(text) : NULL;

    return s != NULL ? s : json_null();
}

static json_t *store_json(const struct store_status *s, const struct store_facts *f)
{
    return json_pack("{s:s, s:o, s:I, s:I, s:I, s:b, s:o, s:o, s:o, s:o}", "kind", s->kind, "path",
                     text_or_null(s->where), "bytes", (json_int_t)f->bytes, "schema_version",
                     (json_int_t)f->version, "entries", (json_int_t)s->entries, "writable",
                     s->writable, "error",
                     text_or_null(s->error != NULL ? err_text(s->error) : NULL), "whole_at",
                     time_or_null(s->checked), "refreshed", time_or_null(s->refreshed),
                     "away_since", time_or_null(s->away_since));
}

/* All kinds, those of which there are none too. */
static json_t *kinds_json(const struct store_facts *f)
{
    json_t *kinds = json_array();

    for (unsigned k = 0; k < REGISTRY_KINDS; k++) {
        const char *word = registry_kind_word((enum registry_kind)k);
        struct store_tally t = {0};

        for (size_t i = 0; i < f->kinds_n; i++) {
            t = text_eq(f->kinds[i].word, word) ? f->kinds[i] : t;
        }
        json_array_append_new(kinds, json_pack("{s:s, s:I, s:I, s:o}", "kind", word, "resources",
                                               (json_int_t)t.entries, "highest_revision",
                                               (json_int_t)t.revision, "updated",
                                               time_or_null(t.updated)));
    }
    return kinds;
}

static void on_facts(void *arg, struct err *e, const struct store_facts *f)
{
    struct registry_op *op = arg;
    struct store_status s;

    if (e == NULL) {
        store_status(op->r->store, &s);
        op->result =
            json_pack("{s:s, s:o, s:o, s:I}", "scope", op->key.scope, "store", store_json(&s, f),
                      "kinds", kinds_json(f), "scopes", (json_int_t)f->scopes);
        e = op->result != NULL ? NULL : err_nomem();
    }
    registry_op_end(op, e);
}

void registry_status(struct registry *r, const char *scope, registry_json_fn *on_done, void *arg)
{
    struct registry_op *op = registry_op_new(r, scope, NULL, on_done, arg);

    if (op == NULL) {
        return;
    }
    op->e = registry_scope_check(scope);
    if (op->e != NULL) {
        registry_op_work(op, nothing, answer);
        return;
    }
    store_facts(r->store, scope, on_facts, op);
}
