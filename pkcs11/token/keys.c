/*
 * Finding the keys: every private key object, paired with its public half and proven by one
 * signature.
 *
 * Tokens hold keys that share one CKA_ID, so an id alone pairs nothing. Candidates are the public
 * halves with the same id and type; for RSA the modulus decides; for curves, whose private objects
 * do not show their point, the signature of the proof is checked against each candidate. What was
 * proven before, under the same handle and value, is not proven again, so listing costs no touch.
 *
 * A private key without any public half cannot be named to an SSH client and is left out.
 */
#include <openssl/rand.h>
#include <stdlib.h>

#include "pkcs11/token/priv.h"

/** What one listing works with. */
struct listing {
    struct token *t;
    unsigned worker;
    CK_SESSION_HANDLE s;
    struct halves halves;
    bool certificates_read;
    struct token_key *keys; /* owned */
    size_t n;
};

void token_key_deinit(struct token_key *k)
{
    free(k->label);
    free(k->why_not);
    ssh_key_free(&k->key);
    *k = (struct token_key){0};
}

void token_keys_free(struct token_key **keys, size_t n)
{
    struct token_key *list = take(keys);

    for (size_t i = 0; list != NULL && i < n; i++) {
        token_key_deinit(&list[i]);
    }
    free(list);
}

/* A label is shown to people and compared: without NUL bytes, else unnamed. */
static char *read_label(const struct listing *l, CK_OBJECT_HANDLE o)
{
    AUTO(buf_deinit) struct buf label;

    buf_init(&label, TOKEN_LABEL_MAX_BYTES);
    if (attr_get(l->t, l->s, o, CKA_LABEL, &label) != CKR_OK || view_has_nul(buf_view(&label))) {
        return strdup("");
    }
    return view_dup(buf_view(&label));
}

static struct err *read_facts(const struct listing *l, CK_OBJECT_HANDLE o, struct token_key *k)
{
    bool trusted = l->t->profile.cka_sensitive_reported;
    AUTO(buf_deinit) struct buf id;

    buf_init(&id, TOKEN_ID_MAX_BYTES);
    if (attr_get(l->t, l->s, o, CKA_ID, &id) == CKR_OK && id.len > 0) {
        memcpy(k->id, id.data, id.len);
        k->id_len = id.len;
    }
    k->label = read_label(l, o);
    k->sensitive = trusted && attr_bool(l->t, l->s, o, CKA_SENSITIVE, false);
    k->always_sensitive = trusted && attr_bool(l->t, l->s, o, CKA_ALWAYS_SENSITIVE, false);
    k->extractable = !trusted || attr_bool(l->t, l->s, o, CKA_EXTRACTABLE, true);
    k->never_extractable = trusted && attr_bool(l->t, l->s, o, CKA_NEVER_EXTRACTABLE, false);
    k->local = attr_bool(l->t, l->s, o, CKA_LOCAL, false);
    k->always_authenticate = attr_bool(l->t, l->s, o, CKA_ALWAYS_AUTHENTICATE, false);
    k->can_sign = attr_bool(l->t, l->s, o, CKA_SIGN, true);
    return k->label != NULL ? NULL : err_nomem();
}

/* The types that a private object can be, as far as it shows them. */
static bool read_type(const struct listing *l, CK_OBJECT_HANDLE o, enum ssh_key_type *ret)
{
    AUTO(buf_deinit) struct buf params;
    CK_ULONG type = CKK_VENDOR_DEFINED;

    buf_init(&params, 0);
    if (attr_ulong(l->t, l->s, o, CKA_KEY_TYPE, &type) != CKR_OK) {
        return false;
    }
    if (type == CKK_RSA) {
        *ret = SSH_KEY_RSA;
        return true;
    }
    return (type == CKK_EC || type == CKK_EC_EDWARDS) &&
           attr_get(l->t, l->s, o, CKA_EC_PARAMS, &params) == CKR_OK &&
           point_type(buf_view(&params), ret);
}

static struct err *pick(const struct halves *from, const struct token_key *k,
                        enum ssh_key_type type, const struct ssh_key *own, struct halves *to)
{
    struct view id = view_of(k->id, k->id_len);
    struct err *e = NULL;

    for (size_t i = 0; e == NULL && i < from->n; i++) {
        const struct half *h = &from->at[i];

        if (ssh_key_type(h->key) == type && view_eq(view_of(h->id, h->id_len), id) &&
            (own == NULL || ssh_key_eq(own, h->key))) {
            struct ssh_key *copy = ssh_key_copy(h->key);

            e = copy != NULL ? halves_add(to, id, copy, h->handle) : err_nomem();
        }
    }
    return e;
}

/* The public halves that this private key may belong to. */
static struct err *candidates(struct listing *l, CK_OBJECT_HANDLE o, const struct token_key *k,
                              enum ssh_key_type type, struct halves *ret)
{
    AUTO(ssh_key_free) struct ssh_key *own =
        type == SSH_KEY_RSA ? half_from_rsa(l->t, l->s, o) : NULL;
    struct err *e = pick(&l->halves, k, type, own, ret);

    if (e == NULL && ret->n == 0 && !l->certificates_read) {
        l->certificates_read = true;
        e = halves_from_certificates(l->t, &l->halves);
        if (e == NULL) {
            e = pick(&l->halves, k, type, own, ret);
        }
    }
    if (e == NULL && ret->n == 0 && own != NULL) {
        e = halves_add(ret, view_of(k->id, k->id_len), take(&own), CK_INVALID_HANDLE);
    }
    return e;
}

static bool verifies(const struct ssh_key *key, enum ssh_alg alg, struct view raw, struct view data)
{
    AUTO(buf_deinit) struct buf blob;

    buf_init(&blob, 0);
    AUTO(err_free) struct err *e = ssh_sig_put(&blob, key, alg, raw);

    if (e == NULL) {
        e = ssh_sig_verify(key, buf_view(&blob), data, NULL);
    }
    return e == NULL;
}

/* Errors that say something of the token, not of this one key. */
static bool ends_listing(const struct err *e)
{
    return err_is(e, ERR_GONE) || err_is(e, ERR_NOMEM);
}

/* One signature; @ret is the candidate that verifies it, NULL with a reason in @k otherwise. */
static struct err *prove(struct listing *l, const struct signer *signer, const struct halves *among,
                         struct token_key *k, const struct ssh_key **ret)
{
    uint8_t data[64] = "holdfast: does the private half belong to the public one";
    uint8_t raw[RAW_MAX_BYTES];
    size_t len = 0;
    enum ssh_alg alg = ssh_alg_default(signer->type);
    enum scheme scheme;

    if (!ssh_alg_scheme(alg, &scheme) || signer->plans[scheme].mechanism == NO_MECHANISM) {
        alg = SSH_ALG_RSA_SHA256;
        scheme = SCHEME_RS256;
    }
    RAND_bytes(data + 56, 8);
    struct err *e =
        sign_with(l->t, l->worker, signer, scheme, view_of(data, sizeof data), raw, &len);

    if (e != NULL && ends_listing(e)) {
        return e;
    }
    for (size_t i = 0; e == NULL && *ret == NULL && i < among->n; i++) {
        if (verifies(among->at[i].key, alg, view_of(raw, len), view_of(data, sizeof data))) {
            *ret = among->at[i].key;
        }
    }
    if (*ret == NULL) {
        k->why_not = e != NULL ? text_fmt("it cannot sign: %s", err_text(e))
                               : strdup("its signatures do not fit its public half");
    }
    err_free(&e);
    return *ret != NULL || k->why_not != NULL ? NULL : err_nomem();
}

static const char *unusable(const struct token_key *k, const char *no_mechanism)
{
    return !k->can_sign             ? "CKA_SIGN is false: it is not for signing"
           : k->always_authenticate ? "needs the PIN for every signature: not supported yet"
                                    : no_mechanism;
}

/* Decides which candidate is the public half, and whether the key can be used. */
static struct err *settle(struct listing *l, CK_OBJECT_HANDLE o, const struct halves *among,
                          struct token_key *k)
{
    const struct entry *known = table_find(l->t, o, among);
    const struct ssh_key *half = among->at[0].key;
    const char *no_mechanism = NULL;
    struct signer signer;
    struct err *e = NULL;

    mechanism_plan(l->t, half, o, &signer, &no_mechanism);
    const char *why = unusable(k, no_mechanism);

    if (why != NULL) {
        k->why_not = strdup(why);
        e = k->why_not != NULL ? NULL : err_nomem();
    } else if (known != NULL && known->proven) {
        half = known->key;
        k->proven = true;
    } else {
        const struct ssh_key *proven = NULL;

        e = prove(l, &signer, among, k, &proven);
        k->proven = proven != NULL;
        half = proven != NULL ? proven : half;
    }
    if (e == NULL) {
        k->key = ssh_key_copy(half);
        e = k->key != NULL
                ? table_put(l->t, &signer, half, k->proven, k->why_not == NULL, &k->number)
                : err_nomem();
    }
    return e;
}

static struct err *add_key(struct listing *l, CK_OBJECT_HANDLE o)
{
    struct token_key *k = &l->keys[l->n];
    struct halves among = {0};
    enum ssh_key_type type;

    if (!read_type(l, o, &type)) {
        return NULL;
    }
    struct err *e = read_facts(l, o, k);

    if (e == NULL) {
        e = candidates(l, o, k, type, &among);
    }
    if (e == NULL && among.n > 0) {
        e = settle(l, o, &among, k);
    }
    if (e == NULL && among.n > 0) {
        l->n++;
    } else {
        e = err_add(e, "key '%s'", k->label != NULL ? k->label : "");
        token_key_deinit(k);
    }
    halves_deinit(&among);
    return e;
}

static struct err *list_all(struct listing *l)
{
    struct handles private = {0};
    struct err *e = session_worker(l->t, l->worker, &l->s);

    if (e == NULL) {
        e = find_class(l->t, l->s, CKO_PRIVATE_KEY, &private);
    }
    if (e == NULL) {
        e = halves_from_objects(l->t, l->s, &l->halves);
    }
    l->keys = calloc(private.n + 1, sizeof *l->keys);
    if (e == NULL && l->keys == NULL) {
        e = err_nomem();
    }
    table_begin(l->t);
    for (size_t i = 0; e == NULL && i < private.n; i++) {
        e = add_key(l, private.at[i]);
    }
    if (e == NULL) {
        table_end(l->t);
    }
    handles_deinit(&private);
    halves_deinit(&l->halves);
    return e;
}

struct err *keys_list(struct token *t, unsigned worker, struct token_key **ret, size_t *ret_n)
{
    struct listing l = {.t = t, .worker = worker};
    struct err *e = list_all(&l);

    if (e != NULL && session_is_dead(err_native_code(e)) && l.n == 0) {
        /* A session that died since its last use is opened anew, once. */
        err_free(&e);
        token_keys_free(&l.keys, l.n);
        session_forget(t, worker);
        l = (struct listing){.t = t, .worker = worker};
        e = list_all(&l);
    }
    if (e != NULL) {
        token_keys_free(&l.keys, l.n);
        return err_add(e, "keys of token '%s'", t->info.label);
    }
    *ret = l.keys;
    *ret_n = l.n;
    return NULL;
}

struct err *token_keys(struct token *t, unsigned worker, struct token_key **ret, size_t *ret_n)
{
    pthread_mutex_lock(&t->admin);
    struct err *e = keys_list(t, worker, ret, ret_n);

    pthread_mutex_unlock(&t->admin);
    return e;
}

struct err *keys_handle(struct token *t, uint32_t number, CK_OBJECT_HANDLE *ret)
{
    struct signer signer;
    bool usable = false;

    if (!table_get(t, number, &signer, &usable)) {
        return err_new(ERR_NOT_FOUND, "token '%s' has no key number %u", t->info.label, number);
    }
    *ret = signer.handle;
    return NULL;
}
