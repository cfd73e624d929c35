/*
 * plain_client SOCKET PORT USER: logs in on 127.0.0.1 as programs do that were written before there
 * were certificates, with nothing but the agent client that comes with libssh2. It takes whatever the
 * agent shows first for a public key and asks for a signature; the exit status says whether the host
 * let it in. It must not look at what a key is, nor at any file.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <libssh2.h>

static int dial(const char *port)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)strtoul(port, NULL, 10)),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    return fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof to) == 0 ? fd : -1;
}

static int log_in(LIBSSH2_SESSION *session, LIBSSH2_AGENT *agent, const char *user)
{
    struct libssh2_agent_publickey *first = NULL;

    if (libssh2_agent_connect(agent) != 0 || libssh2_agent_list_identities(agent) != 0 ||
        libssh2_agent_get_identity(agent, &first, NULL) != 0 ||
        libssh2_agent_userauth(agent, user, first) != 0) {
        char *why = NULL;

        libssh2_session_last_error(session, &why, NULL, 0);
        fprintf(stderr, "%s\n", why);
        return 1;
    }
    return libssh2_userauth_authenticated(session) == 1 ? 0 : 1;
}

int main(int argc, char **argv)
{
    LIBSSH2_SESSION *session = libssh2_session_init();
    int fd = argc == 4 ? dial(argv[2]) : -1;
    int status = 1;

    if (session != NULL && fd >= 0 && libssh2_session_handshake(session, fd) == 0) {
        LIBSSH2_AGENT *agent = libssh2_agent_init(session);

        libssh2_agent_set_identity_path(agent, argv[1]);
        status = log_in(session, agent, argv[3]);
        libssh2_agent_free(agent);
    }
    libssh2_session_free(session);
    close(fd);
    return status;
}
