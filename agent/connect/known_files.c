/*
 * Reads the files that hold known hosts. Everything that touches the disk for them is here, with
 * its limits; what a line means is in known_hosts.c.
 */
#include <pwd.h>
#include <stdlib.h>
#include <unistd.h>

#include "connect/known_hosts.h"

static struct err *read_file(struct connect_known *k, const char *path)
{
    struct buf content;
    struct err *e;

    buf_init(&content, CONNECT_KNOWN_FILE_MAX_BYTES);
    e = file_read(path, CONNECT_KNOWN_FILE_MAX_BYTES, &content);
    if (err_is(e, ERR_NOT_FOUND)) {
        err_free(&e);
    } else if (!e) {
        e = connect_known_scan(k, path, buf_view(&content));
    }
    buf_deinit(&content);
    return err_add(e, "known hosts");
}

static bool add_default(char ***files, const char *home, const char *name)
{
    AUTO(auto_free) char *path = text_fmt("%s/.ssh/%s", home, name);

    return path && text_list_add(files, path);
}

static struct err *default_files(char ***ret)
{
    const char *home = getenv("HOME");
    const struct passwd *user = home && *home ? NULL : getpwuid(getuid());

    if (user) {
        home = user->pw_dir;
    }
    if (home && *home &&
        !(add_default(ret, home, "known_hosts") && add_default(ret, home, "known_hosts2"))) {
        return err_nomem();
    }
    return text_list_add(ret, "/etc/ssh/ssh_known_hosts") ? NULL : err_nomem();
}

struct err *connect_known_read(struct connect_known *k, char *const *files)
{
    AUTO(text_list_free) char **defaults = NULL;

    if (!files) {
        struct err *e = default_files(&defaults);
        if (e) {
            return e;
        }
        files = defaults;
    }
    if (text_list_len(files) > CONNECT_KNOWN_FILES_MAX) {
        return err_new(ERR_LIMIT, "more than %d files of known hosts", CONNECT_KNOWN_FILES_MAX);
    }
    for (size_t i = 0; files[i]; i++) {
        struct err *e = read_file(k, files[i]);
        if (e) {
            return e;
        }
    }
    return NULL;
}
