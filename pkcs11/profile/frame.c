/*
 * Resolved profiles as frame bodies: what the agent sends to holdfast-token. Reader and writer
 * stand together, field by field; values out of range are refused, as in any parser.
 */
#include <stdlib.h>

#include "pkcs11/profile/field.h"

/* Here, not with the reading of YAML: holdfast-token needs it and must get no YAML parser. */
void profile_load_deinit(struct profile_load *p)
{
    field_free_all(SECTION_LOAD, p);
}

void profile_load_put(struct buf *b, const struct profile_load *p)
{
    buf_put_bool(b, p->os_locking);
    buf_put_u32(b, p->threads_max);
    buf_put_cstr(b, p->init_string != NULL ? p->init_string : "");
    buf_put_bool(b, p->allow_exec);
    buf_put_bool(b, p->allow_inet);
    buf_put_bool(b, p->finalize);
    text_list_put(b, p->environment);
    text_list_put(b, p->write_paths);
}

struct err *profile_load_get(struct rd *r, struct profile_load *ret)
{
    struct profile_load p = {0};

    p.os_locking = rd_bool(r);
    p.threads_max = rd_u32(r);
    p.init_string = rd_cstr(r);
    p.allow_exec = rd_bool(r);
    p.allow_inet = rd_bool(r);
    p.finalize = rd_bool(r);
    p.environment = text_list_get(r, FIELD_WORDS_MAX);
    p.write_paths = text_list_get(r, FIELD_WORDS_MAX);
    if (p.init_string != NULL && *p.init_string == '\0') {
        auto_free(&p.init_string);
    }
    if (rd_failed(r) || p.threads_max == 0 || p.threads_max > 64) {
        profile_load_deinit(&p);
        return err_new(ERR_PROTOCOL, "load profile is malformed");
    }
    *ret = p;
    return NULL;
}

void profile_token_put(struct buf *b, const struct profile_token *p)
{
    buf_put_u32(b, p->sessions_max);
    buf_put_u8(b, (uint8_t)p->login);
    buf_put_u8(b, (uint8_t)p->rsa_hash);
    buf_put_u8(b, (uint8_t)p->ecdsa_hash);
    buf_put_bool(b, p->ed25519);
    buf_put_u8(b, (uint8_t)p->ed25519_params);
    buf_put_u8(b, (uint8_t)p->ec_point);
    buf_put_bool(b, p->generate);
    buf_put_bool(b, p->sign_only);
    buf_put_bool(b, p->cka_sensitive_reported);
    buf_put_u64(b, (uint64_t)p->sign_timeout_ms);
    buf_put_u64(b, (uint64_t)p->login_timeout_ms);
    buf_put_u64(b, (uint64_t)p->generate_timeout_ms);
    buf_put_u32(b, (uint32_t)p->mechanisms_off_n);
    for (size_t i = 0; i < p->mechanisms_off_n; i++) {
        buf_put_u64(b, p->mechanisms_off[i]);
    }
}

/* An enumeration with values 0..last. */
static unsigned get_choice(struct rd *r, unsigned last)
{
    unsigned v = rd_u8(r);

    if (v > last) {
        rd_fail(r);
    }
    return v <= last ? v : 0;
}

static int64_t get_timeout(struct rd *r)
{
    uint64_t ms = rd_u64(r);

    if (ms == 0 || ms > 3600 * 1000) {
        rd_fail(r);
    }
    return (int64_t)ms;
}

struct err *profile_token_get(struct rd *r, struct profile_token *ret)
{
    struct profile_token p = {0};

    p.sessions_max = rd_u32(r);
    p.login = (enum profile_login)get_choice(r, PROFILE_LOGIN_NEVER);
    p.rsa_hash = (enum profile_hash)get_choice(r, PROFILE_HASH_TOKEN);
    p.ecdsa_hash = (enum profile_hash)get_choice(r, PROFILE_HASH_TOKEN);
    p.ed25519 = rd_bool(r);
    p.ed25519_params = (enum profile_params)get_choice(r, PROFILE_PARAMS_NAME);
    p.ec_point = (enum profile_point)get_choice(r, PROFILE_POINT_RAW);
    p.generate = rd_bool(r);
    p.sign_only = rd_bool(r);
    p.cka_sensitive_reported = rd_bool(r);
    p.sign_timeout_ms = get_timeout(r);
    p.login_timeout_ms = get_timeout(r);
    p.generate_timeout_ms = get_timeout(r);
    p.mechanisms_off_n = rd_u32(r);
    if (p.mechanisms_off_n > PROFILE_MECHANISMS_MAX) {
        rd_fail(r);
        p.mechanisms_off_n = 0;
    }
    for (size_t i = 0; i < p.mechanisms_off_n; i++) {
        p.mechanisms_off[i] = rd_u64(r);
    }
    if (rd_failed(r)) {
        return err_new(ERR_PROTOCOL, "token profile is malformed");
    }
    *ret = p;
    return NULL;
}
