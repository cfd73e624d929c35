/*
 * Addresses of Vault's API out of an address and names that people wrote into a configuration. What
 * must never happen: that a mount or a role leads to another path than the one it says, by "..", by
 * a query or by a code for a slash. So the characters that could are refused, with a text that
 * shows them, and all others but the plain ones are percent-encoded (Spec: RFC 3986, 2.3).
 */
#include "vault/url.h"

#include <stdio.h>
#include <string.h>

static struct err *refuse(const char *what, const char *text, const char *why)
{
    AUTO(auto_free) char *safe = text_safe(view_cstr(text));

    return err_new(ERR_INPUT, "%s \"%s\" %s", what, safe != NULL ? safe : "", why);
}

static bool has_control(const char *s)
{
    for (; *s != '\0'; s++) {
        if ((unsigned char)*s < 0x20 || *s == 0x7f) {
            return true;
        }
    }
    return false;
}

struct err *vault_url_begin(struct buf *url, const char *address)
{
    static const char scheme[] = "https://";
    size_t len = strlen(address);

    if (strncmp(address, scheme, strlen(scheme)) != 0) {
        return refuse("the address", address, "must begin with https://");
    }
    if (has_control(address) || strpbrk(address, " ?#@\\") != NULL) {
        return refuse("the address", address, "may hold a host, a port and a path only");
    }
    while (len > strlen(scheme) && address[len - 1] == '/') {
        len--;
    }
    if (len == strlen(scheme)) {
        return refuse("the address", address, "names no host");
    }
    buf_put(url, address, len);
    buf_put(url, "/v1", 3);
    return NULL;
}

static bool is_name(const char *name)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._";
    bool is_ipv6 = name[0] == '[' && name[strspn(name + 1, "0123456789abcdefABCDEF:.") + 1] == ']';

    return is_ipv6 ? strchr(name, ']')[1] == '\0'
                   : name[0] != '\0' && name[strspn(name, plain)] == '\0';
}

struct err *vault_url_named(struct buf *url, const char *address, const char *name,
                            struct buf *connect_to)
{
    AUTO(buf_deinit) struct buf plain;

    buf_init(&plain, 0);
    struct err *e = vault_url_begin(&plain, address);

    if (e != NULL) {
        return e;
    }
    if (!is_name(name)) {
        return refuse("the server name", name, "is not the name of a host");
    }
    static const char scheme[] = "https://";
    const char *host = address + strlen(scheme);
    size_t len = strcspn(host, "/");
    size_t host_len = host[0] == '[' ? strcspn(host, "]/") + 1 : strcspn(host, ":/");

    host_len = host_len < len ? host_len : len;
    buf_put(connect_to, "::", 2);
    buf_put(connect_to, host, host_len);
    buf_put(connect_to, ":", host_len == len ? 1 : 0); /* no port: the URL's */
    buf_put(connect_to, host + host_len, len - host_len);
    buf_put_u8(connect_to, 0);
    buf_put(url, scheme, strlen(scheme));
    buf_put(url, name, strlen(name));
    buf_put(url, plain.data + strlen(scheme) + host_len, plain.len - strlen(scheme) - host_len);
    return buf_check(connect_to, "an address");
}

static void put_segment(struct buf *url, struct view segment)
{
    static const char plain[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
    char code[4];

    buf_put(url, "/", 1);
    for (size_t i = 0; i < segment.len; i++) {
        if (memchr(plain, segment.p[i], sizeof plain - 1) != NULL) {
            buf_put(url, &segment.p[i], 1);
        } else {
            snprintf(code, sizeof code, "%%%02X", segment.p[i]);
            buf_put(url, code, 3);
        }
    }
}

struct err *vault_url_path(struct buf *url, const char *path)
{
    size_t len = strlen(path);
    const char *at = path;

    if (has_control(path) || strpbrk(path, "?#%\\") != NULL) {
        return refuse("the path", path, "holds a character that no path here may hold");
    }
    while (len > 0 && path[len - 1] == '/') {
        len--;
    }
    at += strspn(path, "/");
    do {
        const char *end = path + len;
        const char *slash = at < end ? memchr(at, '/', (size_t)(end - at)) : NULL;
        struct view segment =
            view_of(at, at < end ? (size_t)((slash != NULL ? slash : end) - at) : 0);

        if (segment.len == 0 || view_is(segment, ".") || view_is(segment, "..")) {
            return refuse("the path", path, "holds an empty, \".\" or \"..\" segment");
        }
        put_segment(url, segment);
        at = slash != NULL ? slash + 1 : NULL;
    } while (at != NULL);
    return NULL;
}

struct err *vault_url_name(struct buf *url, const char *name)
{
    if (strchr(name, '/') != NULL) {
        return refuse("the name", name, "holds a slash");
    }
    return vault_url_path(url, name);
}

struct err *vault_url_end(struct buf *url, const char **ret)
{
    buf_put_u8(url, 0);
    struct err *e = buf_check(url, "the address of a request");

    if (e == NULL) {
        *ret = (const char *)url->data;
    }
    return e;
}
