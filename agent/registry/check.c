/*
 * The forms that texts in a spec can have. Whatever goes into an HTTP path, a command line, a file
 * name or an ssh configuration later is judged here, once, when it is put in. No message repeats the
 * text: what does not fit may well be a secret in the wrong place.
 */
#include "registry/check.h"

#include "registry/name.h"

#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define UPPER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"

struct err *registry_check_utf8(const char *text)
{
    uint32_t c = 0;

    for (const char *p = text; *p != '\0';) {
        if (!registry_utf8_next(&p, &c)) {
            return err_new(ERR_INPUT, "not valid UTF-8");
        }
        if (registry_char_is_hidden(c)) {
            return err_new(ERR_INPUT, "holds a character that cannot be seen (U+%04X)",
                           (unsigned)c);
        }
    }
    return NULL;
}

static bool only(const char *text, const char *chars)
{
    return *text != '\0' && text[strspn(text, chars)] == '\0';
}

struct err *registry_check_url(const char *text)
{
    static const char https[] = "https://";
    const char *host = text + strlen(https);

    if (strncmp(text, https, strlen(https)) != 0) {
        return err_new(ERR_INPUT, "must be a URL that begins with https://");
    }
    size_t len = strcspn(host, "/");

    if (memchr(host, '@', len) != NULL) {
        return err_new(ERR_DENIED, "holds a user name or password: log in through \"login\"");
    }
    if (!only(text, LOWER UPPER DIGITS ":/._-[]~") || len == 0 || strstr(host, "..") != NULL ||
        strchr(".-:/", host[0]) != NULL) {
        return err_new(ERR_INPUT,
                       "must be https://HOST[:PORT][/PATH], with no ? or # and no spaces");
    }
    return NULL;
}

struct err *registry_check_proxy(const char *text)
{
    if (strchr(text, '@') != NULL) {
        return err_new(ERR_DENIED, "holds a user name or password, which does not belong here");
    }
    if (!only(text, LOWER UPPER DIGITS ":/._-[]")) {
        return err_new(ERR_INPUT, "must be [SCHEME://]HOST[:PORT], as libcurl has it");
    }
    return NULL;
}

struct err *registry_check_segment(const char *text)
{
    if (!only(text, LOWER UPPER DIGITS "._- @+=") || text[0] == ' ' || strcmp(text, ".") == 0 ||
        strcmp(text, "..") == 0) {
        return err_new(ERR_INPUT, "must be one name of letters, digits, and . _ - @ + =");
    }
    return NULL;
}

struct err *registry_check_path(const char *text)
{
    const char *p = text;

    for (;;) {
        size_t len = strcspn(p, "/");
        AUTO(auto_free) char *part = view_dup(view_of(p, len));

        if (part == NULL) {
            return err_nomem();
        }
        struct err *e = registry_check_segment(part);

        if (e != NULL) {
            err_free(&e);
            return err_new(ERR_INPUT,
                           "must be a path such as team/ssh: names of letters, digits and "
                           ". _ - @ + =, no / at its ends, no empty part, no ..");
        }
        if (p[len] == '\0') {
            return NULL;
        }
        p += len + 1;
    }
}

struct err *registry_check_file(const char *text)
{
    struct err *e = registry_check_utf8(text);

    if (e == NULL && text[0] != '/') {
        e = err_new(ERR_INPUT, "must be the absolute path of a file; what the file holds does not "
                               "belong here");
    }
    return e;
}

struct err *registry_check_variable(const char *text)
{
    if (!only(text, UPPER DIGITS "_") || strchr(DIGITS, text[0]) != NULL) {
        return err_new(ERR_INPUT, "must be a variable's name of A-Z, 0-9 and _; its value does not "
                                  "belong here");
    }
    return NULL;
}

struct err *registry_check_credential(const char *text)
{
    if (!text_name_ok(text)) {
        return err_new(ERR_INPUT, "must be a credential's name of letters, digits and . _ -");
    }
    return NULL;
}

struct err *registry_check_host(const char *text)
{
    if (!only(text, LOWER UPPER DIGITS "._-:%") || strchr("-.%", text[0]) != NULL ||
        strstr(text, "..") != NULL) {
        return err_new(ERR_INPUT, "must be a host name or an IP address");
    }
    return NULL;
}

struct err *registry_check_user(const char *text)
{
    struct err *e = registry_check_utf8(text);

    if (e == NULL && (text[0] == '-' || strpbrk(text, " ,:;\"'`$\\<>|&!*?(){}") != NULL)) {
        e = err_new(ERR_INPUT,
                    "must be a user name: no white space, comma, quote or character that a "
                    "shell acts on, no - at its beginning");
    }
    return e;
}

struct err *registry_check_duration(const char *text)
{
    int64_t s = 0;
    struct err *e = text_duration(text, &s);

    if (e != NULL || s <= 0) {
        err_free(&e);
        return err_new(ERR_INPUT, "must be a duration above 0, such as 90s, 15m, 8h or 7d");
    }
    return NULL;
}

struct err *registry_check_option(const char *text)
{
    size_t len = strspn(text, LOWER UPPER DIGITS "-_@.");

    if (len == 0 || (text[len] != '\0' && text[len] != '=')) {
        return err_new(ERR_INPUT, "must be NAME or NAME=VALUE");
    }
    return registry_check_utf8(text);
}

struct err *registry_check_tag(const char *text)
{
    struct err *e = registry_check_utf8(text);

    if (e == NULL && (text[0] == '\0' || strlen(text) > 256 || strpbrk(text, " ,") != NULL)) {
        e = err_new(ERR_INPUT, "must be a word of 1..256 bytes: no white space, no comma");
    }
    return e;
}

struct err *registry_check_public_key(const char *text)
{
    struct err *e = registry_check_utf8(text);
    size_t type_len = strcspn(text, " ");
    const char *blob = text[type_len] == ' ' ? text + type_len + 1 : "";
    AUTO(buf_deinit) struct buf raw;

    buf_init(&raw, 0);
    if (e == NULL && strchr(text, '\n') == NULL) {
        e = text_unbase64(view_of(blob, strcspn(blob, " ")), &raw);
    }
    struct rd r = rd_of(buf_view(&raw));
    struct view type = rd_string(&r);

    if (e != NULL || rd_failed(&r) || rd_at_end(&r) || type.len == 0 ||
        !view_eq(type, view_of(text, type_len))) {
        err_free(&e);
        return err_new(ERR_INPUT, "must be a public key as one line: TYPE BASE64 [COMMENT]");
    }
    return NULL;
}

struct err *registry_check_key_uri(const char *text)
{
    if (strstr(text, "pin-value") != NULL) {
        return err_new(ERR_DENIED,
                       "holds a PIN (pin-value): take it out, and say where the PIN is in "
                       "\"pin\": {file | environment | credential | command | askpass}");
    }
    if (strncmp(text, "pkcs11:", 7) != 0 ||
        !only(text, LOWER UPPER DIGITS "-._~:/?#[]@!$'()*+,=%&;")) {
        return err_new(ERR_INPUT,
                       "must be a PKCS#11 URI: pkcs11:token=...;object=... or ;id=%%...");
    }
    return NULL;
}

struct err *registry_check_token(const char *text)
{
    return text_name_ok(text) ? NULL : registry_check_key_uri(text);
}
