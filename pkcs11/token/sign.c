/*
 * The hot path: C_SignInit and C_Sign on the worker's kept session, and nothing else. No object
 * search, no attribute, no login, no allocation: all of that was done when the key was found.
 *
 * It must never repeat a C_Sign: the second could cost a touch or a PIN try. What may be repeated
 * once is C_SignInit, on a fresh session, when the old one turned out dead.
 *
 * Spec: PKCS#11 v3.1, 5.13 C_SignInit, C_Sign; RFC 8017, 9.2 (DigestInfo)
 */
#include "pkcs11/token/priv.h"

enum { DIGEST_INFO_BYTES = 19, DIGEST_MAX_BYTES = 64 };
_Static_assert(RAW_MAX_BYTES >= DIGEST_INFO_BYTES + DIGEST_MAX_BYTES, "scratch takes all inputs");

/* DER of DigestInfo up to the digest (Spec: RFC 8017, 9.2, note 1). */
static const uint8_t digest_info[HASHES][DIGEST_INFO_BYTES] = {
    {0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05,
     0x00, 0x04, 0x20},
    {0x30, 0x41, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02, 0x05,
     0x00, 0x04, 0x30},
    {0x30, 0x51, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x03, 0x05,
     0x00, 0x04, 0x40},
};

/* Some modules answer a private handle after a lost login with "no such key". */
static struct err *explain(struct token *t, CK_SESSION_HANDLE s, CK_RV rv, const char *call)
{
    CK_SESSION_INFO info = {0};
    bool unknown_key = rv == CKR_KEY_HANDLE_INVALID || rv == CKR_OBJECT_HANDLE_INVALID;

    if (unknown_key && t->login_wanted && t->f->C_GetSessionInfo(s, &info) == CKR_OK &&
        (info.state == CKS_RO_PUBLIC_SESSION || info.state == CKS_RW_PUBLIC_SESSION)) {
        rv = CKR_USER_NOT_LOGGED_IN;
    }
    if (rv == CKR_USER_NOT_LOGGED_IN) {
        atomic_store(&t->logged_in, false);
    }
    return ckr_err(rv, "%s", call);
}

/* What goes into C_Sign: the message, or what is made of its digest, in @scratch. */
static struct err *prepare(struct token *t, unsigned worker, const struct signer *signer,
                           enum scheme scheme, struct view data, uint8_t *scratch, struct view *ret)
{
    enum plan_input input = signer->plans[scheme].input;
    unsigned hash = mechanism_hash(scheme);
    size_t before = input == PLAN_DIGEST_INFO ? DIGEST_INFO_BYTES : 0;
    uint8_t digest[DIGEST_MAX_BYTES];

    if (input == PLAN_MESSAGE) {
        *ret = data;
        return NULL;
    }
    size_t len = session_digest(t, worker, hash, data, digest);

    if (len == 0) {
        return err_openssl(ERR_BUG, "digest");
    }
    if (input == PLAN_PSS_ENCODED) {
        *ret = view_of(scratch, signer->raw_bytes);
        return pss_encode(hash, digest, signer->bits, scratch);
    }
    memcpy(scratch, digest_info[hash], before);
    memcpy(scratch + before, digest, len);
    *ret = view_of(scratch, before + len);
    return NULL;
}

static struct err *sign_init(struct token *t, unsigned worker, CK_MECHANISM *mechanism,
                             CK_OBJECT_HANDLE key, CK_SESSION_HANDLE *s)
{
    struct err *e = session_worker(t, worker, s);
    CK_RV rv = e == NULL ? t->f->C_SignInit(*s, mechanism, key) : CKR_OK;

    if (session_is_dead(rv)) {
        session_forget(t, worker);
        e = session_worker(t, worker, s);
        rv = e == NULL ? t->f->C_SignInit(*s, mechanism, key) : CKR_OK;
    }
    return e == NULL && rv != CKR_OK ? explain(t, *s, rv, "C_SignInit") : e;
}

/* Tokens may drop an RSA signature's leading zeros; everything else has to have its length. */
static struct err *fit(const struct signer *signer, uint8_t *raw, CK_ULONG len)
{
    size_t missing = signer->raw_bytes - len;

    if (len == signer->raw_bytes) {
        return NULL;
    }
    if (signer->type != SSH_KEY_RSA || len == 0 || len > signer->raw_bytes) {
        return err_new(ERR_PROTOCOL, "C_Sign gave %lu bytes, where the key makes %zu", len,
                       signer->raw_bytes);
    }
    memmove(raw + missing, raw, len);
    memset(raw, 0, missing);
    return NULL;
}

struct err *sign_with(struct token *t, unsigned worker, const struct signer *signer,
                      enum scheme scheme, struct view data, uint8_t *ret, size_t *ret_len)
{
    CK_MECHANISM mechanism = {signer->plans[scheme].mechanism, NULL, 0};
    CK_RSA_PKCS_PSS_PARAMS pss;
    uint8_t scratch[RAW_MAX_BYTES];
    CK_SESSION_HANDLE s;
    CK_ULONG len = RAW_MAX_BYTES;
    struct view in = {0};

    if (mechanism.mechanism == NO_MECHANISM) {
        return err_new(ERR_UNSUPPORTED, "the token has no mechanism for %s", scheme_name(scheme));
    }
    if (mechanism.mechanism != CKM_RSA_X_509 && mechanism_pss(scheme, &pss)) {
        mechanism.pParameter = &pss;
        mechanism.ulParameterLen = sizeof pss;
    }
    struct err *e = sign_init(t, worker, &mechanism, signer->handle, &s);

    if (e != NULL) {
        return e;
    }
    e = prepare(t, worker, signer, scheme, data, scratch, &in);
    if (e != NULL) { /* a signature that was begun ends with its session */
        session_forget(t, worker);
        return e;
    }
    CK_RV rv = t->f->C_Sign(s, (CK_BYTE *)(uintptr_t)in.p, in.len, ret, &len);

    if (rv != CKR_OK) {
        struct err *failed = explain(t, s, rv, "C_Sign");

        if (session_is_dead(rv)) {
            session_forget(t, worker);
        }
        return failed;
    }
    e = fit(signer, ret, len);
    *ret_len = signer->raw_bytes;
    return e;
}

struct err *token_sign(struct token *t, unsigned worker, uint32_t number, enum scheme scheme,
                       struct view data, struct buf *raw)
{
    struct signer signer;
    uint8_t signature[RAW_MAX_BYTES];
    size_t len = 0;
    bool usable = false;

    if (data.len == 0 || data.len > TOKEN_SIGN_MAX_BYTES) {
        return err_new(ERR_LIMIT, "%zu bytes to sign; 1 to %d are possible", data.len,
                       TOKEN_SIGN_MAX_BYTES);
    }
    if (!table_get(t, number, &signer, &usable)) {
        return err_new(ERR_NOT_FOUND, "token '%s' has no key number %u", t->info.label, number);
    }
    if (!ssh_scheme_fits(scheme, signer.type)) {
        return err_new(ERR_INPUT, "a key of type %s makes no %s signatures",
                       ssh_key_type_word(signer.type), scheme_name(scheme));
    }
    if (!usable) {
        return err_new(ERR_UNSUPPORTED, "this key of token '%s' cannot make %s signatures",
                       t->info.label, scheme_name(scheme));
    }
    struct err *e = sign_with(t, worker, &signer, scheme, data, signature, &len);

    if (e != NULL) {
        return err_add(e, "sign on token '%s'", t->info.label);
    }
    buf_put(raw, signature, len);
    return buf_check(raw, "signature");
}
