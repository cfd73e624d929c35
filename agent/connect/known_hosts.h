#ifndef HF_CONNECT_KNOWN_HOSTS_H
#define HF_CONNECT_KNOWN_HOSTS_H

#include "ssh/ssh.h"

enum {
    CONNECT_KNOWN_FILES_MAX = 8,
    CONNECT_KNOWN_FILE_MAX_BYTES = 8 * 1024 * 1024,
    CONNECT_KNOWN_LINE_MAX_BYTES = 64 * 1024,
    CONNECT_KNOWN_ENTRIES_MAX = 256, /* lines that speak about one host */
    CONNECT_HOST_MAX_BYTES = 255,
};

enum connect_known_kind {
    CONNECT_KNOWN_KEY,     /* the host's own key */
    CONNECT_KNOWN_CA,      /* @cert-authority */
    CONNECT_KNOWN_REVOKED, /* @revoked: a host key or a CA key that is never to be accepted */
};

/** One line that speaks about the host. */
struct connect_known_entry {
    enum connect_known_kind kind;
    struct ssh_key *key; /* owned */
    char *file;          /* owned */
    unsigned line;
    bool
        with_port; /* names this very port; false: the host's name alone, when the port is not 22 */
};

/** What the files say about one host and port. */
struct connect_known {
    char *name; /* as known_hosts has it: "host", or "[host]:port" unless the port is 22 */
    char *host; /* lower case */
    struct connect_known_entry *entries;
    size_t count;
};

/** connect_known_new() - nothing known yet; INPUT for a name that cannot be a host's */
struct err *connect_known_new(const char *host, unsigned port, struct connect_known **ret)
    MUST_CHECK;
void connect_known_free(struct connect_known **k);

/**
 * connect_known_scan() - add what a file's text says about the host. Pure
 * @file: its name, for messages (copied)
 * @text: the whole file
 * Lines that are no entries, and entries with key types we do not know, are passed over, as ssh
 * does. Only an @revoked line about this host that cannot be read is an error: to pass over it
 * could accept a key that somebody wanted refused.
 * Errors: INPUT (that line), LIMIT (entries for one host)
 * Spec: sshd(8), SSH_KNOWN_HOSTS FILE FORMAT
 */
struct err *connect_known_scan(struct connect_known *k, const char *file, struct view text)
    MUST_CHECK;

/** connect_known_read() - connect_known_scan() for files; a file that does not exist says nothing
 * @files: NULL-terminated; NULL: the user's two and the system's
 * Errors: as scan's, LIMIT (size, number of files), DENIED, errno's */
struct err *connect_known_read(struct connect_known *k, char *const *files) MUST_CHECK;

/** connect_known_find() - the first entry of a kind; @key NULL: any key. NULL when absent */
const struct connect_known_entry *connect_known_find(const struct connect_known *k,
                                                     enum connect_known_kind kind,
                                                     const struct ssh_key *key);

/** connect_known_glob() - does a pattern with * and ? match the name, letters of either case */
bool connect_known_glob(struct view pattern, struct view name);

#endif
