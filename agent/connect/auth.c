/*
 * Logs in: asks the host for its methods, offers the identities in turn, and has the agent sign.
 *
 * Signing never blocks: libssh2 takes "again" for an answer from its callback, so the attempt waits
 * for the agent as it waits for the host. Bytes go to the agent only if they are a login of this
 * user with the identity on offer, and the algorithm is the one named in them. Each signature is
 * verified before it is sent, so that a wrong one is the agent's fault by name and not the host's
 * riddle. SHA-1 is refused: libssh2 asks for it when a host announces nothing better.
 *
 * When all are refused, the error is what a reader needs to go on: the host's methods and, for each
 * identity, what it is and the likeliest reason.
 */
#include "connect/auth.h"

#include <stdlib.h>

struct connect_auth {
    struct connect_session *session;
    struct connect_agent *agent;
    const struct connect_identities *ids;
    const char *user;
    char *methods;
    bool has_methods;
    size_t index;       /* of the identity on offer */
    bool signing;       /* the agent has been asked */
    enum ssh_alg alg;   /* of that signature */
    struct err *no_sig; /* why the offer's signature could not be had */
    char *refused[CONNECT_OFFERS_MAX];
};

void connect_auth_free(struct connect_auth **auth)
{
    struct connect_auth *a = take(auth);

    if (!a) {
        return;
    }
    for (size_t i = 0; i < CONNECT_OFFERS_MAX; i++) {
        free(a->refused[i]);
    }
    err_free(&a->no_sig);
    free(a->methods);
    free(a);
}

struct err *connect_auth_new(struct connect_session *s, struct connect_agent *agent,
                             const struct connect_identities *ids, const char *user,
                             struct connect_auth **ret)
{
    struct connect_auth *a = calloc(1, sizeof *a);

    if (!a) {
        return err_nomem();
    }
    a->session = s;
    a->agent = agent;
    a->ids = ids;
    a->user = user;
    *ret = a;
    return NULL;
}

struct err *connect_auth_sign_request(struct view data, const struct connect_identity *id,
                                      const char *user, enum ssh_alg *ret_alg, uint32_t *ret_flags)
{
    struct ssh_payload payload;

    ssh_payload_read(data, &payload);
    if (payload.kind != SSH_PAYLOAD_USERAUTH || !view_is(payload.user, user) ||
        !view_eq(payload.key_blob, connect_identity_blob(id))) {
        return err_new(ERR_PROTOCOL, "what is to be signed is no login of %s with this identity",
                       user);
    }
    if (payload.alg == SSH_ALG_RSA_SHA1) {
        return err_new(ERR_UNSUPPORTED, "the host announces no RSA signatures but SHA-1 ones");
    }
    if (payload.alg == SSH_ALG_NONE || !ssh_alg_fits(payload.alg, ssh_key_type(id->key))) {
        AUTO(auto_free) char *name = text_safe(payload.alg_name);
        return err_new(ERR_UNSUPPORTED, "signature algorithm %.64s", name ? name : "");
    }
    *ret_alg = payload.alg;
    *ret_flags = payload.alg == SSH_ALG_RSA_SHA512   ? SSH_AGENT_RSA_SHA2_512
                 : payload.alg == SSH_ALG_RSA_SHA256 ? SSH_AGENT_RSA_SHA2_256
                                                     : 0;
    return NULL;
}

static struct err *take_signature(struct connect_auth *a, struct rd answer, struct view data,
                                  struct buf *ret_sig)
{
    struct view sig = rd_string(&answer);
    struct rd parts = rd_of(sig);
    struct view name = rd_string(&parts);
    struct view inner = rd_string(&parts);
    struct err *e = rd_end(&answer, "the agent's signature");

    if (!e) {
        e = rd_end(&parts, "the agent's signature");
    }
    if (e) {
        return e;
    }
    if (!view_is(name, ssh_alg_name(a->alg))) {
        AUTO(auto_free) char *other = text_safe(name);
        return err_new(ERR_PROTOCOL, "the agent was asked for %s and signed %.64s",
                       ssh_alg_name(a->alg), other ? other : "");
    }
    e = ssh_sig_verify(a->ids->list[a->index].key, sig, data, NULL);
    if (e) {
        return err_add(e, "the agent's signature is wrong");
    }
    buf_put(ret_sig, inner.p, inner.len);
    return NULL;
}

static struct err *sign_some(struct connect_auth *a, struct view data, struct buf *ret_sig,
                             enum connect_progress *ret_progress)
{
    const struct connect_identity *id = &a->ids->list[a->index];
    struct rd answer;
    struct err *e = NULL;

    if (!a->signing) {
        uint32_t flags = 0;
        e = connect_auth_sign_request(data, id, a->user, &a->alg, &flags);
        if (!e) {
            e = connect_agent_ask_sign(a->agent, connect_identity_blob(id), data, flags);
        }
        a->signing = !e;
    }
    if (!e) {
        e = connect_agent_go(a->agent, &answer, ret_progress);
    }
    if (!e && *ret_progress == CONNECT_FINISHED) {
        e = take_signature(a, answer, data, ret_sig);
    }
    return e;
}

static enum connect_progress on_sign(void *arg, struct view data, struct buf *ret_sig,
                                     bool *ret_failed)
{
    struct connect_auth *a = arg;
    enum connect_progress progress = CONNECT_FINISHED;

    err_free(&a->no_sig);
    a->no_sig = sign_some(a, data, ret_sig, &progress);
    *ret_failed = a->no_sig != NULL;
    if (a->no_sig || progress == CONNECT_FINISHED) {
        a->signing = false;
    }
    return progress;
}

/* What went wrong with the offer, for the final error. */
static char *reason_of(struct connect_auth *a, enum connect_verdict verdict)
{
    const struct connect_identity *id = &a->ids->list[a->index];

    if (a->no_sig) {
        return text_copy(err_text(a->no_sig));
    }
    switch (verdict) {
    case CONNECT_ACCEPTED:
    case CONNECT_REFUSED:
        break;
    case CONNECT_REFUSED_SIGNED:
        return text_copy("the host refused its signature");
    case CONNECT_NO_ALGORITHM:
        return text_copy("the host takes none of its signature algorithms");
    case CONNECT_CLOSED:
        return text_fmt("the host hung up%s%s", *connect_session_goodbye(a->session) ? ": " : "",
                        connect_session_goodbye(a->session));
    }
    return connect_identity_hint(id, a->user, wall_now());
}

static struct err *all_refused(struct connect_auth *a)
{
    struct err *e = NULL;

    for (size_t i = CONNECT_OFFERS_MAX; i-- > 0;) {
        if (a->refused[i]) {
            e = e ? err_add(e, "%s", a->refused[i]) : err_new(ERR_DENIED, "%s", a->refused[i]);
        }
    }
    if (!e) {
        e = err_new(ERR_DENIED, "nothing was offered");
    }
    return err_add(e, "the host lets %s in by %s, but refused", a->user, a->methods);
}

static struct err *refuse(struct connect_auth *a, enum connect_verdict verdict)
{
    AUTO(auto_free) char *what = connect_identity_text(&a->ids->list[a->index]);
    AUTO(auto_free) char *why = reason_of(a, verdict);

    a->refused[a->index] = what && why ? text_fmt("%s (%s)", what, why) : NULL;
    if (!a->refused[a->index]) {
        return err_nomem();
    }
    err_free(&a->no_sig);
    a->index++;
    return verdict == CONNECT_CLOSED || a->index == a->ids->count ? all_refused(a) : NULL;
}

static struct err *offer(struct connect_auth *a, char **ret_text,
                         enum connect_progress *ret_progress)
{
    for (;;) {
        const struct connect_identity *id = &a->ids->list[a->index];
        enum connect_verdict verdict = CONNECT_REFUSED;
        struct err *e = connect_session_offer(a->session, a->user, connect_identity_blob(id),
                                              on_sign, a, &verdict, ret_progress);

        if (e || *ret_progress == CONNECT_AGAIN) {
            return e;
        }
        if (verdict == CONNECT_ACCEPTED) {
            *ret_text = connect_identity_text(id);
            return *ret_text ? NULL : err_nomem();
        }
        e = refuse(a, verdict);
        if (e) {
            return e;
        }
    }
}

/* "publickey" as a whole word of "publickey,password". */
static bool takes_keys(const char *methods)
{
    static const char word[] = "publickey";
    size_t len = sizeof word - 1;

    for (const char *p = methods; (p = strstr(p, word)); p += len) {
        if ((p == methods || p[-1] == ',') && (p[len] == '\0' || p[len] == ',')) {
            return true;
        }
    }
    return false;
}

struct err *connect_auth_go(struct connect_auth *a, char **ret_text,
                            enum connect_progress *ret_progress)
{
    if (!a->has_methods) {
        struct err *e = connect_session_methods(a->session, a->user, &a->methods, ret_progress);
        if (e || *ret_progress == CONNECT_AGAIN) {
            return e;
        }
        a->has_methods = true;
        if (!a->methods) {
            *ret_text = text_copy("the host lets everybody in and asked for no key");
            return *ret_text ? NULL : err_nomem();
        }
        if (!takes_keys(a->methods)) {
            return err_new(ERR_DENIED, "the host takes no keys from %s, only %s", a->user,
                           a->methods);
        }
    }
    return offer(a, ret_text, ret_progress);
}

void connect_auth_wait(const struct connect_auth *a, struct connect_wait *w)
{
    if (a->signing) {
        connect_agent_wait(a->agent, w);
    } else {
        connect_session_wait(a->session, w);
    }
}

bool connect_auth_waits_for_agent(const struct connect_auth *a)
{
    return a->signing;
}
