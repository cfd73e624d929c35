/*
 * bench_null: an agent that knows no keys and asks nobody, the limit of everything that is not a
 * signature: it answers every list with as many bytes as it was told, out of one epoll loop. What
 * a real agent takes longer than this is its own doing; the rest is sockets and the scheduler.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "message.h"
#include "stats.h"

enum { EVENTS = 64, BACKLOG = 4096, REQUEST_MAX_BYTES = 4096 };

static int listen_at(const char *path)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (strlen(path) >= sizeof at.sun_path) {
        must(err_new(ERR_INPUT, "%s: too long for a socket", path));
    }
    memcpy(at.sun_path, path, strlen(path) + 1);
    if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof at) < 0 || listen(fd, BACKLOG) < 0) {
        must(err_sys(errno, "listen on %s", path));
    }
    return fd;
}

static void watch(int epoll, int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};

    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0) {
        must(err_sys(errno, "epoll"));
    }
}

static void accept_all(int epoll, int listener)
{
    for (int fd; (fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC)) >= 0;) {
        watch(epoll, fd);
    }
}

/* A request is short and its client waits for the answer: one read has it whole. */
static void serve(int fd, struct view answer)
{
    uint8_t request[REQUEST_MAX_BYTES];

    if (read(fd, request, sizeof request) <= 0 ||
        send(fd, answer.p, answer.len, MSG_NOSIGNAL) != (ssize_t)answer.len) {
        close(fd);
    }
}

static void put_list(struct buf *out, size_t keys_bytes)
{
    size_t frame = buf_begin_string(out);

    buf_put_u8(out, AGENT_LIST_ANSWER);
    buf_put_u32(out, 1);
    size_t blob = buf_begin_string(out);

    for (size_t i = 0; i < keys_bytes; i++) {
        buf_put_u8(out, 0);
    }
    buf_end_string(out, blob);
    buf_put_cstr(out, "null");
    buf_end_string(out, frame);
    must(buf_check(out, "list"));
}

int main(int argc, char **argv)
{
    struct epoll_event events[EVENTS];
    struct rlimit limit;
    struct buf list;

    if (argc != 3) {
        fputs("usage: bench_null SOCKET BYTES\n", stderr);
        return 2;
    }
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
    buf_init(&list, 0);
    put_list(&list, strtoul(argv[2], NULL, 10));
    int listener = listen_at(argv[1]), epoll = epoll_create1(EPOLL_CLOEXEC);

    watch(epoll, listener);
    for (;;) {
        int n = epoll_wait(epoll, events, EVENTS, -1);

        for (int i = 0; i < n; i++) {
            if (events[i].data.fd == listener) {
                accept_all(epoll, listener);
            } else {
                serve(events[i].data.fd, buf_view(&list));
            }
        }
    }
}
