/*
 * Public halves out of X.509 certificates, for tokens (PIV cards) that keep no public key objects.
 *
 * This is libp11's part. Its slot list is taken once per opened token and kept until the module is
 * unloaded: releasing a list calls C_CloseAllSessions on its slots, which would end our sessions
 * and the login (0.4.12). PKCS11_login is never called, so only public certificates are seen,
 * or all of them once the application is logged in. What libp11 cannot read is left out.
 */
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdlib.h>

#include "pkcs11/token/priv.h"

/* Takes libp11's list of slots and finds the token's in it; NULL slot where libp11 has none. */
static struct err *find_slot(struct token *t)
{
    struct token_module *m = t->module;
    struct slot_list list = {0};
    struct slot_list *grown = reallocarray(m->lists, m->lists_n + 1, sizeof *grown);

    if (grown == NULL) {
        return err_nomem();
    }
    m->lists = grown;
    if (PKCS11_enumerate_slots(m->libp11, &list.slots, &list.n) != 0) {
        return err_openssl(ERR_REMOTE, "libp11: slots");
    }
    m->lists[m->lists_n++] = list;
    for (unsigned i = 0; i < list.n; i++) {
        if (PKCS11_get_slotid_from_slot(&list.slots[i]) == t->info.slot_id &&
            list.slots[i].token != NULL) {
            t->slot = &list.slots[i];
        }
    }
    return NULL;
}

static struct ssh_key *rsa_key(const EVP_PKEY *pkey)
{
    BIGNUM *n = NULL;
    BIGNUM *e = NULL;
    uint8_t n_bytes[RAW_MAX_BYTES];
    uint8_t e_bytes[16];
    struct ssh_key *key = NULL;

    if (EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_RSA_N, &n) == 1 &&
        EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_RSA_E, &e) == 1 &&
        BN_num_bytes(n) <= (int)sizeof n_bytes && BN_num_bytes(e) <= (int)sizeof e_bytes) {
        size_t n_len = (size_t)BN_bn2bin(n, n_bytes);
        size_t e_len = (size_t)BN_bn2bin(e, e_bytes);
        struct err *bad = ssh_key_from_rsa(view_of(n_bytes, n_len), view_of(e_bytes, e_len), &key);

        err_free(&bad); /* then there is no key */
    }
    BN_free(n);
    BN_free(e);
    return key;
}

static struct ssh_key *ec_key(EVP_PKEY *pkey)
{
    unsigned char *point = NULL;
    size_t len = EVP_PKEY_get1_encoded_public_key(pkey, &point);
    int bits = EVP_PKEY_get_bits(pkey);
    struct ssh_key *key = NULL;
    enum ssh_key_type type = bits == 256 ? SSH_KEY_P256 : bits == 384 ? SSH_KEY_P384 : SSH_KEY_P521;
    struct err *bad = len > 0 ? ssh_key_from_point(type, view_of(point, len), &key) : NULL;

    err_free(&bad);
    OPENSSL_free(point);
    return key;
}

static struct ssh_key *ed25519_key(const EVP_PKEY *pkey)
{
    uint8_t point[32];
    size_t len = sizeof point;
    struct ssh_key *key = NULL;

    if (EVP_PKEY_get_raw_public_key(pkey, point, &len) == 1 && len == sizeof point) {
        struct err *bad = ssh_key_from_point(SSH_KEY_ED25519, view_of(point, len), &key);

        err_free(&bad);
    }
    return key;
}

struct ssh_key *half_from_x509(X509 *x509)
{
    EVP_PKEY *pkey = X509_get0_pubkey(x509);

    switch (pkey != NULL ? EVP_PKEY_get_base_id(pkey) : EVP_PKEY_NONE) {
    case EVP_PKEY_RSA:
        return rsa_key(pkey);
    case EVP_PKEY_EC:
        return ec_key(pkey);
    case EVP_PKEY_ED25519:
        return ed25519_key(pkey);
    default:
        return NULL;
    }
}

static struct err *read_all(struct token *t, struct halves *h)
{
    PKCS11_CERT *certs = NULL;
    unsigned n = 0;
    struct err *e = t->slot == NULL ? find_slot(t) : NULL;

    if (e != NULL || t->slot == NULL) {
        return e;
    }
    if (PKCS11_enumerate_certs(t->slot->token, &certs, &n) != 0) {
        return err_openssl(ERR_REMOTE, "libp11: certificates");
    }
    for (unsigned i = 0; e == NULL && i < n; i++) {
        struct ssh_key *key = certs[i].x509 != NULL ? half_from_x509(certs[i].x509) : NULL;

        if (key != NULL) {
            e = halves_add(h, view_of(certs[i].id, certs[i].id_len), key, CK_INVALID_HANDLE);
        }
    }
    ERR_clear_error();
    return e;
}

struct err *halves_from_certificates(struct token *t, struct halves *h)
{
    pthread_mutex_lock(&t->module->lock);
    struct err *e = read_all(t, h);

    pthread_mutex_unlock(&t->module->lock);
    if (err_is(e, ERR_REMOTE)) {
        err_free(&e);
    }
    return e;
}
