/*
 * known_hosts: which keys, CAs and revocations the user's files hold for one host and port.
 *
 * It must never turn a line into trust that ssh would not see in it: names are matched as ssh does
 * (lists with negation, * and ?, [host]:port, salted hashes), and a match by the bare name, where
 * the port is not 22, is marked as the weaker one it is.
 *
 * Each line goes: fields -> marker -> names against our two names -> key. Only lines whose names
 * match have their key parsed, so a file of thousands costs little more than reading it. Reading
 * the files is in known_files.c; deciding what follows is in host_key.c.
 */
#include "connect/known_hosts.h"

#include <ctype.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>

enum { HASH_BYTES = 20 };

enum names_match { NAMES_NO, NAMES_YES, NAMES_NEVER };

void connect_known_free(struct connect_known **known)
{
    struct connect_known *k = take(known);

    if (!k) {
        return;
    }
    for (size_t i = 0; i < k->count; i++) {
        ssh_key_free(&k->entries[i].key);
        free(k->entries[i].file);
    }
    free(k->entries);
    free(k->name);
    free(k->host);
    free(k);
}

static bool is_host_name(const char *host)
{
    size_t len = strlen(host);

    if (len == 0 || len > CONNECT_HOST_MAX_BYTES || host[0] == '-') {
        return false;
    }
    for (const char *p = host; *p; p++) {
        if (!isgraph((unsigned char)*p) || strchr(",*?!|[]@/\\\"'#", *p)) {
            return false;
        }
    }
    return true;
}

struct err *connect_known_new(const char *host, unsigned port, struct connect_known **ret)
{
    AUTO(connect_known_free) struct connect_known *k = NULL;

    if (!is_host_name(host)) {
        return err_new(ERR_INPUT, "\"%s\" is not the name or address of a host", host);
    }
    k = calloc(1, sizeof *k);
    if (!k || !(k->host = text_copy(host))) {
        return err_nomem();
    }
    for (char *p = k->host; *p; p++) {
        *p = (char)tolower((unsigned char)*p);
    }
    k->name = port == 22 ? text_copy(k->host) : text_fmt("[%s]:%u", k->host, port);
    if (!k->name) {
        return err_nomem();
    }
    *ret = take(&k);
    return NULL;
}

bool connect_known_glob(struct view pattern, struct view name)
{
    size_t p = 0, n = 0, star = SIZE_MAX, mark = 0;

    while (n < name.len) {
        if (p < pattern.len && pattern.p[p] == '*') {
            star = p++;
            mark = n;
        } else if (p < pattern.len &&
                   (pattern.p[p] == '?' || tolower(pattern.p[p]) == tolower(name.p[n]))) {
            p++;
            n++;
        } else if (star != SIZE_MAX) {
            p = star + 1;
            n = ++mark;
        } else {
            return false;
        }
    }
    while (p < pattern.len && pattern.p[p] == '*') {
        p++;
    }
    return p == pattern.len;
}

/* Splits at the first byte of @stops; what follows it stays in @rest. */
static struct view split(struct view *rest, const char *stops)
{
    struct view field = *rest;

    for (size_t i = 0; i < rest->len; i++) {
        if (rest->p[i] != '\0' && strchr(stops, rest->p[i])) {
            field.len = i;
            *rest = view_of(rest->p + i + 1, rest->len - i - 1);
            return field;
        }
    }
    *rest = view_of(rest->p + rest->len, 0);
    return field;
}

static struct view next_field(struct view *rest)
{
    while (rest->len && (*rest->p == ' ' || *rest->p == '\t')) {
        *rest = view_of(rest->p + 1, rest->len - 1);
    }
    return split(rest, " \t");
}

/* "|1|salt|hash": HMAC-SHA1 of the name with the salt as its key, both in base64. */
static bool hash_matches(struct view hashed, const char *name)
{
    struct buf salt, hash;
    uint8_t mac[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    bool same = false;
    struct view rest = view_of(hashed.p + 3, hashed.len - 3);
    struct view salt64 = split(&rest, "|");

    buf_init(&salt, 2 * HASH_BYTES);
    buf_init(&hash, 2 * HASH_BYTES);
    AUTO(err_free) struct err *e = text_unbase64(salt64, &salt);
    if (!e) {
        e = text_unbase64(rest, &hash);
    }
    if (!e && salt.len == HASH_BYTES && hash.len == HASH_BYTES &&
        HMAC(EVP_sha1(), salt.data, HASH_BYTES, (const uint8_t *)name, strlen(name), mac, &len)) {
        same = len == HASH_BYTES && CRYPTO_memcmp(mac, hash.data, HASH_BYTES) == 0;
    }
    buf_deinit(&salt);
    buf_deinit(&hash);
    return same;
}

static enum names_match match_names(struct view names, const char *name)
{
    enum names_match result = NAMES_NO;

    if (names.len > 3 && memcmp(names.p, "|1|", 3) == 0) {
        return hash_matches(names, name) ? NAMES_YES : NAMES_NO;
    }
    while (names.len) {
        struct view pattern = split(&names, ",");
        bool negated = pattern.len && pattern.p[0] == '!';
        if (negated) {
            pattern = view_of(pattern.p + 1, pattern.len - 1);
        }
        if (pattern.len && connect_known_glob(pattern, view_cstr(name))) {
            if (negated) {
                return NAMES_NEVER;
            }
            result = NAMES_YES;
        }
    }
    return result;
}

/* Does the line speak about our host? By "[host]:port", or, weaker, by "host" alone. */
static bool is_ours(const struct connect_known *k, struct view names, bool *ret_with_port)
{
    switch (match_names(names, k->name)) {
    case NAMES_YES:
        *ret_with_port = true;
        return true;
    case NAMES_NEVER:
        return false;
    case NAMES_NO:
        break;
    }
    *ret_with_port = false;
    return match_names(names, k->host) == NAMES_YES;
}

static struct err *add_entry(struct connect_known *k, const struct connect_known_entry *entry)
{
    struct connect_known_entry *grown;

    if (k->count == CONNECT_KNOWN_ENTRIES_MAX) {
        return err_new(ERR_LIMIT, "more than %d lines speak about %s", CONNECT_KNOWN_ENTRIES_MAX,
                       k->name);
    }
    grown = realloc(k->entries, (k->count + 1) * sizeof *grown);
    if (!grown) {
        return err_nomem();
    }
    k->entries = grown;
    grown[k->count] = *entry;
    grown[k->count].file = text_copy(entry->file);
    grown[k->count].key = ssh_key_copy(entry->key);
    k->count++;
    return grown[k->count - 1].file && grown[k->count - 1].key ? NULL : err_nomem();
}

static bool read_marker(struct view *line, enum connect_known_kind *ret)
{
    struct view marker;

    *ret = CONNECT_KNOWN_KEY;
    if (!line->len || *line->p != '@') {
        return true;
    }
    marker = next_field(line);
    if (view_is(marker, "@cert-authority")) {
        *ret = CONNECT_KNOWN_CA;
        return true;
    }
    *ret = CONNECT_KNOWN_REVOKED;
    return view_is(marker, "@revoked");
}

static struct err *scan_line(struct connect_known *k, const char *file, unsigned number,
                             struct view line)
{
    AUTO(ssh_key_free) struct ssh_key *key = NULL;
    AUTO(auto_free) char *text = NULL;
    AUTO(err_free) struct err *bad = NULL;
    struct connect_known_entry entry = {.file = (char *)(uintptr_t)file, .line = number};
    struct view names;

    while (line.len && isspace(line.p[0])) {
        line = view_of(line.p + 1, line.len - 1);
    }
    if (!line.len || *line.p == '#' || !read_marker(&line, &entry.kind)) {
        return NULL;
    }
    names = next_field(&line);
    if (!is_ours(k, names, &entry.with_port)) {
        return NULL;
    }
    while (line.len && isspace(line.p[line.len - 1])) {
        line.len--;
    }
    text = view_dup(line);
    if (!text) {
        return err_nomem();
    }
    bad = view_has_nul(line) ? err_new(ERR_INPUT, "a NUL byte") : ssh_key_from_line(text, &key);
    if (bad) {
        bool matters = entry.kind == CONNECT_KNOWN_REVOKED && !err_is(bad, ERR_UNSUPPORTED);
        return matters ? err_add(take(&bad), "%s:%u: @revoked", file, number) : NULL;
    }
    entry.key = key;
    return add_entry(k, &entry);
}

struct err *connect_known_scan(struct connect_known *k, const char *file, struct view text)
{
    unsigned number = 0;

    while (text.len) {
        struct view line = split(&text, "\n");
        number++;
        if (line.len > CONNECT_KNOWN_LINE_MAX_BYTES) {
            continue;
        }
        struct err *e = scan_line(k, file, number, line);
        if (e) {
            return e;
        }
    }
    return NULL;
}

const struct connect_known_entry *connect_known_find(const struct connect_known *k,
                                                     enum connect_known_kind kind,
                                                     const struct ssh_key *key)
{
    for (size_t i = 0; i < k->count; i++) {
        if (k->entries[i].kind == kind && (!key || ssh_key_eq(k->entries[i].key, key))) {
            return &k->entries[i];
        }
    }
    return NULL;
}
