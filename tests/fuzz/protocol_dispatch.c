/*
 * Whatever a client sends, each request gets exactly one answer of a known type, in the end.
 *
 * The input is a row of frames for one connection, each behind a 16-bit length. The first byte says
 * after how many frames the token answers what it was asked, so that answers also overtake each
 * other. The connection and the token border are replaced here; identities, policy and dispatch are
 * the real ones.
 */
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include "protocol/priv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SIGNS_MAX = 64, FRAMES_MAX = 64 };

struct remote_key {
    struct ssh_key *public;
};

struct waiting {
    remote_sign_fn *on_reply;
    void *arg;
};

static struct remote_key the_key;
static struct waiting signs[SIGNS_MAX];
static size_t signs_n, answers_n;

static void check(bool holds)
{
    if (!holds) {
        abort();
    }
}

/* --- the token border --- */

struct remote_key *remote_key_ref(struct remote_key *k)
{
    return k;
}

void remote_key_unref(struct remote_key **k)
{
    *k = NULL;
}

const struct ssh_key *remote_key_public(const struct remote_key *k)
{
    return k->public;
}

bool remote_key_usable(const struct remote_key *k)
{
    (void)k;
    return true;
}

void remote_key_info_get(const struct remote_key *k, struct remote_key_info *ret)
{
    (void)k;
    *ret = (struct remote_key_info){.sensitive = true, .local = true, .proven = true};
}

struct err *remote_key_find(const struct remote *r, const char *uri, struct remote_key **ret)
{
    (void)r;
    (void)uri;
    *ret = &the_key;
    return NULL;
}

uint64_t remote_sign(struct remote *r, struct remote_key *k, enum ssh_alg alg, struct view data,
                     struct mono deadline, uint64_t flow, remote_sign_fn *on_reply, void *arg)
{
    (void)r;
    (void)k;
    (void)data;
    (void)deadline;
    (void)flow;
    check(alg == SSH_ALG_ED25519 && signs_n < SIGNS_MAX);
    signs[signs_n++] = (struct waiting){on_reply, arg};
    return signs_n;
}

void remote_cancel(struct remote *r, uint64_t handle)
{
    (void)r;
    signs[handle - 1].on_reply = NULL;
}

/* The newest first, so that answers have to wait for each other. */
static void answer_signs(void)
{
    static const uint8_t raw[64] = {1};

    while (signs_n > 0) {
        struct waiting w = signs[--signs_n];

        if (w.on_reply != NULL) {
            w.on_reply(w.arg, NULL, view_of(raw, sizeof raw));
        }
    }
}

/* --- the connection --- */

void io_conn_send(struct io_conn *c, struct view frame)
{
    (void)c;
    check(frame.len > 0 && frame.len <= PROTOCOL_FRAME_MAX_BYTES);
    switch (frame.p[0]) {
    case MSG_FAILURE:
    case MSG_SUCCESS:
    case MSG_EXTENSION_FAILURE:
        check(frame.len == 1);
        break;
    case MSG_IDENTITIES_ANSWER:
    case MSG_SIGN_RESPONSE:
    case MSG_EXTENSION_RESPONSE:
        check(frame.len > 4);
        break;
    default:
        abort();
    }
    answers_n++;
}

struct err *io_conn_new(struct io_loop *l, int fd, const struct io_conn_limits *limits,
                        const struct io_conn_ops *ops, void *arg, struct io_conn **ret)
{
    (void)l;
    (void)fd;
    (void)limits;
    (void)ops;
    (void)arg;
    *ret = NULL;
    return NULL;
}

void io_conn_free(struct io_conn **c)
{
    *c = NULL;
}

void io_listen_done(struct io_listen *l, uid_t uid)
{
    (void)l;
    (void)uid;
}

/* --- the loop: time stands still --- */

struct err *io_listen_new(struct io_loop *l, int fd, const char *path, unsigned max_conns,
                          void (*on_accept)(void *arg, int fd, const struct peer *peer), void *arg,
                          struct io_listen **ret)
{
    (void)l;
    (void)fd;
    (void)path;
    (void)max_conns;
    (void)on_accept;
    (void)arg;
    *ret = NULL;
    return NULL;
}

struct err *io_listen_allow(struct io_listen *l, const uid_t *uids, size_t n, const gid_t *gids,
                            size_t gids_n)
{
    (void)l;
    (void)uids;
    (void)n;
    (void)gids;
    (void)gids_n;
    return NULL;
}

void io_listen_free(struct io_listen **l)
{
    *l = NULL;
}

struct io_timer {
    int unused;
};

struct io_timer *io_timer_new(struct io_loop *l, void (*on_fire)(void *arg), void *arg)
{
    static struct io_timer timer;

    (void)l;
    (void)on_fire;
    (void)arg;
    return &timer;
}

void io_timer_free(struct io_timer **t)
{
    *t = NULL;
}

void io_timer_set(struct io_timer *t, struct mono at)
{
    (void)t;
    (void)at;
}

void io_timer_clear(struct io_timer *t)
{
    (void)t;
}

/* --- the writer: nothing is kept --- */

struct err *io_writer_new(struct io_loop *l, struct io_writer **ret)
{
    (void)l;
    *ret = NULL;
    return NULL;
}

void io_writer_free(struct io_writer **w)
{
    *w = NULL;
}

struct err *io_writer_put(struct io_writer *w, const char *path, struct buf *content, mode_t mode,
                          io_written_fn *on_written, void *arg)
{
    (void)w;
    (void)path;
    (void)mode;
    (void)on_written;
    (void)arg;
    buf_deinit(content);
    return NULL;
}

struct err *io_writer_read(struct io_writer *w, const char *path, size_t max_bytes, struct buf *out)
{
    (void)w;
    return file_read(path, max_bytes, out);
}

/* --- the agent --- */

static char dir[] = "fuzz.XXXXXX";
static struct identity_set *identities;

static void clean_up(void)
{
    identity_set_free(&identities);
    rmdir(dir);
}

static void start(void)
{
    static const char point[] = "\xd7\x5a\x98\x01\x82\xb1\x0a\xb7\xd5\x4b\xfe\xd3\xc9\x64\x07\x3a"
                                "\x0e\xe1\x72\xf3\xda\xa6\x23\x25\xaf\x02\x1a\x68\xf7\x07\x51\x1a";
    const struct identity_conf conf = {.name = "a", .key_uri = "a", .offer = IDENTITY_OFFER_BOTH};

    check(mkdtemp(dir) != NULL && atexit(clean_up) == 0);
    struct err *e = ssh_key_from_point(SSH_KEY_ED25519, view_of(point, 32), &the_key.public);
    check(e == NULL);
    e = identity_set_new(NULL, NULL, &conf, 1, dir, NULL, NULL, &identities);
    check(e == NULL);
    log_init("fuzz", LOG_ERROR);
}

static struct protocol_conn *new_conn(struct protocol_socket *s)
{
    struct protocol_conn *c = calloc(1, sizeof *c);

    check(c != NULL);
    c->socket = s;
    TAILQ_INIT(&c->answers);
    LIST_INSERT_HEAD(&s->conns, c, next);
    return c;
}

static struct view next_frame(struct rd *r)
{
    size_t len = (size_t)rd_u8(r) << 8;

    len |= rd_u8(r);
    return rd_bytes(r, len < r->left ? len : r->left);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char path[] = "socket";
    static struct protocol_socket socket;
    struct rd r = rd_of(view_of(data, size));
    size_t frames = 0, every = 1 + rd_u8(&r) % 8;

    if (identities == NULL) {
        start();
        socket = (struct protocol_socket){.path = path, .identities = identities};
        buf_init(&socket.reply, PROTOCOL_FRAME_MAX_BYTES);
        buf_init(&socket.list, PROTOCOL_FRAME_MAX_BYTES);
    }
    struct protocol_conn *c = new_conn(&socket);

    answers_n = 0;
    while (r.left > 0 && frames < FRAMES_MAX) {
        protocol_dispatch(c, next_frame(&r));
        if (++frames % every == 0) {
            answer_signs();
        }
    }
    check(answers_n <= frames && c->bindings_n <= POLICY_BINDINGS_MAX);
    if (every != 8) { /* else the client leaves while signatures are waiting */
        answer_signs();
        check(answers_n == frames && TAILQ_EMPTY(&c->answers));
    }
    protocol_drop(&c);
    signs_n = 0;
    return 0;
}
