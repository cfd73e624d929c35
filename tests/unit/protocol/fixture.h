#ifndef PROTOCOL_FIXTURE_H
#define PROTOCOL_FIXTURE_H

/*
 * The agent's socket for real: a loop, a Unix socket in a folder of its own, clients that write
 * what bytes they like. Only the tokens behind it are fake.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "identity/fake_cert.h"
#include "protocol/priv.h"

enum { FIXTURE_WAIT_MS = 10000, FIXTURE_KEYS = 5 };

struct fixture {
    struct io_loop *loop;
    struct remote remote;
    struct remote_key *key[FIXTURE_KEYS]; /* by enum ssh_key_type */
    struct remote_key *ca, *host, *other_host;
    struct signer signer;
    char *principals[2];
    struct identity_want_conf want;
    struct identity_conf conf[FIXTURE_KEYS];
    struct identity_set *set;
    char dir[32], path[48];
    struct protocol_socket *socket;
    int fd; /* the client's end */
    struct buf reply;
    bool closed; /* the agent closed it */
    /* of fixture_run() */
    struct io_timer *timer;
    bool (*until)(struct fixture *f);
    struct mono deadline;
    size_t waiting;
};

static inline void fixture_on_timer(void *arg)
{
    struct fixture *f = arg;

    if (f->until(f) || mono_passed(f->deadline)) {
        io_loop_stop(f->loop);
    } else {
        io_timer_set(f->timer, mono_in(1));
    }
}

/* fixture_run() - let the agent work until something holds; fails when it does not come about */
static inline void fixture_run(struct fixture *f, bool (*until)(struct fixture *f))
{
    f->until = until;
    f->deadline = mono_in(FIXTURE_WAIT_MS);
    io_timer_set(f->timer, mono_now());
    fake_ok(io_loop_run(f->loop));
    assert_true(until(f));
}

static inline int fixture_connect(struct fixture *f)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    strcpy(a.sun_path, f->path);
    assert_int_equal(connect(fd, (const struct sockaddr *)&a, sizeof a), 0);
    return fd;
}

/* fixture_init_agent() - identities and socket over the tokens that are there */
static inline void fixture_init_agent(struct fixture *f)
{
    int fd = -1;

    fake_ok(
        identity_set_new(f->loop, &f->remote, f->conf, FIXTURE_KEYS, f->dir, NULL, NULL, &f->set));
    fake_ok(io_listen_bind(f->path, &fd));
    fake_ok(protocol_listen(f->loop, fd, f->path, NULL, f->set, &f->remote, &f->socket));
}

static inline void fixture_deinit_agent(struct fixture *f)
{
    protocol_free(&f->socket);
    identity_set_free(&f->set);
}

static inline void fixture_init(struct fixture *f)
{
    static const char *const names[] = {"rsa", "p256", "p384", "p521", "ed25519"};
    memset(f, 0, sizeof *f);
    log_init("test", LOG_ERROR);
    fake_ok(io_loop_new(&f->loop));
    f->timer = io_timer_new(f->loop, fixture_on_timer, f);
    buf_init(&f->reply, 0);
    f->signer = (struct signer){.name = "vault", .kind = "vault"};
    f->principals[0] = (char *)"root";
    f->want = (struct identity_want_conf){
        .signer = &f->signer,
        .request = {.kind = SSH_CERT_USER, .role = "admin", .principals = f->principals},
    };
    for (size_t i = 0; i < FIXTURE_KEYS; i++) {
        f->key[i] = fake_key(&f->remote, (enum ssh_key_type)i, names[i]);
        f->conf[i] = (struct identity_conf){.name = names[i],
                                            .key_uri = names[i],
                                            .offer = IDENTITY_OFFER_BOTH,
                                            .wants = &f->want,
                                            .wants_n = 1};
    }
    f->ca = fake_key(&f->remote, SSH_KEY_ED25519, "ca");
    f->host = fake_key(&f->remote, SSH_KEY_ED25519, "host");
    f->other_host = fake_key(&f->remote, SSH_KEY_ED25519, "other-host");
    strcpy(f->dir, "protocol.XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    snprintf(f->path, sizeof f->path, "%s/agent", f->dir);
    fixture_init_agent(f);
    f->fd = fixture_connect(f);
}

static inline void fixture_deinit(struct fixture *f)
{
    DIR *dir;
    struct dirent *entry;

    fixture_deinit_agent(f);
    io_timer_free(&f->timer);
    io_loop_free(&f->loop);
    fake_remote_deinit(&f->remote);
    buf_deinit(&f->reply);
    auto_close(&f->fd);
    dir = opendir(f->dir);
    assert_non_null(dir);
    while ((entry = readdir(dir)) != NULL) {
        unlinkat(dirfd(dir), entry->d_name, 0);
    }
    closedir(dir);
    rmdir(f->dir);
}

/* fixture_give() - a certificate for the key of @type, as from Vault */
static inline void fixture_give(struct fixture *f, enum ssh_key_type type, int64_t ttl_s)
{
    struct fake_cert c = {.key = f->key[type]->public,
                          .ca = f->ca,
                          .principals = {f->principals[0]},
                          .valid_after = wall_now().s - 30,
                          .valid_before = wall_now().s + ttl_s};
    AUTO(auto_free) char *line = fake_cert_line(&c);

    fake_ok(identity_cert_answer(identity_cert_at(identity_at(f->set, type), 0), view_cstr(line),
                                 false));
}

static inline struct view fixture_cert_blob(struct fixture *f, enum ssh_key_type type)
{
    return ssh_cert_blob(identity_cert_current(identity_cert_at(identity_at(f->set, type), 0)));
}

/* fixture_write() - raw bytes */
static inline void fixture_write(struct fixture *f, struct view v)
{
    assert_int_equal(send(f->fd, v.p, v.len, MSG_NOSIGNAL), (ssize_t)v.len);
}

/* fixture_frame() - bytes with their length in front */
static inline void fixture_frame(struct fixture *f, struct view v)
{
    AUTO(buf_deinit) struct buf b;

    buf_init(&b, 0);
    buf_put_string(&b, v);
    fixture_write(f, buf_view(&b));
}

static inline bool fixture_has_reply(struct fixture *f)
{
    uint8_t chunk[4096];
    ssize_t n;

    while (f->fd >= 0 && (n = recv(f->fd, chunk, sizeof chunk, MSG_DONTWAIT)) != -1) {
        if (n == 0) {
            f->closed = true;
            break;
        }
        buf_put(&f->reply, chunk, (size_t)n);
    }
    f->closed |= errno == ECONNRESET;
    struct rd r = rd_of(buf_view(&f->reply));

    rd_string(&r);
    return f->closed || !rd_failed(&r);
}

/* fixture_take() - the oldest reply, moved to @out (emptied first) */
static inline void fixture_take(struct fixture *f, struct buf *out)
{
    fixture_run(f, fixture_has_reply);
    struct rd r = rd_of(buf_view(&f->reply));
    struct view frame = rd_string(&r);

    assert_false(rd_failed(&r));
    buf_clear(out);
    buf_put(out, frame.p, frame.len);
    buf_drop(&f->reply, 4 + frame.len);
}

/* fixture_ask() - one request, its answer into @out */
static inline void fixture_ask(struct fixture *f, struct view request, struct buf *out)
{
    fixture_frame(f, request);
    fixture_take(f, out);
}

/* fixture_expect() - one request whose answer is a single byte */
static inline void fixture_expect(struct fixture *f, struct view request, uint8_t type)
{
    AUTO(buf_deinit) struct buf reply;

    buf_init(&reply, 0);
    fixture_ask(f, request, &reply);
    assert_int_equal(reply.len, 1);
    assert_int_equal(reply.data[0], type);
}

static inline bool fixture_is_closed(struct fixture *f)
{
    fixture_has_reply(f);
    return f->closed;
}

static inline bool fixture_is_waiting(struct fixture *f)
{
    return fake_waiting(&f->remote) == f->waiting;
}

static inline void fixture_reconnect(struct fixture *f)
{
    auto_close(&f->fd);
    f->closed = false;
    buf_clear(&f->reply);
    f->fd = fixture_connect(f);
}

/* A login: what a client has signed (Spec: RFC 4252, 7). */
struct fixture_login {
    const char *session, *alg;
    struct view blob, host_key; /* host_key: hostbound */
};

static inline void fixture_put_login(struct buf *b, const struct fixture_login *l)
{
    buf_put_cstr(b, l->session != NULL ? l->session : "session");
    buf_put_u8(b, 50);
    buf_put_cstr(b, "root");
    buf_put_cstr(b, "ssh-connection");
    buf_put_cstr(b, l->host_key.len > 0 ? "publickey-hostbound-v00@openssh.com" : "publickey");
    buf_put_bool(b, true);
    buf_put_cstr(b, l->alg);
    buf_put_string(b, l->blob);
    if (l->host_key.len > 0) {
        buf_put_string(b, l->host_key);
    }
}

static inline void fixture_put_sign(struct buf *b, struct view blob, struct view data,
                                    uint32_t flags)
{
    buf_put_u8(b, 13);
    buf_put_string(b, blob);
    buf_put_string(b, data);
    buf_put_u32(b, flags);
}

/* fixture_put_p256() - a sign request that is in order; @n makes it different from others */
static inline void fixture_put_p256(struct fixture *f, struct buf *b, const char *session)
{
    AUTO(buf_deinit) struct buf data;
    struct view blob = ssh_key_blob(f->key[SSH_KEY_P256]->public);

    buf_init(&data, 0);
    fixture_put_login(&data, &(struct fixture_login){
                                 .session = session, .alg = "ecdsa-sha2-nistp256", .blob = blob});
    fixture_put_sign(b, blob, buf_view(&data), 0);
}

static inline struct protocol_stats fixture_stats(struct fixture *f)
{
    struct protocol_stats s;

    protocol_stats(f->socket, &s);
    return s;
}

static inline int fixture_set_up(void **state)
{
    static struct fixture f;

    fixture_init(&f);
    *state = &f;
    return 0;
}

static inline int fixture_tear_down(void **state)
{
    fixture_deinit(*state);
    return 0;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, fixture_set_up, fixture_tear_down)

#endif
