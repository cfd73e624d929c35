/*
 * libssh2 as the rest of connect/ sees it: one connection that never blocks. This file and
 * channel.c are the only places that know libssh2.
 *
 * It asks for plain host key types only (libssh2 1.11 fails in a key exchange with a host
 * certificate) and does not judge the host's key: that is host_key.c's part, before anything of the
 * user's is sent. It holds no key: signatures come from a callback, which may take its time.
 */
#include "connect/session_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

static const struct {
    int rc;
    enum err_code code;
    const char *name;
} error_rows[] = {
    {LIBSSH2_ERROR_BANNER_RECV, ERR_PROTOCOL, "LIBSSH2_ERROR_BANNER_RECV"},
    {LIBSSH2_ERROR_BANNER_SEND, ERR_GONE, "LIBSSH2_ERROR_BANNER_SEND"},
    {LIBSSH2_ERROR_KEX_FAILURE, ERR_UNSUPPORTED, "LIBSSH2_ERROR_KEX_FAILURE"},
    {LIBSSH2_ERROR_ALLOC, ERR_NOMEM, "LIBSSH2_ERROR_ALLOC"},
    {LIBSSH2_ERROR_SOCKET_SEND, ERR_GONE, "LIBSSH2_ERROR_SOCKET_SEND"},
    {LIBSSH2_ERROR_KEY_EXCHANGE_FAILURE, ERR_PROTOCOL, "LIBSSH2_ERROR_KEY_EXCHANGE_FAILURE"},
    {LIBSSH2_ERROR_TIMEOUT, ERR_TIMEOUT, "LIBSSH2_ERROR_TIMEOUT"},
    {LIBSSH2_ERROR_HOSTKEY_INIT, ERR_PROTOCOL, "LIBSSH2_ERROR_HOSTKEY_INIT"},
    {LIBSSH2_ERROR_SOCKET_DISCONNECT, ERR_GONE, "LIBSSH2_ERROR_SOCKET_DISCONNECT"},
    {LIBSSH2_ERROR_PROTO, ERR_PROTOCOL, "LIBSSH2_ERROR_PROTO"},
    {LIBSSH2_ERROR_METHOD_NONE, ERR_UNSUPPORTED, "LIBSSH2_ERROR_METHOD_NONE"},
    {LIBSSH2_ERROR_AUTHENTICATION_FAILED, ERR_DENIED, "LIBSSH2_ERROR_AUTHENTICATION_FAILED"},
    {LIBSSH2_ERROR_CHANNEL_FAILURE, ERR_DENIED, "LIBSSH2_ERROR_CHANNEL_FAILURE"},
    {LIBSSH2_ERROR_CHANNEL_REQUEST_DENIED, ERR_DENIED, "LIBSSH2_ERROR_CHANNEL_REQUEST_DENIED"},
    {LIBSSH2_ERROR_CHANNEL_CLOSED, ERR_GONE, "LIBSSH2_ERROR_CHANNEL_CLOSED"},
    {LIBSSH2_ERROR_SOCKET_TIMEOUT, ERR_TIMEOUT, "LIBSSH2_ERROR_SOCKET_TIMEOUT"},
    {LIBSSH2_ERROR_SOCKET_RECV, ERR_GONE, "LIBSSH2_ERROR_SOCKET_RECV"},
};

struct err *connect_session_failed(const struct connect_session *s, int rc, const char *doing)
{
    enum err_code code = ERR_REMOTE;
    const char *name = NULL;
    char *text = NULL;

    for (size_t i = 0; i < ARRAY_LEN(error_rows); i++) {
        if (error_rows[i].rc == rc) {
            code = error_rows[i].code;
            name = error_rows[i].name;
        }
    }
    libssh2_session_last_error(s->ssh, &text, NULL, 0);
    AUTO(auto_free) char *safe = text_safe(view_cstr(text ? text : ""));
    struct err *e = err_native(code, ERR_DOMAIN_SSH2, (unsigned long)-rc, name, "%s",
                               safe && *safe ? safe : "failed");
    if (s->goodbye) {
        e = err_add(e, "the host says \"%s\"", s->goodbye);
    }
    return err_add(e, "%s", doing);
}

struct err *connect_session_library_init(void)
{
    int rc = libssh2_init(0);

    return rc == 0 ? NULL : err_new(ERR_BUG, "libssh2_init: %d", rc);
}

static LIBSSH2_DISCONNECT_FUNC(on_disconnect)
{
    struct connect_session *s = *abstract;

    (void)session;
    (void)reason;
    (void)language;
    (void)language_len;
    if (!s->goodbye && message_len >= 0) {
        s->goodbye = text_safe(view_of(message, message_len < 256 ? (size_t)message_len : 256));
    }
}

static void watch_disconnect(struct connect_session *s)
{
#if LIBSSH2_VERSION_NUM >= 0x010b01
    libssh2_session_callback_set2(s->ssh, LIBSSH2_CALLBACK_DISCONNECT,
                                  (libssh2_cb_generic *)on_disconnect);
#else
    union {
        void (*function)(LIBSSH2_SESSION *, int, const char *, int, const char *, int, void **);
        void *object;
    } hook = {on_disconnect};
    libssh2_session_callback_set(s->ssh, LIBSSH2_CALLBACK_DISCONNECT, hook.object);
#endif
}

struct err *connect_session_new(int fd, const char *host_key_algs, struct connect_session **ret)
{
    AUTO(connect_session_free) struct connect_session *s = calloc(1, sizeof *s);

    if (!s) {
        auto_close(&fd);
        return err_nomem();
    }
    s->fd = fd;
    s->ssh = libssh2_session_init_ex(NULL, NULL, NULL, s);
    if (!s->ssh) {
        return err_nomem();
    }
    libssh2_session_set_blocking(s->ssh, 0);
    watch_disconnect(s);
    if (libssh2_session_method_pref(s->ssh, LIBSSH2_METHOD_HOSTKEY, host_key_algs) != 0) {
        return connect_session_failed(s, LIBSSH2_ERROR_METHOD_NONE, "host key algorithms");
    }
    *ret = take(&s);
    return NULL;
}

void connect_session_free(struct connect_session **session)
{
    struct connect_session *s = take(session);

    if (!s) {
        return;
    }
    if (s->ssh) {
        libssh2_session_disconnect(s->ssh, "done");
        /* On a socket that is shut down nothing can block: freeing comes to its end. */
        shutdown(s->fd, SHUT_RDWR);
        while (libssh2_session_free(s->ssh) == LIBSSH2_ERROR_EAGAIN) {
        }
    }
    auto_close(&s->fd);
    free(s->goodbye);
    free(s);
}

void connect_session_wait(const struct connect_session *s, struct connect_wait *w)
{
    int directions = libssh2_session_block_directions(s->ssh);
    short events = 0;

    if (directions & LIBSSH2_SESSION_BLOCK_OUTBOUND) {
        events |= POLLOUT;
    }
    if ((directions & LIBSSH2_SESSION_BLOCK_INBOUND) || !events) {
        events |= POLLIN;
    }
    connect_wait_add(w, s->fd, events);
}

struct err *connect_session_handshake(struct connect_session *s,
                                      enum connect_progress *ret_progress)
{
    int rc = libssh2_session_handshake(s->ssh, s->fd);

    if (rc != 0 && rc != LIBSSH2_ERROR_EAGAIN) {
        return connect_session_failed(s, rc, "key exchange");
    }
    *ret_progress = rc == 0 ? CONNECT_FINISHED : CONNECT_AGAIN;
    return NULL;
}

bool connect_session_has_banner(const struct connect_session *s)
{
    return libssh2_session_banner_get(s->ssh) != NULL;
}

static const char *method(const struct connect_session *s, int type)
{
    const char *name = libssh2_session_methods(s->ssh, type);

    return name ? name : "?";
}

char *connect_session_report(const struct connect_session *s)
{
    const char *banner = libssh2_session_banner_get(s->ssh);
    AUTO(auto_free) char *safe =
        text_safe(view_of(banner ? banner : "", banner ? strnlen(banner, 255) : 0));

    return text_fmt("%s: %s, %s, %s %s out, %s %s in", safe ? safe : "",
                    method(s, LIBSSH2_METHOD_KEX), method(s, LIBSSH2_METHOD_HOSTKEY),
                    method(s, LIBSSH2_METHOD_CRYPT_CS), method(s, LIBSSH2_METHOD_MAC_CS),
                    method(s, LIBSSH2_METHOD_CRYPT_SC), method(s, LIBSSH2_METHOD_MAC_SC));
}

struct view connect_session_host_key(const struct connect_session *s)
{
    size_t len = 0;
    int type;
    const char *blob = libssh2_session_hostkey(s->ssh, &len, &type);

    return view_of(blob, blob ? len : 0);
}

struct err *connect_session_methods(struct connect_session *s, const char *user, char **ret_methods,
                                    enum connect_progress *ret_progress)
{
    const char *methods = libssh2_userauth_list(s->ssh, user, (unsigned)strlen(user));
    int rc = methods ? 0 : libssh2_session_last_errno(s->ssh);

    *ret_progress = CONNECT_FINISHED;
    if (methods) {
        *ret_methods = text_safe(view_cstr(methods));
        return *ret_methods ? NULL : err_nomem();
    }
    if (rc == LIBSSH2_ERROR_EAGAIN) {
        *ret_progress = CONNECT_AGAIN;
        return NULL;
    }
    if (libssh2_userauth_authenticated(s->ssh)) {
        *ret_methods = NULL;
        return NULL;
    }
    return connect_session_failed(s, rc, "ask how to log in");
}

static LIBSSH2_USERAUTH_PUBLICKEY_SIGN_FUNC(on_sign)
{
    struct connect_session *s = *abstract;
    bool failed = false;
    struct buf made;
    enum connect_progress progress;

    (void)session;
    buf_init(&made, 0);
    progress = s->sign(s->sign_arg, view_of(data, data_len), &made, &failed);
    if (progress == CONNECT_AGAIN && !failed) {
        buf_deinit(&made);
        return LIBSSH2_ERROR_EAGAIN;
    }
    if (failed || made.failed || !made.len) {
        buf_deinit(&made);
        /* Not ALGO_UNSUPPORTED: libssh2 1.11 would then sign once more, with SHA-1 for RSA. */
        return LIBSSH2_ERROR_PUBLICKEY_UNVERIFIED;
    }
    *sig = made.data; /* freed by libssh2 with free(), which buf uses as well */
    *sig_len = made.len;
    return 0;
}

static bool has_hung_up(const struct connect_session *s)
{
    char byte;
    ssize_t n = recv(s->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);

    return s->goodbye || n == 0 || (n < 0 && errno != EAGAIN);
}

struct err *connect_session_offer(struct connect_session *s, const char *user, struct view blob,
                                  connect_sign_fn *sign, void *arg, enum connect_verdict *ret,
                                  enum connect_progress *ret_progress)
{
    void *self = s;
    int rc;

    s->sign = sign;
    s->sign_arg = arg;
    rc = libssh2_userauth_publickey(s->ssh, user, blob.p, blob.len, on_sign, &self);
    *ret_progress = CONNECT_FINISHED;
    switch (rc) {
    case 0:
        *ret = CONNECT_ACCEPTED;
        return NULL;
    case LIBSSH2_ERROR_EAGAIN:
        *ret_progress = CONNECT_AGAIN;
        return NULL;
    case LIBSSH2_ERROR_AUTHENTICATION_FAILED:
        *ret = CONNECT_REFUSED;
        return NULL;
    case LIBSSH2_ERROR_PUBLICKEY_UNVERIFIED:
        /* libssh2 1.11 says this of a refused signature and of a connection that ended. */
        *ret = has_hung_up(s) ? CONNECT_CLOSED : CONNECT_REFUSED_SIGNED;
        return NULL;
    case LIBSSH2_ERROR_METHOD_NONE:
        *ret = CONNECT_NO_ALGORITHM;
        return NULL;
    default:
        return connect_session_failed(s, rc, "log in");
    }
}

const char *connect_session_goodbye(const struct connect_session *s)
{
    return s->goodbye ? s->goodbye : "";
}
