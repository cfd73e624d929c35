/*
 * Mechanisms: what the token offers, less what its profile calls broken, and from that, once for
 * each key, how it makes each kind of signature.
 *
 * The host hashes unless the profile says otherwise: raw mechanisms are what all tokens have, and
 * a digest is less to carry. Where the preferred mechanism is missing the other one is taken.
 */
#include <stdlib.h>

#include "pkcs11/token/priv.h"

static const struct {
    CK_MECHANISM_TYPE rsa, ecdsa;
} hashing[HASHES] = {
    {CKM_SHA256_RSA_PKCS, CKM_ECDSA_SHA256},
    {CKM_SHA384_RSA_PKCS, CKM_ECDSA_SHA384},
    {CKM_SHA512_RSA_PKCS, CKM_ECDSA_SHA512},
};

static bool is_off(const struct token *t, CK_MECHANISM_TYPE m)
{
    for (size_t i = 0; i < t->profile.mechanisms_off_n; i++) {
        if (t->profile.mechanisms_off[i] == m) {
            return true;
        }
    }
    return false;
}

struct err *mechanism_read(struct token *t)
{
    CK_ULONG n = MECHANISMS_MAX;
    CK_RV rv = t->f->C_GetMechanismList(t->info.slot_id, t->mechanisms, &n);

    if (rv != CKR_OK || n > MECHANISMS_MAX) {
        return ckr_err(rv, "C_GetMechanismList (%lu mechanisms)", n);
    }
    for (CK_ULONG i = 0; i < n; i++) {
        if (!is_off(t, t->mechanisms[i])) {
            t->mechanisms[t->mechanisms_n++] = t->mechanisms[i];
        }
    }
    return NULL;
}

bool mechanism_has(const struct token *t, CK_MECHANISM_TYPE m)
{
    for (size_t i = 0; i < t->mechanisms_n; i++) {
        if (t->mechanisms[i] == m) {
            return true;
        }
    }
    return false;
}

unsigned hash_index(enum ssh_alg alg)
{
    unsigned bits = ssh_alg_hash_bits(alg);

    return bits == 512 ? 2 : bits == 384 ? 1 : 0;
}

static struct plan choose(const struct token *t, enum profile_hash where, CK_MECHANISM_TYPE raw,
                          CK_MECHANISM_TYPE hashed)
{
    bool has_raw = mechanism_has(t, raw);
    bool has_hashed = mechanism_has(t, hashed);

    if (has_hashed && (where == PROFILE_HASH_TOKEN || !has_raw)) {
        return (struct plan){hashed, true};
    }
    return (struct plan){has_raw ? raw : NO_MECHANISM, false};
}

static void plan_rsa(const struct token *t, struct plan *plans)
{
    for (unsigned i = 0; i < HASHES; i++) {
        plans[i] = choose(t, t->profile.rsa_hash, CKM_RSA_PKCS, hashing[i].rsa);
    }
}

static void plan_ec(const struct token *t, enum ssh_key_type type, struct plan *plans)
{
    unsigned i = hash_index(ssh_alg_default(type));

    plans[i] = choose(t, t->profile.ecdsa_hash, CKM_ECDSA, hashing[i].ecdsa);
}

void mechanism_plan(const struct token *t, const struct ssh_key *key, CK_OBJECT_HANDLE handle,
                    struct signer *ret, const char **ret_why_not)
{
    struct signer s = {.handle = handle, .type = ssh_key_type(key)};
    unsigned bits = ssh_key_bits(key);
    bool can = false;

    for (unsigned i = 0; i < HASHES; i++) {
        s.plans[i].mechanism = NO_MECHANISM;
    }
    *ret_why_not = "the token has no mechanism to sign with this type of key";
    if (s.type == SSH_KEY_RSA) {
        s.raw_bytes = (bits + 7) / 8;
        plan_rsa(t, s.plans);
    } else if (s.type == SSH_KEY_ED25519) {
        s.raw_bytes = 64;
        if (!t->profile.ed25519) {
            *ret_why_not = "the token's profile says that it cannot use Ed25519";
        } else if (mechanism_has(t, CKM_EDDSA)) {
            s.plans[0] = (struct plan){CKM_EDDSA, true};
        }
    } else {
        s.raw_bytes = 2 * (((size_t)bits + 7) / 8);
        plan_ec(t, s.type, s.plans);
    }
    for (unsigned i = 0; i < HASHES; i++) {
        can = can || s.plans[i].mechanism != NO_MECHANISM;
    }
    if (can) {
        *ret_why_not = NULL;
    }
    *ret = s;
}
