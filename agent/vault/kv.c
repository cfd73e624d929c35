/*
 * The agent's side of texts in a KV engine: a place in a server, and calls that find the server anew
 * each time, because it may be replaced, removed and put again while the place stays.
 */
#include <stdlib.h>

#include "vault/kv_impl.h"

struct err *vault_kv_new(struct vault *v, const char *server, const char *mount, const char *prefix,
                         struct vault_kv **ret)
{
    AUTO(vault_kv_free) struct vault_kv *kv = calloc(1, sizeof *kv);

    if (kv == NULL) {
        return err_nomem();
    }
    *kv = (struct vault_kv){.vault = v,
                            .server = text_copy(server),
                            .mount = text_copy(mount),
                            .prefix = text_copy(prefix != NULL ? prefix : "")};
    LIST_INIT(&kv->ops);
    LIST_INIT(&kv->parts);
    if (kv->server == NULL || kv->mount == NULL || kv->prefix == NULL) {
        return err_nomem();
    }
    *ret = take(&kv);
    return NULL;
}

void vault_kv_free(struct vault_kv **kvp)
{
    struct vault_kv *kv = take(kvp);
    struct vault_pending *p = NULL;

    if (kv == NULL) {
        return;
    }
    do { /* each round anew: ending one may end others */
        LIST_FOREACH(p, &kv->vault->pending, link)
        {
            if (p->owner == kv) {
                vault_pending_end(p, NULL);
                break;
            }
        }
    } while (p != NULL);
    vault_kv_parts_end(kv);
    free(kv->server);
    free(kv->mount);
    free(kv->prefix);
    free(kv);
}

/* NULL: @ret_e says why not. */
static struct vault_pending *begin(struct vault_kv *kv, const char *path, void *arg,
                                   struct vault_query *q, struct err **ret_e)
{
    struct vault_client_server *s = vault_find(kv->vault, kv->server);
    struct vault_pending *p = s != NULL ? vault_pending_new(kv->vault, s) : NULL;

    *q = (struct vault_query){.deadline = mono_in(VAULT_KV_CALL_MS),
                              .mount = kv->mount,
                              .prefix = kv->prefix,
                              .path = path};
    if (p == NULL) {
        *ret_e = s != NULL ? err_nomem()
                           : err_new(ERR_NOT_FOUND, "there is no Vault server \"%s\"", kv->server);
        return NULL;
    }
    p->owner = kv;
    p->arg = arg;
    return p;
}

/* --- get ---------------------------------------------------------------------------------------- */

static void on_got(struct vault_pending *p, struct err *e, struct rd *reply)
{
    AUTO(auto_free) char *text = NULL;
    uint64_t version = 0;

    if (e == NULL) {
        bool there = rd_bool(reply);

        text = vault_get_text(reply);
        version = rd_u64(reply);
        e = rd_end(reply, "entry from holdfast-vault");
        if (!there) {
            auto_free(&text);
            version = 0;
        }
    }
    p->on.got(p->arg, e, e == NULL ? text : NULL, e == NULL ? version : 0);
}

void vault_kv_one_get(struct vault_kv *kv, const char *path, vault_kv_got_fn *on_done, void *arg)
{
    struct vault_query q;
    struct err *e = NULL;
    struct vault_pending *p = begin(kv, path, arg, &q, &e);

    if (p == NULL) {
        on_done(arg, e, NULL, 0);
        return;
    }
    p->finish = on_got;
    p->on.got = on_done;
    vault_send_query(p, VAULT_OP_KV_GET, &q);
}

/* --- cas ---------------------------------------------------------------------------------------- */

static void on_written(struct vault_pending *p, struct err *e, struct rd *reply)
{
    uint64_t version = 0;

    if (e == NULL) {
        version = rd_u64(reply);
        e = rd_end(reply, "version from holdfast-vault");
    }
    p->on.written(p->arg, e, e == NULL ? version : 0);
}

void vault_kv_one_cas(struct vault_kv *kv, const char *path, const char *text, uint64_t version,
                      vault_kv_written_fn *on_done, void *arg)
{
    struct vault_query q;
    struct err *e = NULL;
    struct vault_pending *p = begin(kv, path, arg, &q, &e);

    if (p == NULL) {
        on_done(arg, e, 0);
        return;
    }
    q.text = text;
    q.version = version;
    p->finish = on_written;
    p->on.written = on_done;
    vault_send_query(p, VAULT_OP_KV_CAS, &q);
}

/* --- list --------------------------------------------------------------------------------------- */

static void on_listed(struct vault_pending *p, struct err *e, struct rd *reply)
{
    static char *const none[] = {NULL};

    (void)reply;
    p->on.names(p->arg, e, p->names != NULL ? p->names : none);
}

void vault_kv_list(void *kv, const char *path,
                   void (*on_done)(void *arg, struct err *e, char *const *names), void *arg)
{
    static char *const none[] = {NULL};
    struct vault_query q;
    struct err *e = NULL;
    struct vault_pending *p = begin(kv, path, arg, &q, &e);

    if (p == NULL) {
        on_done(arg, e, none);
        return;
    }
    p->finish = on_listed;
    p->event = vault_pending_names;
    p->on.names = on_done;
    vault_send_query(p, VAULT_OP_KV_LIST, &q);
}
