/*
 * The messages of all operations but signing, writer and reader side by side: one request for them
 * all, the steps of a check, a list of mounts, an X.509 certificate. Lists of names are plain strings
 * in events, as many events as they need; they are written and read where they are made and used.
 */
#include "vault/query.h"

#include <stdlib.h>

static const size_t query_texts[] = {
    offsetof(struct vault_query, mount),     offsetof(struct vault_query, name),
    offsetof(struct vault_query, prefix),    offsetof(struct vault_query, path),
    offsetof(struct vault_query, text),      offsetof(struct vault_query, common_name),
    offsetof(struct vault_query, alt_names),
};

/* --- a request -------------------------------------------------------------------------------- */

static const char **text_at(struct vault_query *q, size_t i)
{
    return (const char **)(void *)((char *)q + query_texts[i]);
}

void vault_query_put(struct buf *b, const struct vault_query *query)
{
    struct vault_query q = *query;

    buf_put_u32(b, q.server);
    if (q.server == 0) {
        vault_conf_put(b, q.conf);
    }
    buf_put_u64(b, (uint64_t)q.deadline.ms);
    for (size_t i = 0; i < ARRAY_LEN(query_texts); i++) {
        vault_put_maybe(b, *text_at(&q, i));
    }
    buf_put_u64(b, q.version);
}

static struct err *get_conf(struct rd *r, struct vault_query *q)
{
    struct vault_conf *conf = calloc(1, sizeof *conf);

    q->conf = conf;
    return conf != NULL ? vault_conf_get(r, conf) : err_nomem();
}

struct err *vault_query_get(struct rd *r, struct vault_query *ret)
{
    struct vault_query q = {.server = rd_u32(r)};
    struct err *e = q.server == 0 ? get_conf(r, &q) : NULL;

    if (e == NULL) {
        q.deadline.ms = (int64_t)rd_u64(r);
        for (size_t i = 0; i < ARRAY_LEN(query_texts); i++) {
            *text_at(&q, i) = vault_get_maybe(r);
        }
        q.version = rd_u64(r);
        if (q.deadline.ms < 0) {
            rd_fail(r);
        }
        e = rd_end(r, "request to holdfast-vault");
    }
    if (e != NULL) {
        vault_query_deinit(&q);
        return e;
    }
    *ret = q;
    return NULL;
}

void vault_query_deinit(struct vault_query *q)
{
    struct vault_conf *conf = (struct vault_conf *)q->conf;

    if (conf != NULL) {
        vault_conf_deinit(conf);
        free(conf);
    }
    for (size_t i = 0; i < ARRAY_LEN(query_texts); i++) {
        free((char *)*text_at(q, i));
    }
    *q = (struct vault_query){0};
}

/* --- a step of a check ------------------------------------------------------------------------ */

const char *vault_step_name(enum vault_step_kind kind)
{
    static const char *const names[] = {
        [VAULT_STEP_REACH] = "reach", [VAULT_STEP_TLS] = "tls",     [VAULT_STEP_HEALTH] = "health",
        [VAULT_STEP_LOGIN] = "login", [VAULT_STEP_TOKEN] = "token", [VAULT_STEP_ENGINE] = "engine",
    };

    return names[kind];
}

const char *vault_step_state_name(enum vault_step_state state)
{
    static const char *const names[] = {
        [VAULT_STEP_OK] = "ok",
        [VAULT_STEP_WARNING] = "warning",
        [VAULT_STEP_FAILED] = "failed",
        [VAULT_STEP_SKIPPED] = "skipped",
    };

    return names[state];
}

void vault_step_put(struct buf *b, const struct vault_step *step)
{
    size_t n = step->facts_n < VAULT_FACTS_MAX ? step->facts_n : VAULT_FACTS_MAX;

    buf_put_u8(b, (uint8_t)step->kind);
    buf_put_u8(b, (uint8_t)step->state);
    buf_put_u64(b, (uint64_t)step->took_ms);
    buf_put_bool(b, step->error != NULL);
    if (step->error != NULL) {
        size_t at = buf_begin_string(b);

        err_put(b, step->error);
        buf_end_string(b, at);
    }
    buf_put_cstr(b, step->address);
    buf_put_cstr(b, step->text);
    buf_put_u32(b, (uint32_t)n);
    for (size_t i = 0; i < n; i++) {
        buf_put_cstr(b, step->facts[i].name);
        buf_put_cstr(b, step->facts[i].value);
    }
}

/* The next string, kept in the list of what is owned; "" after a failure. */
static const char *keep_text(struct rd *r, struct vault_step_in *in)
{
    AUTO(auto_free) char *text = vault_get_text(r);

    if (text == NULL || !text_list_add(&in->texts, text)) {
        rd_fail(r);
        return "";
    }
    return in->texts[text_list_len(in->texts) - 1];
}

struct err *vault_step_get(struct rd *r, struct vault_step_in *ret)
{
    struct vault_step *s = &ret->step;

    *ret = (struct vault_step_in){0};
    uint8_t kind = rd_u8(r), state = rd_u8(r);

    s->took_ms = (int64_t)rd_u64(r);
    if (kind >= VAULT_STEPS || state > VAULT_STEP_SKIPPED || s->took_ms < 0) {
        rd_fail(r);
    }
    s->kind = (enum vault_step_kind)kind;
    s->state = (enum vault_step_state)state;
    if (rd_bool(r)) {
        struct rd nested = rd_nested(r);

        ret->error = err_get(&nested);
    }
    s->error = ret->error;
    s->address = keep_text(r, ret);
    s->text = keep_text(r, ret);
    s->facts = ret->facts;
    uint32_t n = rd_u32(r);

    if (n > VAULT_FACTS_MAX) {
        rd_fail(r);
    }
    for (; s->facts_n < n && !rd_failed(r); s->facts_n++) {
        ret->facts[s->facts_n].name = keep_text(r, ret);
        ret->facts[s->facts_n].value = keep_text(r, ret);
    }
    return rd_end(r, "step of a check");
}

void vault_step_in_deinit(struct vault_step_in *s)
{
    text_list_free(&s->texts);
    err_free(&s->error);
}

/* --- mounts ----------------------------------------------------------------------------------- */

void vault_mounts_put(struct buf *b, const struct vault_mount *list, size_t n)
{
    buf_put_u32(b, (uint32_t)n);
    for (size_t i = 0; i < n; i++) {
        buf_put_cstr(b, list[i].path);
        buf_put_cstr(b, list[i].type);
        buf_put_cstr(b, list[i].description);
    }
}

void vault_mounts_free(struct vault_mount **list, size_t n)
{
    struct vault_mount *mounts = take(list);

    for (size_t i = 0; mounts != NULL && i < n; i++) {
        free((char *)mounts[i].path);
        free((char *)mounts[i].type);
        free((char *)mounts[i].description);
    }
    free(mounts);
}

struct err *vault_mounts_get(struct rd *r, struct vault_mount **ret, size_t *ret_n)
{
    uint32_t n = rd_u32(r);

    if (n > IPC_FRAME_MAX_BYTES / 12) { /* a mount takes three lengths at least */
        rd_fail(r);
        n = 0;
    }
    struct vault_mount *list = calloc((size_t)n + 1, sizeof *list);

    if (list == NULL) {
        return err_nomem();
    }
    for (uint32_t i = 0; i < n && !rd_failed(r); i++) {
        list[i].path = vault_get_text(r);
        list[i].type = vault_get_text(r);
        list[i].description = vault_get_text(r);
    }
    struct err *e = rd_end(r, "list of mounts");

    if (e != NULL) {
        vault_mounts_free(&list, n);
        return e;
    }
    *ret = list;
    *ret_n = n;
    return NULL;
}

/* --- X.509 certificates ----------------------------------------------------------------------- */

void vault_pki_put(struct buf *b, const struct vault_pki_answer *answer)
{
    buf_put_cstr(b, answer->cert_pem);
    buf_put_cstr(b, answer->chain_pem);
    buf_put_cstr(b, answer->serial);
}

void vault_pki_deinit(struct vault_pki_answer *a)
{
    free((char *)a->cert_pem);
    free((char *)a->chain_pem);
    free((char *)a->serial);
    *a = (struct vault_pki_answer){0};
}

struct err *vault_pki_get(struct rd *r, struct vault_pki_answer *ret)
{
    struct vault_pki_answer a = {0};

    a.cert_pem = vault_get_text(r);
    a.chain_pem = vault_get_text(r);
    a.serial = vault_get_text(r);
    struct err *e = rd_end(r, "X.509 certificate");

    if (e != NULL) {
        vault_pki_deinit(&a);
        return e;
    }
    *ret = a;
    return NULL;
}
