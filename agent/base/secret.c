/*
 * Secrets: PINs, Vault tokens, secret ids. They live in OpenSSL's secure heap, which is locked
 * into memory, left out of core dumps and wiped on free. Nothing here prints one; nobody else may.
 */
#include "base/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

struct secret {
    size_t len;
    char text[];
};

enum { HEAP_SMALL = 64 * 1024, HEAP_LARGE = 256 * 1024, HEAP_MIN_BLOCK = 32 };

static enum secret_heap heap_state = SECRET_HEAP_ABSENT;

enum secret_heap secret_heap_init(void)
{
    struct rlimit lock = {0, 0};
    struct rlimit no_core = {0, 0};

    getrlimit(RLIMIT_MEMLOCK, &lock);
    setrlimit(RLIMIT_CORE, &no_core);
    prctl(PR_SET_DUMPABLE, 0);
    size_t size = lock.rlim_cur >= 2 * HEAP_LARGE ? HEAP_LARGE : HEAP_SMALL;

    switch (CRYPTO_secure_malloc_init(size, HEAP_MIN_BLOCK)) {
    case 1:
        heap_state = SECRET_HEAP_LOCKED;
        break;
    case 2:
        heap_state = SECRET_HEAP_NOT_LOCKED;
        break;
    default:
        heap_state = SECRET_HEAP_ABSENT;
    }
    return heap_state;
}

enum secret_heap secret_heap_state(void)
{
    return heap_state;
}

struct err *secret_new(struct view v, struct secret **ret)
{
    if (v.len == 0) {
        return err_new(ERR_INPUT, "a secret is empty");
    }
    if (v.len > SECRET_MAX_BYTES) {
        return err_new(ERR_LIMIT, "a secret is longer than %d bytes", SECRET_MAX_BYTES);
    }
    struct secret *s = OPENSSL_secure_zalloc(sizeof *s + v.len + 1);

    if (s == NULL) {
        return err_nomem();
    }
    s->len = v.len;
    memcpy(s->text, v.p, v.len);
    *ret = s;
    return NULL;
}

/* May we take a secret from this file, and how much room does reading it need? The heap is small: a
 * PIN must not take 16 KiB of it. One byte more than the file has shows that it grew. */
static struct err *check_file(int fd, const char *path, size_t *ret_room)
{
    enum { ROOM_MIN = 1024 };
    struct stat st;

    if (fstat(fd, &st) < 0) {
        return err_sys(errno, "%s", path);
    }
    *ret_room = SECRET_MAX_BYTES + 1;
    if (!S_ISREG(st.st_mode)) {
        return NULL;
    }
    if ((st.st_mode & (S_IRWXO | S_IWGRP)) != 0) {
        return err_new(ERR_INPUT,
                       "%s holds a secret but its mode is %03o: others can reach it; "
                       "chmod 600 mends that",
                       path, st.st_mode & 0777);
    }
    if (st.st_size > SECRET_MAX_BYTES) {
        return err_new(ERR_LIMIT, "%s is longer than %d bytes", path, SECRET_MAX_BYTES);
    }
    *ret_room = st.st_size < ROOM_MIN ? ROOM_MIN : (size_t)st.st_size + 1;
    return NULL;
}

static struct err *trim_and_copy(const char *path, char *text, size_t len, struct secret **ret)
{
    while (len > 0 && (text[len - 1] == '\n' || text[len - 1] == '\r')) {
        len--;
    }
    if (len == 0) {
        return err_new(ERR_INPUT, "%s is empty", path);
    }
    if (memchr(text, 0, len) != NULL) {
        return err_new(ERR_INPUT, "%s holds NUL bytes: not a text secret", path);
    }
    return secret_new(view_of(text, len), ret);
}

static struct err *read_secret(int fd, const char *path, char *text, size_t room,
                               struct secret **ret)
{
    size_t len = 0;
    ssize_t n = 1;

    while (len < room && n != 0) {
        n = read(fd, text + len, room - len);
        if (n < 0 && errno != EINTR) {
            return err_sys(errno, "read %s", path);
        }
        len += n > 0 ? (size_t)n : 0;
    }
    if (len == room) {
        return err_new(ERR_LIMIT, "%s is longer than %zu bytes", path, room - 1);
    }
    return trim_and_copy(path, text, len, ret);
}

struct err *secret_from_file(const char *path, struct secret **ret)
{
    AUTO(auto_close) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    size_t room = 0;

    if (fd < 0) {
        return err_sys(errno, "%s", path);
    }
    struct err *e = check_file(fd, path, &room);

    if (e != NULL) {
        return e;
    }
    char *text = OPENSSL_secure_zalloc(room);

    if (text == NULL) {
        return err_nomem();
    }
    e = read_secret(fd, path, text, room, ret);
    OPENSSL_secure_clear_free(text, room);
    return e;
}

struct err *secret_from_env(const char *name, struct secret **ret)
{
    char *value = getenv(name);

    if (value == NULL || *value == '\0') {
        return err_new(ERR_NOT_FOUND, "environment variable %s is not set", name);
    }
    struct err *e = secret_new(view_cstr(value), ret);

    OPENSSL_cleanse(value, strlen(value));
    unsetenv(name);
    return e;
}

struct secret *secret_copy(const struct secret *s)
{
    struct secret *copy = NULL;
    AUTO(err_free) struct err *e = s != NULL ? secret_new(secret_view(s), &copy) : NULL;

    return e == NULL ? copy : NULL;
}

void secret_free(struct secret **sp)
{
    struct secret *s = take(sp);

    if (s != NULL) {
        OPENSSL_secure_clear_free(s, sizeof *s + s->len + 1);
    }
}

struct view secret_view(const struct secret *s)
{
    return view_of(s->text, s->len);
}

const char *secret_text(const struct secret *s)
{
    return s->text;
}
