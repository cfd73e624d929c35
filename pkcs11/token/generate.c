/*
 * Generating a key pair, so that its private half never existed elsewhere.
 *
 * Asking is not enough: tokens ignore parts of a template. So the attributes are read back and the
 * key is listed and proven like any other; one that is not what was asked for is removed again,
 * because a key that can be read out must not look like one that cannot.
 */
#include <openssl/rand.h>
#include <stdlib.h>

#include "pkcs11/token/priv.h"

enum { MADE_ID_BYTES = 8, TEMPLATE_MAX = 16 };

/** A template while it is built: attributes point into the caller's variables. */
struct templ {
    CK_ATTRIBUTE at[TEMPLATE_MAX];
    CK_ULONG n;
};

static void add(struct templ *t, CK_ATTRIBUTE_TYPE type, const void *value, size_t len)
{
    t->at[t->n++] = (CK_ATTRIBUTE){type, (void *)(uintptr_t)value, len};
}

static const CK_BBOOL yes = CK_TRUE;
static const CK_BBOOL no = CK_FALSE;

static bool is_taken(const struct token *t, CK_SESSION_HANDLE s, CK_OBJECT_CLASS class,
                     CK_ATTRIBUTE_TYPE type, struct view value, struct err **e)
{
    struct templ templ = {.n = 0};
    struct handles found = {0};

    if (*e != NULL || value.len == 0) {
        return false;
    }
    add(&templ, CKA_CLASS, &class, sizeof class);
    add(&templ, CKA_TOKEN, &yes, sizeof yes);
    add(&templ, type, value.p, value.len);
    *e = find_objects(t, s, templ.at, templ.n, &found);
    bool taken = *e == NULL && found.n > 0;

    handles_deinit(&found);
    return taken;
}

static struct err *check_free(const struct token *t, CK_SESSION_HANDLE s, struct view id,
                              struct view label)
{
    static const CK_OBJECT_CLASS classes[] = {CKO_PRIVATE_KEY, CKO_PUBLIC_KEY};
    struct err *e = NULL;

    for (size_t i = 0; e == NULL && i < ARRAY_LEN(classes); i++) {
        if (is_taken(t, s, classes[i], CKA_ID, id, &e)) {
            return err_new(ERR_EXISTS, "the token already has a key with this id");
        }
        if (is_taken(t, s, classes[i], CKA_LABEL, label, &e)) {
            return err_new(ERR_EXISTS, "the token already has a key with this label");
        }
    }
    return e;
}

static CK_MECHANISM_TYPE generator(enum ssh_key_type type)
{
    return type == SSH_KEY_RSA       ? CKM_RSA_PKCS_KEY_PAIR_GEN
           : type == SSH_KEY_ED25519 ? CKM_EC_EDWARDS_KEY_PAIR_GEN
                                     : CKM_EC_KEY_PAIR_GEN;
}

static struct err *check_possible(const struct token *t, const struct token_key_spec *spec)
{
    const char *name = ckm_name(generator(spec->type));

    if (!t->profile.generate) {
        return err_new(ERR_UNSUPPORTED, "the token's profile says that it cannot generate keys");
    }
    if (spec->type == SSH_KEY_ED25519 && !t->profile.ed25519) {
        return err_new(ERR_UNSUPPORTED, "the token's profile says that it cannot use Ed25519");
    }
    if (!mechanism_has(t, generator(spec->type))) {
        return err_new(ERR_UNSUPPORTED, "the token has no %s", name != NULL ? name : "generator");
    }
    if (spec->type == SSH_KEY_RSA && spec->bits != 2048 && spec->bits != 3072 &&
        spec->bits != 4096) {
        return err_new(ERR_INPUT, "RSA keys have 2048, 3072 or 4096 bits, not %u", spec->bits);
    }
    if (spec->id.len > TOKEN_ID_MAX_BYTES ||
        (spec->label != NULL && strlen(spec->label) > TOKEN_LABEL_MAX_BYTES)) {
        return err_new(ERR_LIMIT, "a key's id has up to %d bytes, its label up to %d",
                       TOKEN_ID_MAX_BYTES, TOKEN_LABEL_MAX_BYTES);
    }
    return NULL;
}

/** The two objects of a new pair. */
struct pair {
    CK_OBJECT_HANDLE public, private;
};

static struct err *make(const struct token *t, CK_SESSION_HANDLE s,
                        const struct token_key_spec *spec, struct view id, struct pair *ret)
{
    static const CK_BYTE f4[] = {1, 0, 1};
    bool rsa = spec->type == SSH_KEY_RSA;
    CK_MECHANISM mechanism = {generator(spec->type), NULL, 0};
    CK_KEY_TYPE type = rsa ? CKK_RSA : spec->type == SSH_KEY_ED25519 ? CKK_EC_EDWARDS : CKK_EC;
    CK_ULONG bits = spec->bits;
    struct view params = point_params(spec->type, t->profile.ed25519_params);
    struct view label = view_cstr(spec->label);
    struct templ public = {.n = 0};
    struct templ private = {.n = 0};

    add(&public, CKA_KEY_TYPE, &type, sizeof type);
    add(&public, CKA_TOKEN, &yes, sizeof yes);
    add(&public, CKA_PRIVATE, &no, sizeof no);
    add(&public, CKA_VERIFY, &yes, sizeof yes);
    add(&public, CKA_ID, id.p, id.len);
    add(&public, CKA_LABEL, label.p, label.len);
    if (rsa) {
        add(&public, CKA_MODULUS_BITS, &bits, sizeof bits);
        add(&public, CKA_PUBLIC_EXPONENT, f4, sizeof f4);
    } else {
        add(&public, CKA_EC_PARAMS, params.p, params.len);
    }
    add(&private, CKA_KEY_TYPE, &type, sizeof type);
    add(&private, CKA_TOKEN, &yes, sizeof yes);
    add(&private, CKA_PRIVATE, &yes, sizeof yes);
    add(&private, CKA_SENSITIVE, &yes, sizeof yes);
    add(&private, CKA_EXTRACTABLE, &no, sizeof no);
    add(&private, CKA_SIGN, &yes, sizeof yes);
    add(&private, CKA_ID, id.p, id.len);
    add(&private, CKA_LABEL, label.p, label.len);
    if (t->profile.sign_only) {
        add(&private, rsa ? CKA_DECRYPT : CKA_DERIVE, &no, sizeof no);
    }
    if (t->profile.sign_only && rsa) {
        add(&private, CKA_UNWRAP, &no, sizeof no);
    }
    CK_RV rv = t->f->C_GenerateKeyPair(s, &mechanism, public.at, public.n, private.at, private.n,
                                       &ret->public, &ret->private);

    return rv == CKR_OK ? NULL : ckr_err(rv, "C_GenerateKeyPair");
}

static struct err *check_made(const struct token *t, CK_SESSION_HANDLE s, CK_OBJECT_HANDLE o)
{
    if (!attr_bool(t, s, o, CKA_TOKEN, false)) {
        return err_new(ERR_UNSUPPORTED, "the token made a key that does not stay on it");
    }
    if (!t->profile.cka_sensitive_reported) {
        return NULL;
    }
    if (!attr_bool(t, s, o, CKA_SENSITIVE, false) || attr_bool(t, s, o, CKA_EXTRACTABLE, true) ||
        !attr_bool(t, s, o, CKA_PRIVATE, false)) {
        return err_new(ERR_UNSUPPORTED, "the token made a key that can be read out, though it was "
                                        "asked for one that cannot");
    }
    return NULL;
}

/* Lists the new key like any other, which proves it, and moves it to @ret. */
static struct err *take_made(struct token *t, unsigned worker, CK_OBJECT_HANDLE private,
                             struct token_key *ret)
{
    struct token_key *keys = NULL;
    size_t n = 0;
    struct err *e = keys_list(t, worker, &keys, &n);

    if (e != NULL) {
        return e;
    }
    e = err_new(ERR_UNSUPPORTED, "the token does not list the key it made");
    for (size_t i = 0; i < n; i++) {
        CK_OBJECT_HANDLE handle = CK_INVALID_HANDLE;

        err_free(&(struct err *){keys_handle(t, keys[i].number, &handle)});
        if (handle != private) {
            continue;
        }
        err_free(&e);
        if (keys[i].why_not != NULL) {
            e = err_new(ERR_UNSUPPORTED, "the new key cannot be used: %s", keys[i].why_not);
        } else {
            *ret = keys[i];
            keys[i] = (struct token_key){0};
        }
        break;
    }
    token_keys_free(&keys, n);
    return e;
}

static struct err *generate(struct token *t, unsigned worker, const struct token_key_spec *spec,
                            struct token_key *ret)
{
    uint8_t made[MADE_ID_BYTES];
    struct view id = spec->id;
    struct pair pair = {0};
    CK_SESSION_HANDLE s;
    struct err *e = session_rw(t, &s);

    if (id.len == 0) {
        if (RAND_bytes(made, sizeof made) != 1) {
            err_free(&e);
            return err_openssl(ERR_BUG, "random id");
        }
        id = view_of(made, sizeof made);
    }
    if (e == NULL) {
        e = check_free(t, s, id, view_cstr(spec->label));
    }
    if (e == NULL) {
        e = make(t, s, spec, id, &pair);
    }
    if (e != NULL) {
        return e;
    }
    e = check_made(t, s, pair.private);
    if (e == NULL) {
        e = take_made(t, worker, pair.private, ret);
    }
    if (e != NULL) {
        t->f->C_DestroyObject(s, pair.private);
        t->f->C_DestroyObject(s, pair.public);
    }
    return e;
}

struct err *token_generate(struct token *t, unsigned worker, const struct token_key_spec *spec,
                           struct token_key *ret)
{
    struct err *e = check_possible(t, spec);

    if (e == NULL) {
        pthread_mutex_lock(&t->admin);
        e = generate(t, worker, spec, ret);
        pthread_mutex_unlock(&t->admin);
    }
    return err_add(e, "generate a %s key on token '%s'", ssh_key_type_word(spec->type),
                   t->info.label);
}
