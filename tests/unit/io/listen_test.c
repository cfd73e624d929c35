/* Sockets taken over from the dead, never from the living; strangers and crowds turned away. */
#include <grp.h>
#include <sys/resource.h>

#include "io/support.h"

enum { CLIENTS_MAX = 64 };

static char folder[32];
static char *path;
static struct io_listen *listener;
static int accepted[CLIENTS_MAX];
static unsigned accepts, served;
static struct peer last_peer;

static void on_accept(void *arg, int fd, const struct peer *peer)
{
    assert_ptr_equal(arg, &accepts);
    assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    last_peer = *peer;
    accepted[accepts++] = fd;
}

static void on_accept_free(void *arg, int fd, const struct peer *peer)
{
    on_accept(arg, fd, peer);
    io_listen_free(&listener);
}

static int set_up(void **state)
{
    strcpy(folder, "listen-XXXXXX");
    assert_non_null(mkdtemp(folder));
    path = text_fmt("%s/deep/er/agent.sock", folder);
    accepts = served = 0;
    listener = NULL;
    return new_loop(state);
}

static int tear_down(void **state)
{
    static const char *const parts[] = {"/deep/er/agent.sock", "/deep/er/agent.sock.lock",
                                        "/deep/er", "/deep", ""};

    io_listen_free(&listener);
    while (accepts > 0) {
        close(accepted[--accepts]);
    }
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        AUTO(auto_free) char *part = text_fmt("%s%s", folder, parts[i]);

        remove(part);
    }
    auto_free(&path);
    return free_loop(state);
}

static int bind_it(void)
{
    int fd = -1;

    assert_null(io_listen_bind(path, &fd));
    assert_true(fd >= 0);
    return fd;
}

static void listen_on(int fd, unsigned max_conns)
{
    assert_null(io_listen_new(loop, fd, path, max_conns, on_accept, &accepts, &listener));
}

/* -1 when it cannot connect */
static int connect_to(const char *to)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    strcpy(address.sun_path, to);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) < 0) {
        close(fd);
        return -1;
    }
    return fd;
}

static bool is_closed(int fd)
{
    char byte;

    return recv(fd, &byte, 1, MSG_DONTWAIT) == 0;
}

static void test_modes(void **state)
{
    AUTO(auto_close) int fd = bind_it();
    AUTO(auto_free) char *deep = text_fmt("%s/deep", folder);
    struct stat st;

    (void)state;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(stat(deep, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
}

static void test_a_live_socket_is_left_alone(void **state)
{
    AUTO(auto_close) int fd = bind_it();
    int second = -1;
    AUTO(err_free) struct err *e = io_listen_bind(path, &second);

    (void)state;
    assert_true(fd >= 0);
    assert_true(err_is(e, ERR_BUSY));
    assert_int_equal(second, -1);
    AUTO(auto_close) int client = connect_to(path);

    assert_true(client >= 0);
}

static void test_a_dead_socket_is_replaced(void **state)
{
    int dead = bind_it();

    (void)state;
    close(dead);
    assert_int_equal(connect_to(path), -1);
    AUTO(auto_close) int fd = bind_it();
    AUTO(auto_close) int client = connect_to(path);

    assert_true(fd >= 0 && client >= 0);
}

static void test_another_file_is_left_alone(void **state)
{
    int fd = -1;

    (void)state;
    close(bind_it());
    assert_int_equal(unlink(path), 0);
    close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    AUTO(err_free) struct err *e = io_listen_bind(path, &fd);

    assert_true(err_is(e, ERR_EXISTS));
    assert_int_equal(access(path, F_OK), 0);
}

static void test_two_that_start_at_once(void **state)
{
    AUTO(auto_free) char *name = text_fmt("%s.lock", path);
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    int fd = -1;

    (void)state;
    close(bind_it());
    AUTO(auto_close) int lock = open(name, O_RDWR | O_CLOEXEC);

    assert_int_equal(fcntl(lock, F_OFD_SETLK, &whole), 0); /* the other is in the middle of it */
    AUTO(err_free) struct err *e = io_listen_bind(path, &fd);

    assert_true(err_is(e, ERR_BUSY));
    auto_close(&lock);
    AUTO(auto_close) int now = bind_it();

    assert_true(now >= 0);
}

static void test_path_lengths(void **state)
{
    AUTO(auto_free) char *longest = text_fmt("%s/%0*d", folder, 107 - (int)strlen(folder) - 1, 0);
    AUTO(auto_free) char *too_long = text_fmt("%s0", longest);
    AUTO(auto_free) char *lock = text_fmt("%s.lock", longest);
    int fd = -1;

    (void)state;
    assert_int_equal(strlen(longest), 107);
    assert_null(io_listen_bind(longest, &fd));
    auto_close(&fd);
    unlink(longest);
    unlink(lock);
    AUTO(err_free) struct err *e = io_listen_bind(too_long, &fd);
    AUTO(err_free) struct err *empty = io_listen_bind("", &fd);

    assert_true(err_is(e, ERR_INPUT));
    assert_true(err_is(empty, ERR_INPUT));
}

static void test_accept_in_bounded_rounds(void **state)
{
    enum { CLIENTS = 40 };
    int client[CLIENTS];

    (void)state;
    listen_on(bind_it(), 1000);
    for (unsigned i = 0; i < CLIENTS; i++) {
        client[i] = connect_to(path);
        assert_true(client[i] >= 0);
    }
    run_rounds(1);
    assert_in_range(accepts, 1, 32);
    run_rounds(5);
    assert_int_equal(accepts, CLIENTS);
    assert_int_equal(last_peer.uid, geteuid());
    assert_int_equal(last_peer.pid, getpid());
    for (unsigned i = 0; i < CLIENTS; i++) {
        close(client[i]);
    }
}

static void test_crowd_is_turned_away(void **state)
{
    (void)state;
    listen_on(bind_it(), 1);
    AUTO(auto_close) int first = connect_to(path);
    AUTO(auto_close) int second = connect_to(path);

    run_rounds(3);
    assert_int_equal(accepts, 1);
    assert_false(is_closed(first));
    assert_true(is_closed(second));
    io_listen_done(listener, getuid());
    AUTO(auto_close) int third = connect_to(path);

    run_rounds(3);
    assert_int_equal(accepts, 2);
    assert_false(is_closed(third));
}

static void test_out_of_descriptors(void **state)
{
    struct rlimit old, none;

    (void)state;
    listen_on(bind_it(), 1000);
    AUTO(auto_close) int client = connect_to(path);
    AUTO(auto_close) int another = connect_to(path);
    int lowest_free = dup(client);

    close(lowest_free);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
    none = (struct rlimit){(rlim_t)lowest_free, old.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    run_rounds(6);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
    assert_int_equal(accepts, 0);
    assert_true(is_closed(client)); /* at once, instead of no answer for ever */
    assert_true(is_closed(another));
    AUTO(auto_close) int later = connect_to(path);

    run_rounds(3);
    assert_int_equal(accepts, 1);
    assert_false(is_closed(later));
}

/* As a stranger: 0 when the connection was closed without a byte, 4 when it was served. */
static int visit_as_stranger(void)
{
    char byte;

    const gid_t further = 4712;

    if (setgroups(1, &further) < 0 || setresgid(65534, 65534, 65534) < 0 ||
        setresuid(65534, 65534, 65534) < 0) {
        return 2;
    }
    int fd = connect_to(path);

    if (fd < 0) {
        return 3;
    }
    return recv(fd, &byte, 1, 0) == 0 ? 0 : 4;
}

static void child_ended(void *arg)
{
    (void)arg;
    stop();
}

/* The exit status of a stranger's visit; skips the test where nobody else can be tried. */
static int visit(void)
{
    AUTO(auto_free) char *part = text_fmt("%s/deep", folder);
    AUTO(auto_free) char *deeper = text_fmt("%s/deep/er", folder);
    struct io_timer *look = io_timer_new(loop, child_ended, NULL);
    int exit_status;
    pid_t done = 0;

    assert_int_equal(chmod(folder, 0755) | chmod(part, 0755) | chmod(deeper, 0755), 0);
    pid_t child = fork();

    if (child == 0) {
        _exit(visit_as_stranger());
    }
    while (done == 0) {
        io_timer_set(look, mono_in(2));
        run();
        done = waitpid(child, &exit_status, WNOHANG);
        if (accepts > 0) {
            assert_int_equal(send(accepted[0], "x", 1, MSG_NOSIGNAL), 1);
            close(accepted[--accepts]);
            io_listen_done(listener, 65534);
            served++;
        }
    }
    io_timer_free(&look);
    return WEXITSTATUS(exit_status);
}

static void test_foreign_user_is_refused(void **state)
{
    (void)state;
    if (getuid() != 0) {
        skip();
    }
    listen_on(bind_it(), 1000);
    assert_int_equal(chmod(path, 0666), 0); /* somebody opened the door */
    int status = visit();

    if (status == 3) { /* folders above ours are closed to strangers anyway */
        skip();
    }
    assert_int_equal(status, 0);
    assert_int_equal(served, 0);
}

/* @uids, or members of @gids, are let in; who visits is 65534, and in the groups 65534 and 4712. */
static void allow_and_visit(const uid_t *uids, size_t n, const gid_t *gids, size_t gids_n,
                            int status, unsigned served_then)
{
    struct stat st;

    if (getuid() != 0) {
        skip();
    }
    listen_on(bind_it(), 1000);
    assert_null(io_listen_allow(listener, uids, n, gids, gids_n));
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0666);
    int got = visit();

    if (got == 3) {
        skip();
    }
    assert_int_equal(got, status);
    assert_int_equal(served, served_then);
}

static void test_allowed_user_is_served(void **state)
{
    static const uid_t uids[] = {4711, 65534};

    (void)state;
    allow_and_visit(uids, 2, NULL, 0, 4, 1);
}

static void test_only_those_allowed(void **state)
{
    static const uid_t uids[] = {4711, 65533};

    (void)state;
    static const gid_t gids[] = {4711, 65533};

    allow_and_visit(uids, 2, gids, 2, 0, 0);
}

static void test_member_by_primary_group_is_served(void **state)
{
    static const gid_t gids[] = {4711, 65534};

    (void)state;
    allow_and_visit(NULL, 0, gids, 2, 4, 1);
}

static void test_member_by_further_group_is_served(void **state)
{
    static const gid_t gids[] = {4712};

    (void)state;
    allow_and_visit(NULL, 0, gids, 1, 4, 1);
}

static void test_path_goes_with_the_listener(void **state)
{
    (void)state;
    listen_on(bind_it(), 1);
    io_listen_free(&listener);
    assert_int_equal(access(path, F_OK), -1);
}

static void test_successor_keeps_its_path(void **state)
{
    (void)state;
    listen_on(bind_it(), 1);
    assert_int_equal(unlink(path), 0);
    AUTO(auto_close) int successor = bind_it();

    io_listen_free(&listener);
    AUTO(auto_close) int client = connect_to(path);

    assert_true(successor >= 0 && client >= 0);
}

static void test_free_when_accepting(void **state)
{
    int fd = bind_it();

    (void)state;
    assert_null(io_listen_new(loop, fd, path, 8, on_accept_free, &accepts, &listener));
    AUTO(auto_close) int first = connect_to(path);
    AUTO(auto_close) int second = connect_to(path);

    run_rounds(3);
    assert_null(listener);
    assert_int_equal(accepts, 1); /* the other one went with the listener */
    assert_false(is_closed(first));
    assert_true(second >= 0);
    assert_int_equal(connect_to(path), -1);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(test_modes),
        CASE(test_a_live_socket_is_left_alone),
        CASE(test_a_dead_socket_is_replaced),
        CASE(test_another_file_is_left_alone),
        CASE(test_two_that_start_at_once),
        CASE(test_path_lengths),
        CASE(test_accept_in_bounded_rounds),
        CASE(test_crowd_is_turned_away),
        CASE(test_out_of_descriptors),
        CASE(test_foreign_user_is_refused),
        CASE(test_allowed_user_is_served),
        CASE(test_only_those_allowed),
        CASE(test_member_by_primary_group_is_served),
        CASE(test_member_by_further_group_is_served),
        CASE(test_path_goes_with_the_listener),
        CASE(test_successor_keeps_its_path),
        CASE(test_free_when_accepting),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
