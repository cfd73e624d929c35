/*
 * Sessions: one per worker, opened at its first use and kept, because opening costs round trips on
 * hardware and keeping costs nothing. A session is used by its own worker only, so none of this
 * needs a lock; the anchor and the read-write session are used under the token's admin lock.
 *
 * A worker keeps its digest contexts beside its session, so that a signature allocates nothing.
 */
#include <openssl/evp.h>

#include "pkcs11/token/priv.h"

static struct err *open_session(const struct token *t, CK_FLAGS more, CK_SESSION_HANDLE *ret)
{
    CK_RV rv = t->f->C_OpenSession(t->info.slot_id, CKF_SERIAL_SESSION | more, NULL, NULL, ret);

    return rv == CKR_OK ? NULL : ckr_err(rv, "C_OpenSession");
}

bool session_is_dead(CK_RV rv)
{
    return rv == CKR_SESSION_HANDLE_INVALID || rv == CKR_SESSION_CLOSED ||
           rv == CKR_DEVICE_REMOVED || rv == CKR_TOKEN_NOT_PRESENT || rv == CKR_OPERATION_ACTIVE;
}

static bool is_alive(const struct token *t, CK_SESSION_HANDLE s)
{
    CK_SESSION_INFO info;

    return t->f->C_GetSessionInfo(s, &info) == CKR_OK;
}

struct err *session_anchor(struct token *t, CK_SESSION_HANDLE *ret)
{
    if (t->anchor_open && !is_alive(t, t->anchor)) {
        t->anchor_open = false;
        atomic_store(&t->logged_in, false);
    }
    if (!t->anchor_open) {
        struct err *e = open_session(t, t->single ? CKF_RW_SESSION : 0, &t->anchor);

        if (e != NULL && err_native_code(e) == CKR_TOKEN_WRITE_PROTECTED) {
            err_free(&e);
            e = open_session(t, 0, &t->anchor);
        }
        if (e != NULL) {
            return e;
        }
        t->anchor_open = true;
    }
    *ret = t->anchor;
    return NULL;
}

static struct err *make_digests(struct worker *w)
{
    for (unsigned i = 0; i < HASHES; i++) {
        if (w->digest[i] == NULL) {
            w->digest[i] = EVP_MD_CTX_new();
        }
        if (w->digest[i] == NULL) {
            return err_nomem();
        }
    }
    return NULL;
}

struct err *session_worker(struct token *t, unsigned worker, CK_SESSION_HANDLE *ret)
{
    if (worker >= WORKERS_MAX) {
        return err_new(ERR_BUG, "worker %u of %d", worker, WORKERS_MAX);
    }
    struct worker *w = &t->workers[worker];

    if (!w->open) {
        struct err *e = make_digests(w);

        if (e == NULL) {
            e = t->single ? session_anchor(t, &w->session) : open_session(t, 0, &w->session);
        }
        if (e != NULL) {
            return e;
        }
        w->open = true;
    }
    *ret = w->session;
    return NULL;
}

void session_forget(struct token *t, unsigned worker)
{
    struct worker *w = &t->workers[worker];

    if (w->open && !t->single) {
        t->f->C_CloseSession(w->session);
    }
    w->open = false;
}

struct err *session_rw(struct token *t, CK_SESSION_HANDLE *ret)
{
    if (t->single) {
        return session_anchor(t, ret);
    }
    if (t->rw_open && !is_alive(t, t->rw)) {
        t->rw_open = false;
    }
    if (!t->rw_open) {
        struct err *e = open_session(t, CKF_RW_SESSION, &t->rw);

        if (e != NULL) {
            return e;
        }
        t->rw_open = true;
    }
    *ret = t->rw;
    return NULL;
}

/* The login would outlive our sessions where libp11 still has one, hence C_Logout. */
void session_close_all(struct token *t)
{
    for (unsigned i = 0; i < WORKERS_MAX; i++) {
        session_forget(t, i);
        for (unsigned k = 0; k < HASHES; k++) {
            EVP_MD_CTX_free(t->workers[i].digest[k]);
        }
    }
    if (t->rw_open) {
        t->f->C_CloseSession(t->rw);
    }
    if (t->anchor_open) {
        if (atomic_load(&t->logged_in)) {
            t->f->C_Logout(t->anchor);
        }
        t->f->C_CloseSession(t->anchor);
    }
}

const EVP_MD *session_hash(unsigned hash)
{
    return hash == 0 ? EVP_sha256() : hash == 1 ? EVP_sha384() : EVP_sha512();
}

size_t session_digest(struct token *t, unsigned worker, unsigned hash, struct view data,
                      uint8_t out[64])
{
    EVP_MD_CTX *ctx = t->workers[worker].digest[hash];
    unsigned len = 0;

    /* From the second time on, NULL keeps the algorithm that was fetched at the first. */
    if (EVP_DigestInit_ex(ctx, EVP_MD_CTX_get0_md(ctx) == NULL ? session_hash(hash) : NULL, NULL) !=
            1 ||
        EVP_DigestUpdate(ctx, data.p, data.len) != 1 || EVP_DigestFinal_ex(ctx, out, &len) != 1) {
        return 0;
    }
    return len;
}
