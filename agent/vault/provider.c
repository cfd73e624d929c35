/*
 * A key on a token as an OpenSSL key: libssl and X.509 code handle it like any other, and where a
 * signature is due it is asked for at the agent. This file is the provider and its keys;
 * provider_sign.c turns what libssl wants signed into a question, and the answer into what libssl
 * expects.
 *
 * There is no private half in this process, and nothing here may pretend otherwise: a key "has" one,
 * or libssl would not use it, but export refuses whatever selection includes it.
 *
 * The provider lives in a library context of its own, with OpenSSL's default provider loaded first,
 * so that nothing but a key that we made ever comes here. The public half is an ordinary key of the
 * default provider, and does all arithmetic and comparing. Names are whole, with their OIDs: libssl
 * looks for a certificate's key type by either.
 *
 * A key belongs to one thread: it is made for one connection, and asks by the asker of the worker
 * whose connection that is. So no global says whose deadline or whose socket counts.
 *
 * Spec: OpenSSL 3.0, provider-keymgmt(7), provider-signature(7)
 */
#include <openssl/core_names.h>
#include <openssl/pem.h>
#include <openssl/provider.h>
#include <stdlib.h>

#include "vault/provider_impl.h"

#define PARAM_NAME "holdfast-name"
#define PARAM_SIGNATURES "holdfast-signatures"

/* What the PARAM_NAME of a new key points to. */
struct birth {
    const char *server, *key;
    struct vault_asker *asker;
};

static OSSL_LIB_CTX *own_context; /* written once, by vault_provider_init() */

/* --- keys: made, compared, shown ---------------------------------------------------------------- */

static void *key_new(const char *type)
{
    struct vault_provider_key *k = calloc(1, sizeof *k);

    if (k != NULL) {
        k->type = type;
    }
    return k;
}

static void *key_new_ec(void *provider)
{
    (void)provider;
    return key_new("EC");
}

static void *key_new_rsa(void *provider)
{
    (void)provider;
    return key_new("RSA");
}

static void *key_new_ed25519(void *provider)
{
    (void)provider;
    return key_new("ED25519");
}

static void key_free(void *p)
{
    struct vault_provider_key *k = p;

    if (k != NULL) {
        EVP_PKEY_free(k->public_half);
        free(k->server);
        free(k->key);
        free(k);
    }
}

static int key_has(const void *p, int selection)
{
    const struct vault_provider_key *k = p;
    bool wants_private = (selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY) != 0;

    return k->public_half != NULL && (!wants_private || k->asker != NULL);
}

static int key_match(const void *a, const void *b, int selection)
{
    const struct vault_provider_key *x = a, *y = b;

    (void)selection;
    return x->public_half != NULL && y->public_half != NULL &&
           EVP_PKEY_eq(x->public_half, y->public_half) == 1;
}

static bool take_birth(struct vault_provider_key *k, const OSSL_PARAM *p)
{
    const void *at = NULL;
    size_t len = 0;

    if (p == NULL) {
        return true; /* a public key, for comparing */
    }
    if (OSSL_PARAM_get_octet_ptr(p, &at, &len) != 1 || len != sizeof(struct birth)) {
        return false;
    }
    const struct birth *birth = at;

    k->server = text_copy(birth->server);
    k->key = text_copy(birth->key);
    k->asker = birth->asker;
    return k->server != NULL && k->key != NULL;
}

static int key_import(void *p, int selection, const OSSL_PARAM params[])
{
    struct vault_provider_key *k = p;
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, k->type, NULL);
    bool good =
        ctx != NULL && k->public_half == NULL && EVP_PKEY_fromdata_init(ctx) == 1 &&
        EVP_PKEY_fromdata(ctx, &k->public_half, EVP_PKEY_PUBLIC_KEY, (OSSL_PARAM *)params) == 1 &&
        take_birth(k, OSSL_PARAM_locate_const(params, PARAM_NAME));

    (void)selection;
    EVP_PKEY_CTX_free(ctx);
    return good;
}

static int key_export(void *p, int selection, OSSL_CALLBACK *on_params, void *arg)
{
    struct vault_provider_key *k = p;
    OSSL_PARAM *params = NULL;

    if ((selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY) != 0 || k->public_half == NULL) {
        return 0;
    }
    bool good = EVP_PKEY_todata(k->public_half, EVP_PKEY_PUBLIC_KEY, &params) == 1 &&
                on_params(params, arg) == 1;

    OSSL_PARAM_free(params);
    return good;
}

static const OSSL_PARAM *key_ec_types(int selection)
{
    static const OSSL_PARAM types[] = {
        OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, NULL, 0),
        OSSL_PARAM_octet_string(OSSL_PKEY_PARAM_PUB_KEY, NULL, 0),
        OSSL_PARAM_octet_ptr(PARAM_NAME, NULL, 0),
        OSSL_PARAM_END,
    };

    (void)selection;
    return types;
}

static const OSSL_PARAM *key_rsa_types(int selection)
{
    static const OSSL_PARAM types[] = {
        OSSL_PARAM_BN(OSSL_PKEY_PARAM_RSA_N, NULL, 0),
        OSSL_PARAM_BN(OSSL_PKEY_PARAM_RSA_E, NULL, 0),
        OSSL_PARAM_octet_ptr(PARAM_NAME, NULL, 0),
        OSSL_PARAM_END,
    };

    (void)selection;
    return types;
}

static const OSSL_PARAM *key_ed25519_types(int selection)
{
    static const OSSL_PARAM types[] = {
        OSSL_PARAM_octet_string(OSSL_PKEY_PARAM_PUB_KEY, NULL, 0),
        OSSL_PARAM_octet_ptr(PARAM_NAME, NULL, 0),
        OSSL_PARAM_END,
    };

    (void)selection;
    return types;
}

static int key_get_params(void *p, OSSL_PARAM params[])
{
    struct vault_provider_key *k = p;
    OSSL_PARAM *signatures = OSSL_PARAM_locate(params, PARAM_SIGNATURES);

    if (signatures != NULL) {
        return OSSL_PARAM_set_size_t(signatures, k->signatures);
    }
    return k->public_half != NULL && EVP_PKEY_get_params(k->public_half, params) == 1;
}

static const OSSL_PARAM *key_gettable(void *provider)
{
    static const OSSL_PARAM gettable[] = {
        OSSL_PARAM_int(OSSL_PKEY_PARAM_BITS, NULL),
        OSSL_PARAM_int(OSSL_PKEY_PARAM_SECURITY_BITS, NULL),
        OSSL_PARAM_int(OSSL_PKEY_PARAM_MAX_SIZE, NULL),
        OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, NULL, 0),
        OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_DEFAULT_DIGEST, NULL, 0),
        OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_MANDATORY_DIGEST, NULL, 0),
        OSSL_PARAM_size_t(PARAM_SIGNATURES, NULL),
        OSSL_PARAM_END,
    };

    (void)provider;
    return gettable;
}

static const char *key_ec_operation(int operation)
{
    return operation == OSSL_OP_SIGNATURE ? "ECDSA" : NULL;
}

/* --- the provider -------------------------------------------------------------------------------- */

#define KEY_FUNCTIONS(new_fn, types_fn)                                                            \
    VAULT_PROVIDER_FN(OSSL_FUNC_KEYMGMT_NEW, new_fn),                                              \
        VAULT_PROVIDER_FN(OSSL_FUNC_KEYMGMT_FREE, key_free),                                       \
        VAULT_PROVIDER_FN(OSSL_FUNC_KEYMGMT_HAS, key_has),                                         \
        VAULT_PROVIDER_FN(OSSL_FUNC_KEYMGMT_MATCH, key_match),                                     \
        VAULT_PROVIDER_FN(OSSL_FUNC_KEYMGMT_IMPORT, key_import),                                   \
        VAULT_PROVIDER_FN(OSSL_FUNC_KEYMGMT_IMPORT_TYPES, types_fn),                               \
        VAULT_PROVIDER_FN(OSSL_FUNC_KEYMGMT_EXPORT, key_export),                                   \
        VAULT_PROVIDER_FN(OSSL_FUNC_KEYMGMT_EXPORT_TYPES, types_fn),                               \
        VAULT_PROVIDER_FN(OSSL_FUNC_KEYMGMT_GET_PARAMS, key_get_params),                           \
        VAULT_PROVIDER_FN(OSSL_FUNC_KEYMGMT_GETTABLE_PARAMS, key_gettable)

static const OSSL_DISPATCH ec_keys[] = {
    KEY_FUNCTIONS(key_new_ec, key_ec_types),
    VAULT_PROVIDER_FN(OSSL_FUNC_KEYMGMT_QUERY_OPERATION_NAME, key_ec_operation),
    {0, NULL},
};
static const OSSL_DISPATCH rsa_keys[] = {KEY_FUNCTIONS(key_new_rsa, key_rsa_types), {0, NULL}};
static const OSSL_DISPATCH ed25519_keys[] = {KEY_FUNCTIONS(key_new_ed25519, key_ed25519_types),
                                             {0, NULL}};

#define PROPERTIES "provider=holdfast"
#define RSA_NAMES "RSA:rsaEncryption:1.2.840.113549.1.1.1"
#define ED25519_NAMES "ED25519:1.3.101.112"

static const OSSL_ALGORITHM *query(void *provider, int operation, int *no_cache)
{
    static const OSSL_ALGORITHM keys[] = {
        {"EC:id-ecPublicKey:1.2.840.10045.2.1", PROPERTIES, ec_keys, NULL},
        {RSA_NAMES, PROPERTIES, rsa_keys, NULL},
        {ED25519_NAMES, PROPERTIES, ed25519_keys, NULL},
        {NULL, NULL, NULL, NULL},
    };
    static const OSSL_ALGORITHM signatures[] = {
        {"ECDSA", PROPERTIES, vault_provider_signature, NULL},
        {RSA_NAMES, PROPERTIES, vault_provider_signature, NULL},
        {ED25519_NAMES, PROPERTIES, vault_provider_signature, NULL},
        {NULL, NULL, NULL, NULL},
    };

    (void)provider;
    *no_cache = 0;
    return operation == OSSL_OP_KEYMGMT ? keys : operation == OSSL_OP_SIGNATURE ? signatures : NULL;
}

static int start(const OSSL_CORE_HANDLE *core, const OSSL_DISPATCH *in, const OSSL_DISPATCH **ret,
                 void **ret_provider)
{
    static const OSSL_DISPATCH functions[] = {
        VAULT_PROVIDER_FN(OSSL_FUNC_PROVIDER_QUERY_OPERATION, query),
        {0, NULL},
    };

    (void)in;
    *ret = functions;
    *ret_provider = (void *)core; /* not NULL, and never looked at */
    return 1;
}

struct err *vault_provider_init(void)
{
    if (own_context != NULL) {
        return NULL;
    }
    OSSL_LIB_CTX *ctx = OSSL_LIB_CTX_new();

    if (ctx == NULL || OSSL_PROVIDER_load(ctx, "default") == NULL ||
        OSSL_PROVIDER_add_builtin(ctx, "holdfast", start) != 1 ||
        OSSL_PROVIDER_load(ctx, "holdfast") == NULL) {
        OSSL_LIB_CTX_free(ctx);
        return err_openssl(ERR_BUG, "OpenSSL does not take our provider");
    }
    own_context = ctx;
    return NULL;
}

/* --- keys, as others see them -------------------------------------------------------------------- */

bool vault_provider_scheme(const EVP_PKEY *key, enum scheme *ret)
{
    return vault_provider_scheme_of(key, 0, false, ret);
}

struct err *vault_provider_public(const char *pem, EVP_PKEY **ret)
{
    BIO *bio = BIO_new_mem_buf(pem, -1);
    EVP_PKEY *key = bio != NULL ? PEM_read_bio_PUBKEY(bio, NULL, NULL, NULL) : NULL;
    enum scheme scheme;

    BIO_free(bio);
    if (key == NULL) {
        return err_openssl(ERR_INPUT, "this is no public key in PEM");
    }
    if (!vault_provider_scheme(key, &scheme)) {
        EVP_PKEY_free(key);
        return err_new(ERR_UNSUPPORTED, "a key to log in with must be EC on P-256, P-384 or P-521, "
                                        "RSA, or Ed25519");
    }
    *ret = key;
    return NULL;
}

struct err *vault_provider_key(EVP_PKEY *public_half, const char *server, const char *key,
                               struct vault_asker *asker, EVP_PKEY **ret)
{
    struct birth birth = {server, key, asker};
    void *at = &birth;
    OSSL_PARAM ours[] = {OSSL_PARAM_construct_octet_ptr(PARAM_NAME, &at, sizeof birth),
                         OSSL_PARAM_construct_end()};
    OSSL_PARAM *theirs = NULL, *all = NULL;
    EVP_PKEY_CTX *ctx = NULL;
    EVP_PKEY *made = NULL;

    if (EVP_PKEY_todata(public_half, EVP_PKEY_PUBLIC_KEY, &theirs) == 1 &&
        (all = OSSL_PARAM_merge(theirs, ours)) != NULL) {
        ctx = EVP_PKEY_CTX_new_from_name(own_context, EVP_PKEY_get0_type_name(public_half),
                                         PROPERTIES);
    }
    if (ctx != NULL && EVP_PKEY_fromdata_init(ctx) == 1) {
        EVP_PKEY_fromdata(ctx, &made, EVP_PKEY_KEYPAIR, all);
    }
    OSSL_PARAM_free(all);
    OSSL_PARAM_free(theirs);
    EVP_PKEY_CTX_free(ctx);
    if (made == NULL) {
        return err_openssl(ERR_BUG, "OpenSSL does not take the key %s", key);
    }
    *ret = made;
    return NULL;
}

bool vault_provider_signed(const EVP_PKEY *key)
{
    size_t signatures = 0;

    return key != NULL && EVP_PKEY_get_size_t_param(key, PARAM_SIGNATURES, &signatures) == 1 &&
           signatures > 0;
}

void vault_asker_deinit(struct vault_asker *a)
{
    err_free(&a->refusal);
}
