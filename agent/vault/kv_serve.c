/*
 * Texts in a KV v2 engine, under check-and-set.
 *
 * Three things KV v2 does not do by itself are made here. Deleting under check-and-set: a version
 * that says {"deleted": true} takes the place of the text, and whoever creates the entry anew writes
 * over exactly that version. Telling a lost answer from a lost race: each write carries a number of
 * its own, so when a repeated write is refused because its first try went through, the version it
 * would have made tells. Telling a missing entry from a missing engine: only the second has words in
 * its 404.
 *
 * Spec: Vault and OpenBao, KV secrets engine version 2
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

#include "vault/look_serve.h"

enum { NONCE_BYTES = 12, PARTS_MAX = 5, LAG_MS = 200, LAG_TRIES = 6 };

/* After an election the engine answers 400 for a moment: "Waiting for the primary to upgrade from
 * non-versioned to versioned data". Nothing was done then, and it passes. */
static bool is_starting(const struct err *e)
{
    return vault_api_is_status(e, 400) && strstr(err_text(e), "to versioned data") != NULL;
}

static struct err *ask(struct vault_look *look, const char *kind, struct vault_api_call *call,
                       struct vault_api_answer *ret)
{
    const struct vault_query *q = look->query;
    const char *const wanted[] = {q->mount, kind, q->prefix, q->path};
    const char *parts[PARTS_MAX] = {NULL};
    size_t n = 0;

    for (size_t i = 0; i < ARRAY_LEN(wanted); i++) {
        if (wanted[i] != NULL && (wanted[i][0] != '\0' || i < 2)) {
            parts[n++] = wanted[i];
        }
    }
    look->api.sealed_is_final = true; /* the registry goes on with its copy */
    struct err *e = vault_auth_do(look->auth, &look->api, call, parts, ret);

    return is_starting(e) ? err_recode(e, ERR_GONE) : e;
}

/* A 404 without words: the engine is there, the entry is not. */
static bool is_absent(const struct err *e)
{
    return vault_api_is_status(e, 404) && strstr(err_text(e), "Vault says") == NULL;
}

/* Takes @e; "kv/a/b: ..." */
static struct err *named(struct err *e, const struct vault_query *q)
{
    const char *prefix = q->prefix != NULL ? q->prefix : "";

    return err_add(e, "%s/%s%s%s", q->mount, prefix, prefix[0] != '\0' ? "/" : "", q->path);
}

/* --- reading ------------------------------------------------------------------------------------ */

/* What is stored; all is borrowed from the answer. */
struct entry {
    const char *text, *write; /* NULL where it has none */
    bool deleted;
    uint64_t version;
};

static struct err *read_entry(const json_t *root, struct entry *ret)
{
    const json_t *data = json_object_get(root, "data");
    const json_t *stored = json_object_get(data, "data");
    json_int_t version =
        json_integer_value(json_object_get(json_object_get(data, "metadata"), "version"));

    *ret = (struct entry){
        .text = json_string_value(json_object_get(stored, "text")),
        .write = json_string_value(json_object_get(stored, "write")),
        .deleted = json_is_true(json_object_get(stored, "deleted")),
        .version = version > 0 ? (uint64_t)version : 0,
    };
    if (version <= 0 || (ret->text == NULL && !ret->deleted)) {
        return err_new(ERR_PROTOCOL, "this is not an entry that Holdfast wrote in a KV v2 engine");
    }
    return NULL;
}

/* @ret_there false: there is none. */
static struct err *get(struct vault_look *look, const char *query, struct vault_api_answer *answer,
                       struct entry *ret, bool *ret_there)
{
    struct vault_api_call call = {.method = "GET", .query = query};
    struct err *e = ask(look, "data", &call, answer);

    *ret_there = e == NULL;
    if (is_absent(e)) {
        err_free(&e);
    }
    return *ret_there ? read_entry(answer->root, ret) : e;
}

struct err *vault_serve_kv_get(struct vault_look *look)
{
    AUTO(vault_api_answer_deinit) struct vault_api_answer answer = {0};
    struct buf *reply = look->request->reply;
    struct entry entry = {0};
    bool there = false;
    struct err *e = get(look, NULL, &answer, &entry, &there);

    if (e != NULL) {
        return named(e, look->query);
    }
    there = there && !entry.deleted;
    buf_put_bool(reply, there);
    buf_put_cstr(reply, there ? entry.text : "");
    buf_put_u64(reply, there ? entry.version : 0);
    return named(buf_check(reply, "the entry"), look->query);
}

struct err *vault_serve_kv_list(struct vault_look *look)
{
    AUTO(vault_api_answer_deinit) struct vault_api_answer answer = {0};
    struct vault_api_call call = {.method = "GET", .query = "list=true", .is_long = true};
    struct err *e = ask(look, "metadata", &call, &answer);

    if (is_absent(e)) {
        err_free(&e);
        return NULL;
    }
    if (e != NULL) {
        return named(e, look->query);
    }
    const json_t *data = json_object_get(answer.root, "data");

    return vault_send_names(look->request, json_object_get(data, "keys"));
}

/* --- writing ------------------------------------------------------------------------------------ */

static struct err *make_body(const char *text, const char *write, uint64_t version, json_t **ret)
{
    json_t *data = text != NULL ? json_pack("{s:s, s:s}", "text", text, "write", write)
                                : json_pack("{s:b, s:s}", "deleted", 1, "write", write);

    *ret = data != NULL
               ? json_pack("{s:o, s:{s:I}}", "data", data, "options", "cas", (json_int_t)version)
               : NULL;
    return *ret != NULL ? NULL : err_new(ERR_INPUT, "the text is not UTF-8");
}

static struct err *write_at(struct vault_look *look, const char *write, uint64_t version,
                            unsigned *sends)
{
    AUTO(vault_json_free) json_t *body = NULL;
    AUTO(vault_api_answer_deinit) struct vault_api_answer answer = {0};
    struct err *e = make_body(look->query->text, write, version, &body);

    struct vault_api_call call = {.method = "POST", .body = body, .sends = sends};

    return e != NULL ? e : ask(look, "data", &call, &answer);
}

static bool is_mismatch(const struct err *e)
{
    return vault_api_is_status(e, 400) && strstr(err_text(e), "check-and-set") != NULL;
}

/* Is the version after @version one of ours? @ret_there false: nobody's that can be seen. */
static struct err *look_at_next(struct vault_look *look, const char *write, uint64_t version,
                                bool *ret_ours, bool *ret_there)
{
    AUTO(vault_api_answer_deinit) struct vault_api_answer answer = {0};
    struct entry entry = {0};
    char query[40];

    snprintf(query, sizeof query, "version=%llu", (unsigned long long)version + 1);
    struct err *e = get(look, query, &answer, &entry, ret_there);

    if (err_is(e, ERR_PROTOCOL)) {
        err_free(&e); /* somebody else's */
    }
    *ret_ours = e == NULL && *ret_there && text_eq(entry.write, write);
    return e;
}

/* Did a write of ours go through, though we were told that it cannot? A node on standby answers reads,
 * and may not have heard of it yet. */
static struct err *was_ours(struct vault_look *look, const char *write, uint64_t version, bool *ret)
{
    static const struct timespec pause = {.tv_nsec = LAG_MS * 1000000L};
    bool there = false;
    struct err *e = look_at_next(look, write, version, ret, &there);

    for (unsigned i = 1; e == NULL && !there && i < LAG_TRIES; i++) {
        nanosleep(&pause, NULL);
        e = look_at_next(look, write, version, ret, &there);
    }
    return e;
}

/* Writes at a version; @ret_done false: it is another one by now. */
static struct err *try_at(struct vault_look *look, const char *write, uint64_t version,
                          bool *ret_done)
{
    unsigned sends = 0;
    struct err *e = write_at(look, write, version, &sends);

    *ret_done = e == NULL;
    if (!is_mismatch(e)) {
        return e;
    }
    err_free(&e);
    return sends > 1 ? was_ours(look, write, version, ret_done) : NULL;
}

/* The version of an entry that counts as absent, though KV counts it: one of ours that says
 * "deleted", or one that somebody deleted by other means; 0 for an entry that lives. */
static struct err *find_grave(struct vault_look *look, uint64_t *ret)
{
    AUTO(vault_api_answer_deinit) struct vault_api_answer data = {0}, meta = {0};
    struct entry entry = {0};
    bool there = false;
    struct err *e = get(look, NULL, &data, &entry, &there);

    *ret = entry.deleted ? entry.version : 0;
    if (e != NULL || there) {
        return e;
    }
    e = ask(look, "metadata", &(struct vault_api_call){.method = "GET"}, &meta);
    if (is_absent(e)) {
        err_free(&e);
    }
    json_int_t version =
        json_integer_value(json_object_get(json_object_get(meta.root, "data"), "current_version"));

    *ret = version > 0 ? (uint64_t)version : 0;
    return e;
}

static struct err *cas(struct vault_look *look, const char *write, uint64_t *ret)
{
    uint64_t version = look->query->version;
    bool done = false;
    struct err *e = try_at(look, write, version, &done);

    if (e == NULL && !done && version == 0) {
        e = find_grave(look, &version);
        if (e == NULL && version > 0) {
            e = try_at(look, write, version, &done);
        }
    }
    if (e == NULL && !done) {
        e = err_native(ERR_BUSY, ERR_DOMAIN_NONE, 0, "STALE", "it has changed since version %llu",
                       (unsigned long long)look->query->version);
    }
    if (e == NULL) {
        *ret = look->query->text != NULL ? version + 1 : 0;
    }
    return e;
}

/* Pieces are never written twice, so they can go with all that KV keeps of them; a policy that does
 * not allow it leaves the version that says "deleted", and KV what was before it. */
static struct err *destroy(struct vault_look *look, bool *ret_done)
{
    AUTO(vault_api_answer_deinit) struct vault_api_answer answer = {0};
    struct vault_api_call call = {.method = "DELETE"};
    struct err *e = ask(look, "metadata", &call, &answer);

    *ret_done = e == NULL;
    if (vault_api_is_status(e, 403)) {
        err_free(&e);
    }
    return e;
}

static bool is_part(const char *path)
{
    return strncmp(path, VAULT_KV_PARTS, sizeof VAULT_KV_PARTS - 1) == 0;
}

struct err *vault_serve_kv_cas(struct vault_look *look)
{
    const struct vault_query *q = look->query;
    uint8_t nonce[NONCE_BYTES];
    uint64_t version = 0;
    bool done = false;

    if (q->text == NULL && q->version == 0) {
        return named(err_new(ERR_INPUT, "what is absent cannot be deleted"), q);
    }
    if (getrandom(nonce, sizeof nonce, 0) != (ssize_t)sizeof nonce) {
        return err_new(ERR_BUG, "the kernel gives no random bytes");
    }
    AUTO(auto_free) char *write = text_hex(view_of(nonce, sizeof nonce));
    struct err *e = write != NULL ? NULL : err_nomem();

    if (e == NULL && q->text == NULL && is_part(q->path)) {
        e = destroy(look, &done);
    }
    if (e == NULL && !done) {
        e = cas(look, write, &version);
    }

    if (e == NULL) {
        buf_put_u64(look->request->reply, version);
    }
    return named(e, q);
}
