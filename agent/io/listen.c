/*
 * Listening Unix sockets: taking over the path of a dead agent but never that of a live one, and
 * accepting in bounded rounds.
 *
 * Whoever cannot be served is closed at once, so that it sees an end instead of waiting for nothing.
 * For the case that descriptors have run out, one is kept in reserve to accept and close with.
 */
#include "io/listen.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "io/internal.h"

enum { BACKLOG = 128, ACCEPTS_PER_ROUND = 16, LOG_EVERY_MS = 60 * 1000, PAUSE_MS = 100 };
enum { OWN_MODE = 0600, SHARED_MODE = 0666 };

/* How many connections one of the further users has. */
struct user_conns {
    uid_t uid;
    unsigned n;
};

struct io_listen {
    struct io_loop *loop;
    int fd, spare;
    char *path; /* NULL: not ours to unlink */
    dev_t dev;  /* with ino: the socket we made */
    ino_t ino;
    uid_t *uids; /* who may connect beside ourselves and root */
    size_t uids_n;
    gid_t *gids; /* and members of which groups */
    size_t gids_n;
    struct user_conns *users; /* of those: how many each has; grows */
    size_t users_n;
    bool accepting; /* on_accept may be on the stack */
    unsigned conns, max_conns;
    void (*on_accept)(void *arg, int fd, const struct peer *peer);
    void *arg;
    struct event readable;
    struct io_timer pause;   /* accepting rests while not even the spare helps */
    struct mono quiet_until; /* of the complaint about limits */
};

static struct err *address_of(const char *path, struct sockaddr_un *ret)
{
    size_t len = strlen(path);

    if (len == 0 || len >= sizeof ret->sun_path) {
        return err_new(ERR_INPUT, "a socket's path has 1 to %zu bytes, this one %zu: %s",
                       sizeof ret->sun_path - 1, len, path);
    }
    *ret = (struct sockaddr_un){.sun_family = AF_UNIX};
    memcpy(ret->sun_path, path, len + 1);
    return NULL;
}

/* Held from the look at the old socket until ours listens: of two that start, one sees the other. */
static struct err *lock_path(const char *path, int *ret_fd)
{
    AUTO(auto_free) char *name = text_fmt("%s.lock", path);

    if (name == NULL) {
        return err_nomem();
    }
    AUTO(auto_close) int fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

    if (fd < 0) {
        return err_sys(errno, "%s", name);
    }
    if (fcntl(fd, F_OFD_SETLK, &whole) < 0) {
        return err_new(ERR_BUSY, "another agent is starting on %s", path);
    }
    *ret_fd = fd;
    fd = -1;
    return NULL;
}

static bool is_alive(const struct sockaddr_un *address)
{
    AUTO(auto_close) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    /* any other failure (backlog full, no permission, another type) comes from a bound socket */
    return connect(fd, (const struct sockaddr *)address, sizeof *address) == 0 ||
           (errno != ECONNREFUSED && errno != ENOENT);
}

static struct err *clear_path(const char *path, const struct sockaddr_un *address)
{
    struct stat st;

    if (lstat(path, &st) < 0) {
        return errno == ENOENT ? NULL : err_sys(errno, "%s", path);
    }
    if (!S_ISSOCK(st.st_mode)) {
        return err_new(ERR_EXISTS, "%s exists and is not a socket", path);
    }
    if (is_alive(address)) {
        return err_new(ERR_BUSY, "somebody is listening on %s", path);
    }
    if (unlink(path) < 0 && errno != ENOENT) {
        return err_sys(errno, "remove the dead socket %s", path);
    }
    return NULL;
}

static struct err *make_folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');

    if (slash == NULL || slash == path) {
        return NULL;
    }
    AUTO(auto_free) char *folder = strndup(path, (size_t)(slash - path));

    return folder != NULL ? file_make_folder(folder, 0700) : err_nomem();
}

/* The mode is set before listen(): until then nobody can connect. */
static struct err *bind_and_listen(const char *path, const struct sockaddr_un *address, int *ret_fd)
{
    AUTO(auto_close) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0) {
        return err_sys(errno, "socket");
    }
    if (bind(fd, (const struct sockaddr *)address, sizeof *address) < 0) {
        return err_sys(errno, "bind %s", path);
    }
    if (chmod(path, OWN_MODE) < 0 || listen(fd, BACKLOG) < 0) {
        struct err *e = err_sys(errno, "listen on %s", path);

        unlink(path);
        return e;
    }
    *ret_fd = fd;
    fd = -1;
    return NULL;
}

struct err *io_listen_bind(const char *path, int *ret_fd)
{
    AUTO(auto_close) int lock = -1;
    struct sockaddr_un address;
    struct err *e = address_of(path, &address);

    if (e == NULL) {
        e = make_folder_of(path);
    }
    if (e == NULL) {
        e = lock_path(path, &lock);
    }
    if (e == NULL) {
        e = clear_path(path, &address);
    }
    return e != NULL ? e : bind_and_listen(path, &address, ret_fd);
}

static void complain(struct io_listen *l, const char *about)
{
    if (mono_passed(l->quiet_until)) {
        l->quiet_until = mono_in(LOG_EVERY_MS);
        log_line(LOG_WARN, "%s: new connections are closed at once: %s",
                 l->path != NULL ? l->path : "a socket", about);
    }
}

static int open_spare(void)
{
    return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

/* No descriptor is left to accept with: use the spare one to turn somebody away. */
static void turn_away(struct io_listen *l)
{
    complain(l, "out of file descriptors");
    auto_close(&l->spare);
    AUTO(auto_close) int fd = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    auto_close(&fd);
    l->spare = open_spare();
    if (l->spare < 0) {
        event_del(&l->readable);
        io_timer_set(&l->pause, mono_in(PAUSE_MS));
    }
}

static bool is_member(const struct io_listen *l, gid_t gid)
{
    bool is = false;

    for (size_t i = 0; i < l->gids_n; i++) {
        is = is || gid == l->gids[i];
    }
    return is;
}

/* By the groups that the process has now: what /etc/group says of its user may be another thing. */
static bool is_in_groups(const struct io_listen *l, int fd, gid_t primary)
{
    socklen_t len = 0;

    if (l->gids_n == 0 || is_member(l, primary)) {
        return l->gids_n > 0;
    }
    if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, NULL, &len) == 0 || errno != ERANGE) {
        return false;
    }
    AUTO(auto_free) gid_t *groups = calloc(1, len + 1);
    bool is = false;

    if (groups == NULL || getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &len) < 0) {
        return false;
    }
    for (size_t i = 0; i < len / sizeof *groups; i++) {
        is = is || is_member(l, groups[i]);
    }
    return is;
}

static bool is_ours(uid_t uid)
{
    return uid == geteuid() || uid == 0;
}

static bool may_connect(const struct io_listen *l, int fd, const struct peer *p)
{
    bool may = is_ours(p->uid);

    for (size_t i = 0; i < l->uids_n; i++) {
        may = may || p->uid == l->uids[i];
    }
    return may || is_in_groups(l, fd, p->gid);
}

/* Where a user's connections are counted; NULL: not at all (ourselves), or there is no memory. */
static struct user_conns *conns_of(struct io_listen *l, uid_t uid)
{
    for (size_t i = 0; i < l->users_n; i++) {
        if (l->users[i].uid == uid) {
            return &l->users[i];
        }
    }
    return NULL;
}

static bool count_user(struct io_listen *l, const struct peer *p)
{
    struct user_conns *u = is_ours(p->uid) ? NULL : conns_of(l, p->uid);

    if (is_ours(p->uid)) {
        return true;
    }
    if (u == NULL) {
        struct user_conns *more = reallocarray(l->users, l->users_n + 1, sizeof *more);

        if (more == NULL) {
            return false;
        }
        l->users = more;
        u = &more[l->users_n++];
        *u = (struct user_conns){.uid = p->uid};
    }
    if (u->n >= IO_LISTEN_USER_CONNS_MAX) {
        AUTO(auto_free) char *about = text_fmt("uid %u has %d, the most that one user may have",
                                               (unsigned)p->uid, IO_LISTEN_USER_CONNS_MAX);

        complain(l, about != NULL ? about : "too many of one user");
        return false;
    }
    u->n++;
    return true;
}

static bool admit(struct io_listen *l, int fd, struct peer *ret_peer)
{
    AUTO(err_free) struct err *e = peer_of(fd, ret_peer);

    if (e != NULL) {
        log_err(LOG_WARN, e, "a connection was refused");
        return false;
    }
    if (!may_connect(l, fd, ret_peer)) {
        AUTO(auto_free) char *who = peer_text(ret_peer);

        log_line(LOG_WARN, "%s: refused %s", l->path != NULL ? l->path : "a socket",
                 who != NULL ? who : "a foreign user");
        return false;
    }
    if (l->conns >= l->max_conns) {
        complain(l, "too many connections");
        return false;
    }
    return count_user(l, ret_peer);
}

/* False when nobody else waits, or the callback freed the listener. */
static bool accept_one(struct io_listen *l)
{
    AUTO(auto_close) int fd = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    struct peer peer;

    if (fd < 0) {
        if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
            turn_away(l);
        }
        return false;
    }
    if (admit(l, fd, &peer)) {
        int given = fd;

        fd = -1;
        l->conns++;
        l->on_accept(l->arg, given, &peer);
    }
    return l->fd >= 0;
}

static void destroy(struct io_listen *l)
{
    free(l->path);
    free(l->uids);
    free(l->gids);
    free(l->users);
    free(l);
}

static void on_readable(evutil_socket_t listener, short what, void *arg)
{
    struct io_listen *l = arg;

    (void)listener;
    (void)what;
    l->accepting = true;
    for (unsigned i = 0; i < ACCEPTS_PER_ROUND && accept_one(l); i++) {
    }
    l->accepting = false;
    if (l->fd < 0) {
        destroy(l);
    }
}

static void on_pause_over(void *arg)
{
    struct io_listen *l = arg;

    if (l->spare < 0) {
        l->spare = open_spare();
    }
    event_add(&l->readable, NULL);
}

/* Remember which socket is ours, so that a successor's is never removed. */
static bool remember_path(struct io_listen *l, const char *path)
{
    struct stat st;

    if (path == NULL || lstat(path, &st) < 0) {
        return true;
    }
    l->dev = st.st_dev;
    l->ino = st.st_ino;
    l->path = text_copy(path);
    return l->path != NULL;
}

struct err *io_listen_new(struct io_loop *loop, int fd, const char *path, unsigned max_conns,
                          void (*on_accept)(void *arg, int fd, const struct peer *peer), void *arg,
                          struct io_listen **ret)
{
    AUTO(io_listen_free) struct io_listen *l = calloc(1, sizeof *l);

    if (l == NULL) {
        close(fd);
        return err_nomem();
    }
    l->loop = loop;
    l->fd = fd;
    l->spare = open_spare();
    l->max_conns = max_conns;
    l->on_accept = on_accept;
    l->arg = arg;
    io_timer_init(&l->pause, loop, on_pause_over, l);
    event_assign(&l->readable, loop->base, fd, EV_READ | EV_PERSIST, on_readable, l);
    if (!remember_path(l, path)) {
        return err_nomem();
    }
    if (fcntl(fd, F_SETFL, O_NONBLOCK) < 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) < 0) {
        return err_sys(errno, "a listening socket");
    }
    struct err *e = io_event_add(&l->readable);

    if (e == NULL) {
        *ret = take(&l);
    }
    return e;
}

struct err *io_listen_allow(struct io_listen *l, const uid_t *uids, size_t n, const gid_t *gids,
                            size_t gids_n)
{
    l->uids = calloc(n + 1, sizeof *l->uids);
    l->gids = calloc(gids_n + 1, sizeof *l->gids);
    if (l->uids == NULL || l->gids == NULL) {
        return err_nomem();
    }
    for (size_t i = 0; i < n; i++) {
        l->uids[i] = uids[i];
    }
    for (size_t i = 0; i < gids_n; i++) {
        l->gids[i] = gids[i];
    }
    l->uids_n = n;
    l->gids_n = gids_n;
    return l->path != NULL && chmod(l->path, SHARED_MODE) < 0 ? err_sys(errno, "%s", l->path)
                                                              : NULL;
}

void io_listen_done(struct io_listen *l, uid_t uid)
{
    struct user_conns *u = is_ours(uid) ? NULL : conns_of(l, uid);

    l->conns--;
    if (u != NULL && u->n > 0) {
        u->n--;
    }
}

static void remove_path(const struct io_listen *l)
{
    struct stat st;

    if (l->path != NULL && lstat(l->path, &st) == 0 && st.st_dev == l->dev && st.st_ino == l->ino) {
        unlink(l->path);
    }
}

void io_listen_free(struct io_listen **lp)
{
    struct io_listen *l = take(lp);

    if (l == NULL) {
        return;
    }
    remove_path(l);
    event_del(&l->readable);
    io_timer_deinit(&l->pause);
    auto_close(&l->fd);
    auto_close(&l->spare);
    if (!l->accepting) {
        destroy(l);
    }
}
