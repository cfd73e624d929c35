/*
 * The client side of the SSH agent protocol, as small as a connection test needs: list and sign.
 *
 * The agent is treated like any peer: its answer has a limit and a deadline (the caller's), and
 * an answer of another kind than asked for is an error.
 *
 * There is no session-bind@openssh.com here. It needs the host's raw signature over the exchange
 * hash, and libssh2 1.11 shows neither that nor the session id. So a key that is restricted to
 * destinations will not sign for us, and a policy that asks for a proven destination sees none.
 */
#include "connect/agent.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum {
    AGENT_FAILURE = 5,
    AGENT_REQUEST_IDENTITIES = 11,
    AGENT_IDENTITIES_ANSWER = 12,
    AGENT_SIGN_REQUEST = 13,
    AGENT_SIGN_RESPONSE = 14,
    HEAD_BYTES = 4,
};

struct connect_agent {
    int fd;
    struct buf out, in;
    uint8_t expected; /* type of the answer */
};

void connect_agent_free(struct connect_agent **agent)
{
    struct connect_agent *a = take(agent);

    if (a) {
        auto_close(&a->fd);
        buf_deinit(&a->out);
        buf_deinit(&a->in);
        free(a);
    }
}

struct err *connect_agent_new(const char *path, struct connect_agent **ret)
{
    AUTO(connect_agent_free) struct connect_agent *a = calloc(1, sizeof *a);
    struct sockaddr_un addr = {.sun_family = AF_UNIX};

    if (!a) {
        return err_nomem();
    }
    a->fd = -1;
    buf_init(&a->out, CONNECT_AGENT_ANSWER_MAX_BYTES);
    buf_init(&a->in, HEAD_BYTES + CONNECT_AGENT_ANSWER_MAX_BYTES);
    if (strlen(path) >= sizeof addr.sun_path) {
        return err_new(ERR_LIMIT, "agent socket %s: longer than %zu bytes", path,
                       sizeof addr.sun_path - 1);
    }
    memcpy(addr.sun_path, path, strlen(path) + 1);
    a->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (a->fd < 0 || connect(a->fd, (const struct sockaddr *)&addr, sizeof addr) != 0) {
        return err_sys(errno, "agent socket %s", path);
    }
    *ret = take(&a);
    return NULL;
}

static struct err *begin(struct connect_agent *a, uint8_t expected, size_t begun)
{
    buf_end_string(&a->out, begun);
    buf_clear(&a->in);
    a->expected = expected;
    return buf_check(&a->out, "a request to the agent");
}

struct err *connect_agent_ask_list(struct connect_agent *a)
{
    buf_clear(&a->out);
    size_t begun = buf_begin_string(&a->out);
    buf_put_u8(&a->out, AGENT_REQUEST_IDENTITIES);
    return begin(a, AGENT_IDENTITIES_ANSWER, begun);
}

struct err *connect_agent_ask_sign(struct connect_agent *a, struct view blob, struct view data,
                                   uint32_t flags)
{
    buf_clear(&a->out);
    size_t begun = buf_begin_string(&a->out);
    buf_put_u8(&a->out, AGENT_SIGN_REQUEST);
    buf_put_string(&a->out, blob);
    buf_put_string(&a->out, data);
    buf_put_u32(&a->out, flags);
    return begin(a, AGENT_SIGN_RESPONSE, begun);
}

/* How many bytes are still missing from the answer: first of its head, then of all. */
static struct err *missing(const struct connect_agent *a, size_t *ret)
{
    struct rd head = rd_of(buf_view(&a->in));
    uint32_t len;

    if (a->in.len < HEAD_BYTES) {
        *ret = HEAD_BYTES - a->in.len;
        return NULL;
    }
    len = rd_u32(&head);
    if (len == 0 || len > CONNECT_AGENT_ANSWER_MAX_BYTES) {
        return err_new(ERR_LIMIT, "the agent's answer has %u bytes, allowed are 1 to %d", len,
                       CONNECT_AGENT_ANSWER_MAX_BYTES);
    }
    *ret = HEAD_BYTES + (size_t)len - a->in.len;
    return NULL;
}

/* 0 when bytes moved, else errno; EPIPE at the end of the stream. */
static int send_some(struct connect_agent *a)
{
    ssize_t n = send(a->fd, a->out.data, a->out.len, MSG_NOSIGNAL);

    if (n < 0) {
        return errno;
    }
    buf_drop(&a->out, (size_t)n);
    return 0;
}

static int receive_some(struct connect_agent *a, size_t want)
{
    uint8_t piece[8192];
    ssize_t n = recv(a->fd, piece, want < sizeof piece ? want : sizeof piece, 0);

    if (n <= 0) {
        return n == 0 ? EPIPE : errno;
    }
    buf_put(&a->in, piece, (size_t)n);
    return 0;
}

static struct err *read_answer(const struct connect_agent *a, struct rd *ret)
{
    struct rd all = rd_of(buf_view(&a->in));
    struct rd answer = rd_nested(&all);
    uint8_t type = rd_u8(&answer);

    if (type == AGENT_FAILURE) {
        return err_new(ERR_DENIED, a->expected == AGENT_SIGN_RESPONSE
                                       ? "the agent refuses to sign"
                                       : "the agent refuses to list its identities");
    }
    if (type != a->expected || rd_failed(&answer)) {
        return err_new(ERR_PROTOCOL, "the agent answers with message %u", type);
    }
    *ret = answer;
    return NULL;
}

struct err *connect_agent_go(struct connect_agent *a, struct rd *ret_answer,
                             enum connect_progress *ret_progress)
{
    for (;;) {
        size_t want = 0;
        int errnum;

        if (a->out.len) {
            errnum = send_some(a);
        } else {
            struct err *e = missing(a, &want);
            if (!e) {
                e = buf_check(&a->in, "the agent's answer");
            }
            if (e) {
                return e;
            }
            if (want == 0) {
                *ret_progress = CONNECT_FINISHED;
                return read_answer(a, ret_answer);
            }
            errnum = receive_some(a, want);
        }
        if (errnum == EAGAIN) {
            *ret_progress = CONNECT_AGAIN;
            return NULL;
        }
        if (errnum != 0 && errnum != EINTR) {
            return errnum == EPIPE ? err_new(ERR_GONE, "the agent closed the connection")
                                   : err_sys(errnum, "agent");
        }
    }
}

void connect_agent_wait(const struct connect_agent *a, struct connect_wait *w)
{
    connect_wait_add(w, a->fd, a->out.len ? POLLOUT : POLLIN);
}
