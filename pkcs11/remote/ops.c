/*
 * The messages between holdfast-agent and holdfast-token. Each has its writer and its reader next to
 * each other. The helper runs vendor code, so the agent trusts an answer no more than the network:
 * every length and every number is checked here, and what comes out is a whole struct or an error.
 *
 * Nothing in this file may call into pkcs11/token: the agent links it, and must not get libp11.
 */
#include "pkcs11/remote/ops.h"

#include <stdlib.h>
#include <string.h>

struct ops_name ops_name_of(struct view id, struct view blob)
{
    struct ops_name name = {{0}};
    AUTO(buf_deinit) struct buf b;
    uint8_t digest[64];

    buf_init(&b, 0);
    buf_put_string(&b, id);
    buf_put_string(&b, blob);
    ssh_alg_digest(SSH_ALG_P256, buf_view(&b), digest); /* its hash is SHA-256 */
    memcpy(name.bytes, digest, sizeof name.bytes);
    return name;
}

static void name_put(struct buf *b, const struct ops_name *name)
{
    buf_put(b, name->bytes, sizeof name->bytes);
}

static void name_get(struct rd *r, struct ops_name *ret)
{
    struct view v = rd_bytes(r, sizeof ret->bytes);

    if (v.len == sizeof ret->bytes) {
        memcpy(ret->bytes, v.p, v.len);
    }
}

/* A C string into an array of @size; text that is too long, or holds a NUL, fails. */
static void text_get(struct rd *r, char *to, size_t size)
{
    struct view v = rd_string(r);

    if (v.len >= size || view_has_nul(v)) {
        rd_fail(r);
        return;
    }
    if (v.len > 0) {
        memcpy(to, v.p, v.len);
    }
    to[v.len] = '\0';
}

/* A boolean of ours is 0 or 1. */
static bool flag_get(struct rd *r)
{
    uint8_t v = rd_u8(r);

    if (v > 1) {
        rd_fail(r);
    }
    return v == 1;
}

static uint32_t number_get(struct rd *r, uint32_t min, uint32_t max)
{
    uint32_t v = rd_u32(r);

    if (v < min || v > max) {
        rd_fail(r);
        return min;
    }
    return v;
}

static uint32_t lane_get(struct rd *r)
{
    return number_get(r, 1, OPS_LANES_MAX);
}

void ops_load_put(struct buf *b, const char *path, const struct profile_load *profile)
{
    buf_put_cstr(b, path);
    profile_load_put(b, profile);
}

struct err *ops_load_get(struct rd *r, struct ops_load *ret)
{
    struct ops_load l = {.path = rd_cstr(r)};
    struct err *e = profile_load_get(r, &l.profile);

    if (e == NULL) {
        e = rd_end(r, "a load request");
    }
    if (e == NULL && (l.path == NULL || *l.path == '\0')) {
        e = err_new(ERR_PROTOCOL, "a load request without a path");
    }
    if (e != NULL) {
        ops_load_deinit(&l);
        return e;
    }
    *ret = l;
    return NULL;
}

void ops_load_deinit(struct ops_load *l)
{
    free(l->path);
    l->path = NULL;
    profile_load_deinit(&l->profile);
}

void ops_library_put(struct buf *b, const struct ops_library *l)
{
    buf_put_cstr(b, l->info.manufacturer);
    buf_put_cstr(b, l->info.description);
    buf_put_u32(b, l->info.cryptoki_major);
    buf_put_u32(b, l->info.cryptoki_minor);
    buf_put_u32(b, l->info.major);
    buf_put_u32(b, l->info.minor);
    buf_put_cstr(b, l->sandbox);
}

struct err *ops_library_get(struct rd *r, struct ops_library *ret)
{
    struct ops_library l;

    memset(&l, 0, sizeof l);

    text_get(r, l.info.manufacturer, sizeof l.info.manufacturer);
    text_get(r, l.info.description, sizeof l.info.description);
    l.info.cryptoki_major = rd_u32(r);
    l.info.cryptoki_minor = rd_u32(r);
    l.info.major = rd_u32(r);
    l.info.minor = rd_u32(r);
    text_get(r, l.sandbox, sizeof l.sandbox);
    struct err *e = rd_end(r, "the library's description");

    if (e == NULL) {
        *ret = l;
    }
    return e;
}

void ops_lanes_put(struct buf *b, const struct ops_lanes *l)
{
    buf_put_u32(b, (uint32_t)l->n);
    for (size_t i = 0; i < l->n; i++) {
        buf_put_u32(b, l->lane[i]);
    }
}

struct err *ops_lanes_get(struct rd *r, struct ops_lanes *ret)
{
    ret->n = number_get(r, 0, OPS_LANES_MAX);
    for (size_t i = 0; i < ret->n; i++) {
        ret->lane[i] = lane_get(r);
    }
    return rd_end(r, "a list of lanes");
}

static void info_put(struct buf *b, const struct token_info *i)
{
    buf_put_u64(b, i->slot_id);
    buf_put_cstr(b, i->label);
    buf_put_cstr(b, i->manufacturer);
    buf_put_cstr(b, i->model);
    buf_put_cstr(b, i->serial);
    buf_put_u64(b, i->flags);
    buf_put_u64(b, i->sessions_max);
    buf_put_u64(b, i->pin_min);
    buf_put_u64(b, i->pin_max);
    buf_put_u32(b, i->hardware_major);
    buf_put_u32(b, i->hardware_minor);
    buf_put_u32(b, i->firmware_major);
    buf_put_u32(b, i->firmware_minor);
}

static void info_get(struct rd *r, struct token_info *ret)
{
    ret->slot_id = (unsigned long)rd_u64(r);
    text_get(r, ret->label, sizeof ret->label);
    text_get(r, ret->manufacturer, sizeof ret->manufacturer);
    text_get(r, ret->model, sizeof ret->model);
    text_get(r, ret->serial, sizeof ret->serial);
    ret->flags = (unsigned long)rd_u64(r);
    ret->sessions_max = (unsigned long)rd_u64(r);
    ret->pin_min = (unsigned long)rd_u64(r);
    ret->pin_max = (unsigned long)rd_u64(r);
    ret->hardware_major = rd_u32(r);
    ret->hardware_minor = rd_u32(r);
    ret->firmware_major = rd_u32(r);
    ret->firmware_minor = rd_u32(r);
}

void ops_info_put(struct buf *b, const struct token_info *i)
{
    info_put(b, i);
}

struct err *ops_info_get(struct rd *r, struct token_info *ret)
{
    struct token_info i = {0};

    info_get(r, &i);
    struct err *e = rd_end(r, "a token's description");

    if (e == NULL) {
        *ret = i;
    }
    return e;
}

void ops_tokens_put(struct buf *b, const struct token_info *list, size_t n)
{
    buf_put_u32(b, (uint32_t)n);
    for (size_t i = 0; i < n; i++) {
        info_put(b, &list[i]);
    }
}

struct err *ops_tokens_get(struct rd *r, struct token_info **ret, size_t *ret_n)
{
    size_t n = number_get(r, 0, OPS_TOKENS_MAX);
    AUTO(auto_free) struct token_info *list = n > 0 ? calloc(n, sizeof *list) : NULL;

    if (n > 0 && list == NULL) {
        return err_nomem();
    }
    for (size_t i = 0; i < n && !rd_failed(r); i++) {
        info_get(r, &list[i]);
    }
    struct err *e = rd_end(r, "the list of tokens");

    if (e == NULL) {
        *ret = take(&list);
        *ret_n = n;
    }
    return e;
}

void ops_open_put(struct buf *b, const struct ops_open *o)
{
    buf_put_u32(b, o->lane);
    info_put(b, &o->info);
    profile_token_put(b, &o->profile);
}

struct err *ops_open_get(struct rd *r, struct ops_open *ret)
{
    ret->lane = lane_get(r);
    info_get(r, &ret->info);
    struct err *e = profile_token_get(r, &ret->profile);

    return e != NULL ? e : rd_end(r, "an open request");
}

void ops_opened_put(struct buf *b, const struct ops_opened *o)
{
    buf_put_bool(b, o->needs_login);
    buf_put_u32(b, o->sessions);
    buf_put_u32(b, o->workers);
}

struct err *ops_opened_get(struct rd *r, struct ops_opened *ret)
{
    ret->needs_login = flag_get(r);
    ret->sessions = rd_u32(r);
    ret->workers = rd_u32(r);
    return rd_end(r, "the answer to an open request");
}

void ops_login_put(struct buf *b, const struct ops_login *l)
{
    buf_put_u32(b, l->lane);
    buf_put_bool(b, l->force == TOKEN_LOGIN_USE_LAST_TRY);
    buf_put_bool(b, l->has_pin);
    buf_put_string(b, l->pin);
}

struct err *ops_login_get(struct rd *r, struct ops_login *ret)
{
    ret->lane = lane_get(r);
    ret->force = flag_get(r) ? TOKEN_LOGIN_USE_LAST_TRY : TOKEN_LOGIN_KEEP_LAST_TRY;
    ret->has_pin = flag_get(r);
    ret->pin = rd_string(r);
    if (ret->pin.len > SECRET_MAX_BYTES || ret->has_pin != (ret->pin.len > 0)) {
        rd_fail(r);
    }
    return rd_end(r, "a login request");
}

void ops_lane_put(struct buf *b, uint32_t lane)
{
    buf_put_u32(b, lane);
}

struct err *ops_lane_get(struct rd *r, uint32_t *ret)
{
    *ret = lane_get(r);
    return rd_end(r, "a lane");
}

void ops_sign_put(struct buf *b, const struct ops_sign *s)
{
    buf_put_u32(b, s->lane);
    name_put(b, &s->name);
    buf_put_u8(b, (uint8_t)s->scheme);
    buf_put_string(b, s->data);
}

struct err *ops_sign_get(struct rd *r, struct ops_sign *ret)
{
    ret->lane = lane_get(r);
    name_get(r, &ret->name);
    uint8_t scheme = rd_u8(r);

    ret->data = rd_string(r);
    if (scheme >= SCHEME_COUNT || ret->data.len == 0 || ret->data.len > TOKEN_SIGN_MAX_BYTES) {
        rd_fail(r);
    }
    ret->scheme = (enum scheme)scheme;
    return rd_end(r, "a sign request");
}

struct err *ops_string_get(struct rd *r, struct view *ret)
{
    *ret = rd_string(r);
    return rd_end(r, "an answer");
}

void ops_generate_put(struct buf *b, uint32_t lane, const struct token_key_spec *spec)
{
    buf_put_u32(b, lane);
    buf_put_u8(b, (uint8_t)spec->type);
    buf_put_u32(b, spec->bits);
    buf_put_cstr(b, spec->label);
    buf_put_string(b, spec->id);
}

struct err *ops_generate_get(struct rd *r, struct ops_generate *ret)
{
    ret->lane = lane_get(r);
    uint8_t type = rd_u8(r);

    ret->spec.bits = rd_u32(r);
    text_get(r, ret->label, sizeof ret->label);
    ret->spec.id = rd_string(r);
    if (type > SSH_KEY_ED25519 || ret->spec.bits > SSH_RSA_MAX_BITS ||
        ret->spec.id.len > TOKEN_ID_MAX_BYTES) {
        rd_fail(r);
    }
    ret->spec.type = (enum ssh_key_type)type;
    ret->spec.label = ret->label;
    return rd_end(r, "a generate request");
}

void ops_delete_put(struct buf *b, const struct ops_delete *d)
{
    buf_put_u32(b, d->lane);
    buf_put_string(b, d->id);
    buf_put_string(b, d->blob);
}

struct err *ops_delete_get(struct rd *r, struct ops_delete *ret)
{
    ret->lane = lane_get(r);
    ret->id = rd_string(r);
    ret->blob = rd_string(r);
    if (ret->id.len > TOKEN_ID_MAX_BYTES || ret->blob.len > SSH_BLOB_MAX_BYTES) {
        rd_fail(r);
    }
    return rd_end(r, "a delete request");
}

void ops_export_put(struct buf *b, const struct ops_export *x)
{
    buf_put_u32(b, x->lane);
    name_put(b, &x->name);
}

struct err *ops_export_get(struct rd *r, struct ops_export *ret)
{
    ret->lane = lane_get(r);
    name_get(r, &ret->name);
    return rd_end(r, "an export request");
}
