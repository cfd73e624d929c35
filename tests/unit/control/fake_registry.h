#ifndef CONTROL_FAKE_REGISTRY_H
#define CONTROL_FAKE_REGISTRY_H

/*
 * Part of fake_parts.h: a registry that holds nothing. What is asked of it is recorded in `reg`, and
 * a test answers with reg_answer(). Scopes and kinds are judged by the real one.
 */
static struct {
    unsigned calls;
    const char *op; /* of the last call */
    enum registry_kind kind;
    char scope[256], id[160], tag[64], name[64], after[64], path[128];
    bool below, above, force;
    size_t limit;
    uint64_t expected;
    struct registry_caller who;
    struct registry_apply how;
    char *body; /* as text; owned */
    registry_json_fn *on_json;
    registry_text_fn *on_text;
    store_done_fn *on_done;
    void *arg;
} reg;

static inline void reg_clear(void)
{
    free(reg.body);
    memset(&reg, 0, sizeof reg);
}

/** reg_answer() - answer the open call; @e is taken, @text is JSON or NULL */
static inline void reg_answer(struct err *e, const char *text)
{
    json_t *v = text != NULL ? json_loads(text, 0, NULL) : NULL;
    registry_json_fn *on_json = take(&reg.on_json);
    registry_text_fn *on_text = take(&reg.on_text);

    assert_true((v != NULL) == (text != NULL));
    if (on_text != NULL) {
        on_text(reg.arg, e, text_copy(text));
    } else {
        assert_non_null(on_json);
        on_json(reg.arg, e, v);
    }
    json_decref(v);
}

static inline void reg_text(char *to, size_t size, const char *from)
{
    snprintf(to, size, "%s", from != NULL ? from : "");
}

static inline void reg_called(const char *op, registry_json_fn *on_json, void *arg)
{
    reg.calls++;
    reg.op = op;
    reg.on_json = on_json;
    reg.on_text = NULL;
    reg.arg = arg;
}

static inline void reg_named(enum registry_kind kind, const char *scope, const char *id,
                             const json_t *body)
{
    reg.kind = kind;
    reg_text(reg.scope, sizeof reg.scope, scope);
    reg_text(reg.id, sizeof reg.id, id);
    free(take(&reg.body));
    if (body != NULL) {
        json_free_t release;
        char *text = json_dumps(body, JSON_COMPACT | JSON_SORT_KEYS);

        reg.body = text_copy(text);
        json_get_alloc_funcs(NULL, &release);
        release(text);
    }
}

void registry_create(struct registry *r, const struct registry_caller *who, enum registry_kind kind,
                     const char *scope, const json_t *body, registry_json_fn *on_done, void *arg)
{
    (void)r;
    reg.who = *who;
    reg_named(kind, scope, NULL, body);
    reg_called("create", on_done, arg);
}

void registry_get(struct registry *r, enum registry_kind kind, const char *scope, const char *id,
                  registry_json_fn *on_done, void *arg)
{
    (void)r;
    reg_named(kind, scope, id, NULL);
    reg_called("get", on_done, arg);
}

void registry_update(struct registry *r, const struct registry_caller *who, enum registry_kind kind,
                     const char *scope, const char *id, uint64_t expected, const json_t *body,
                     registry_json_fn *on_done, void *arg)
{
    (void)r;
    reg.who = *who;
    reg.expected = expected;
    reg_named(kind, scope, id, body);
    reg_called("update", on_done, arg);
}

void registry_delete(struct registry *r, const struct registry_caller *who, enum registry_kind kind,
                     const char *scope, const char *id, uint64_t expected, bool force,
                     registry_json_fn *on_done, void *arg)
{
    (void)r;
    reg.who = *who;
    reg.expected = expected;
    reg.force = force;
    reg_named(kind, scope, id, NULL);
    reg_called("delete", on_done, arg);
}

void registry_list(struct registry *r, const struct registry_query *q, registry_text_fn *on_done,
                   void *arg)
{
    (void)r;
    reg_named(q->kind, q->scope, NULL, NULL);
    reg.below = q->below;
    reg.above = q->above;
    reg.limit = q->limit;
    reg_text(reg.tag, sizeof reg.tag, q->tag);
    reg_text(reg.name, sizeof reg.name, q->name_has);
    reg_text(reg.after, sizeof reg.after, q->after);
    reg_called("list", NULL, arg);
    reg.on_text = on_done;
}

void registry_check_only(struct registry *r, enum registry_kind kind, const char *scope,
                         const json_t *body, registry_json_fn *on_done, void *arg)
{
    (void)r;
    reg_named(kind, scope, NULL, body);
    reg_called("check", on_done, arg);
}

void registry_scopes(struct registry *r, char *const *tops, const char *after, size_t limit,
                     registry_text_fn *on_done, void *arg)
{
    (void)r;
    reg_text(reg.scope, sizeof reg.scope, "");
    for (size_t i = 0; tops[i] != NULL; i++) {
        size_t len = strlen(reg.scope);

        snprintf(reg.scope + len, sizeof reg.scope - len, "%s ", tops[i]);
    }
    reg.limit = limit;
    reg_text(reg.after, sizeof reg.after, after);
    reg_called("scopes", NULL, arg);
    reg.on_text = on_done;
}

void registry_status(struct registry *r, const char *scope, registry_json_fn *on_done, void *arg)
{
    (void)r;
    reg_text(reg.scope, sizeof reg.scope, scope);
    reg_called("status", on_done, arg);
}

void registry_export(struct registry *r, const char *scope, registry_text_fn *on_done, void *arg)
{
    (void)r;
    reg_text(reg.scope, sizeof reg.scope, scope);
    reg_called("export", NULL, arg);
    reg.on_text = on_done;
}

void registry_apply(struct registry *r, const struct registry_caller *who, const json_t *document,
                    const struct registry_apply *how, registry_json_fn *on_done, void *arg)
{
    (void)r;
    reg.who = *who;
    reg.how = *how;
    reg_named(0, how->prune_scope, NULL, document);
    reg_called("apply", on_done, arg);
}

void registry_resolve(struct registry *r, const char *scope, const char *reference,
                      registry_json_fn *on_done, void *arg)
{
    (void)r;
    reg_named(REGISTRY_SSH_KEY, scope, reference, NULL);
    reg_called("resolve", on_done, arg);
}

static const struct registry_allowed reg_given = {.scope = "org/acme", .folder = "/given"};
static const struct registry_allowed_list reg_allowed = {&reg_given, 1};

const struct registry_allowed_list *registry_allowed(const struct registry *r)
{
    (void)r;
    return &reg_allowed;
}

struct store *registry_store(struct registry *r)
{
    return (struct store *)r;
}

static inline void reg_copied(const char *op, const char *path, store_done_fn *on_done, void *arg)
{
    reg_text(reg.path, sizeof reg.path, path);
    reg_called(op, NULL, arg);
    reg.on_done = on_done;
}

void store_backup(struct store *s, const char *path, store_done_fn *on_done, void *arg)
{
    (void)s;
    reg_copied("backup", path, on_done, arg);
}

void store_restore(struct store *s, const char *path, store_done_fn *on_done, void *arg)
{
    (void)s;
    reg_copied("restore", path, on_done, arg);
}

#endif
