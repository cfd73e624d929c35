/*
 * Mechanisms: what the token offers, less what its profile calls broken, and from that, once for
 * each key, how it makes each kind of signature.
 *
 * The host hashes unless the profile says otherwise: raw mechanisms are what all tokens have, and
 * a digest is less to carry. Where the preferred mechanism is missing the other one is taken. A key
 * that can only make PSS signatures is of no use here: SSH has none.
 */
#include <stdlib.h>

#include "pkcs11/token/priv.h"

static const struct {
    unsigned hash;
    CK_MECHANISM_TYPE raw, hashed;
} schemes[SCHEME_COUNT] = {
    [SCHEME_ES256] = {0, CKM_ECDSA, CKM_ECDSA_SHA256},
    [SCHEME_ES384] = {1, CKM_ECDSA, CKM_ECDSA_SHA384},
    [SCHEME_ES512] = {2, CKM_ECDSA, CKM_ECDSA_SHA512},
    [SCHEME_EDDSA] = {0, NO_MECHANISM, CKM_EDDSA},
    [SCHEME_RS256] = {0, CKM_RSA_PKCS, CKM_SHA256_RSA_PKCS},
    [SCHEME_RS384] = {1, CKM_RSA_PKCS, CKM_SHA384_RSA_PKCS},
    [SCHEME_RS512] = {2, CKM_RSA_PKCS, CKM_SHA512_RSA_PKCS},
    [SCHEME_PS256] = {0, CKM_RSA_PKCS_PSS, CKM_SHA256_RSA_PKCS_PSS},
    [SCHEME_PS384] = {1, CKM_RSA_PKCS_PSS, CKM_SHA384_RSA_PKCS_PSS},
    [SCHEME_PS512] = {2, CKM_RSA_PKCS_PSS, CKM_SHA512_RSA_PKCS_PSS},
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

unsigned mechanism_hash(enum scheme scheme)
{
    return schemes[scheme].hash;
}

bool mechanism_pss(enum scheme scheme, CK_RSA_PKCS_PSS_PARAMS *ret)
{
    static const CK_RSA_PKCS_PSS_PARAMS params[HASHES] = {
        {CKM_SHA256, CKG_MGF1_SHA256, 32},
        {CKM_SHA384, CKG_MGF1_SHA384, 48},
        {CKM_SHA512, CKG_MGF1_SHA512, 64},
    };

    *ret = params[schemes[scheme].hash];
    return schemes[scheme].raw == CKM_RSA_PKCS_PSS;
}

/* PSS is hashed by the token wherever it can: some tokens get only that right. */
static struct plan choose(const struct token *t, enum scheme scheme, enum ssh_key_type type)
{
    CK_MECHANISM_TYPE raw = schemes[scheme].raw;
    CK_MECHANISM_TYPE hashed = schemes[scheme].hashed;
    enum profile_hash where = raw == CKM_RSA_PKCS_PSS ? PROFILE_HASH_TOKEN
                              : type == SSH_KEY_RSA   ? t->profile.rsa_hash
                                                      : t->profile.ecdsa_hash;
    bool has_raw = mechanism_has(t, raw);

    if (mechanism_has(t, hashed) && (where == PROFILE_HASH_TOKEN || !has_raw)) {
        return (struct plan){hashed, PLAN_MESSAGE};
    }
    if (has_raw) {
        return (struct plan){raw, raw == CKM_RSA_PKCS ? PLAN_DIGEST_INFO : PLAN_DIGEST};
    }
    if (raw == CKM_RSA_PKCS_PSS && mechanism_has(t, CKM_RSA_X_509)) {
        return (struct plan){CKM_RSA_X_509, PLAN_PSS_ENCODED};
    }
    return (struct plan){NO_MECHANISM, PLAN_DIGEST};
}

void mechanism_plan(const struct token *t, const struct ssh_key *key, CK_OBJECT_HANDLE handle,
                    struct signer *ret, const char **ret_why_not)
{
    struct signer s = {.handle = handle, .type = ssh_key_type(key), .bits = ssh_key_bits(key)};
    bool off = s.type == SSH_KEY_ED25519 && !t->profile.ed25519;
    bool can = false;

    s.raw_bytes = (s.type == SSH_KEY_RSA ? 1 : 2) * (((size_t)s.bits + 7) / 8);
    for (unsigned i = 0; i < SCHEME_COUNT; i++) {
        enum scheme scheme = (enum scheme)i;

        s.plans[i] = !off && ssh_scheme_fits(scheme, s.type)
                         ? choose(t, scheme, s.type)
                         : (struct plan){NO_MECHANISM, PLAN_DIGEST};
        can = can || (s.plans[i].mechanism != NO_MECHANISM && schemes[i].raw != CKM_RSA_PKCS_PSS);
    }
    *ret_why_not = can   ? NULL
                   : off ? "the token's profile says that it cannot use Ed25519"
                         : "the token has no mechanism to sign with this type of key";
    *ret = s;
}
