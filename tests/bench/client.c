/*
 * A blocking client of an agent's socket. A connection that breaks ends the program: what was
 * measured up to then would mean nothing.
 */
#include "client.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "stats.h"

int client_open(const char *path)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0) {
        must(err_sys(errno, "socket"));
    }
    if (strlen(path) >= sizeof at.sun_path) {
        must(err_new(ERR_INPUT, "%s: too long for a socket", path));
    }
    memcpy(at.sun_path, path, strlen(path) + 1);
    if (connect(fd, (struct sockaddr *)&at, sizeof at) < 0) {
        must(err_sys(errno, "connect to %s", path));
    }
    return fd;
}

void client_send(int fd, struct view request)
{
    while (request.len > 0) {
        ssize_t n = send(fd, request.p, request.len, MSG_NOSIGNAL);

        if (n < 0 && errno != EINTR) {
            must(err_sys(errno, "send to the agent"));
        }
        if (n > 0) {
            request = view_of(request.p + n, request.len - (size_t)n);
        }
    }
}

static void receive(int fd, uint8_t *p, size_t len)
{
    while (len > 0) {
        ssize_t n = recv(fd, p, len, 0);

        if (n == 0) {
            must(err_new(ERR_GONE, "the agent closed a connection"));
        }
        if (n < 0 && errno != EINTR) {
            must(err_sys(errno, "receive from the agent"));
        }
        if (n > 0) {
            p += n;
            len -= (size_t)n;
        }
    }
}

void client_exchange(int fd, struct view request, struct buf *answer)
{
    uint8_t head[sizeof(uint32_t)];

    client_send(fd, request);
    receive(fd, head, sizeof head);
    struct rd r = rd_of(view_of(head, sizeof head));
    uint32_t len = rd_u32(&r);

    buf_clear(answer);
    uint8_t *p = buf_reserve(answer, len);

    must(buf_check(answer, "answer"));
    receive(fd, p, len);
}

bool client_answer_is(const struct buf *answer, uint8_t type)
{
    return answer->len > 0 && answer->data[0] == type;
}
