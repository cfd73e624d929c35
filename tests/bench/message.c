/*
 * What a load client says to an agent: a list, a signature for a login, a session-bind. They are
 * what ssh sends, to the byte that an agent may look at, because an agent may refuse anything else.
 */
#include "message.h"

#include <errno.h>
#include <openssl/evp.h>
#include <sys/random.h>

#include "stats.h"

static const char ED25519[] = "ssh-ed25519";

void message_list(struct buf *out)
{
    size_t frame = buf_begin_string(out);

    buf_put_u8(out, AGENT_LIST);
    buf_end_string(out, frame);
    must(buf_check(out, "list request"));
}

void message_session_id(uint8_t out[SESSION_ID_BYTES])
{
    if (getrandom(out, SESSION_ID_BYTES, 0) != SESSION_ID_BYTES) {
        must(err_sys(errno, "getrandom"));
    }
}

/* What a client signs to log in, in the algorithm that ssh would take. Spec: RFC 4252, 7 */
static void put_userauth(struct buf *out, struct view key_blob, enum ssh_key_type type,
                         struct view session_id)
{
    enum { USERAUTH_REQUEST = 50 };

    size_t data = buf_begin_string(out);

    buf_put_string(out, session_id);
    buf_put_u8(out, USERAUTH_REQUEST);
    buf_put_cstr(out, "somebody");
    buf_put_cstr(out, "ssh-connection");
    buf_put_cstr(out, "publickey");
    buf_put_bool(out, true);
    buf_put_cstr(out, ssh_alg_name(ssh_alg_default(type)));
    buf_put_string(out, key_blob);
    buf_end_string(out, data);
}

void message_sign(struct view key_blob, struct view session_id, struct buf *out)
{
    AUTO(ssh_key_free) struct ssh_key *key = NULL;

    must(ssh_key_from_blob(key_blob, &key));
    enum ssh_key_type type = ssh_key_type(key);
    size_t frame = buf_begin_string(out);

    buf_put_u8(out, AGENT_SIGN);
    buf_put_string(out, key_blob);
    put_userauth(out, key_blob, type, session_id);
    buf_put_u32(out, type == SSH_KEY_RSA ? SSH_AGENT_RSA_SHA2_512 : 0);
    buf_end_string(out, frame);
    must(buf_check(out, "sign request"));
}

static void free_pkey(EVP_PKEY **key)
{
    EVP_PKEY_free(*key);
}

static void free_md(EVP_MD_CTX **md)
{
    EVP_MD_CTX_free(*md);
}

void message_bind(struct view session_id, struct buf *out)
{
    enum { POINT_BYTES = 32, SIGNATURE_BYTES = 64 };

    uint8_t point[POINT_BYTES], signature[SIGNATURE_BYTES];
    size_t point_len = sizeof point, signature_len = sizeof signature;
    AUTO(free_pkey) EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    AUTO(free_md) EVP_MD_CTX *md = EVP_MD_CTX_new();

    if (key == NULL || EVP_PKEY_get_raw_public_key(key, point, &point_len) != 1 ||
        EVP_DigestSignInit(md, NULL, NULL, NULL, key) != 1 ||
        EVP_DigestSign(md, signature, &signature_len, session_id.p, session_id.len) != 1) {
        must(err_openssl(ERR_BUG, "a host key"));
    }
    size_t frame = buf_begin_string(out);

    buf_put_u8(out, AGENT_EXTENSION);
    buf_put_cstr(out, "session-bind@openssh.com");
    size_t blob = buf_begin_string(out);

    buf_put_cstr(out, ED25519);
    buf_put_string(out, view_of(point, point_len));
    buf_end_string(out, blob);
    buf_put_string(out, session_id);
    blob = buf_begin_string(out);
    buf_put_cstr(out, ED25519);
    buf_put_string(out, view_of(signature, signature_len));
    buf_end_string(out, blob);
    buf_put_bool(out, false);
    buf_end_string(out, frame);
    must(buf_check(out, "session-bind"));
}

struct err *message_find_key(struct view answer, const char *comment, struct view *ret)
{
    struct rd r = rd_of(answer);

    if (rd_u8(&r) != AGENT_LIST_ANSWER) {
        return err_new(ERR_PROTOCOL, "the agent did not answer with a list");
    }
    for (uint32_t n = rd_u32(&r); n > 0 && !rd_failed(&r); n--) {
        struct view blob = rd_string(&r);

        if (view_is(rd_string(&r), comment)) {
            *ret = blob;
            return NULL;
        }
    }
    return err_new(ERR_NOT_FOUND, "the agent lists no key with the comment %s", comment);
}
