/*
 * Names and the identifiers made from them. A name is for people: any script, but nothing that a
 * reader cannot see. An identifier is for references, paths and shells, so it is plain ASCII; it is
 * made once and never changes, and a rename breaks nothing.
 */
#include "registry/name.h"

#include <openssl/evp.h>
#include <stdlib.h>

#include "registry/registry.h"

enum { IDENTIFIER_MAX = 128 };

bool registry_utf8_next(const char **p, uint32_t *ret)
{
    static const struct {
        uint8_t mask, lead, more;
        uint32_t least;
    } rows[] = {{0x80, 0x00, 0, 0},
                {0xe0, 0xc0, 1, 0x80},
                {0xf0, 0xe0, 2, 0x800},
                {0xf8, 0xf0, 3, 0x10000}};
    const uint8_t *s = (const uint8_t *)*p;

    for (size_t r = 0; r < ARRAY_LEN(rows); r++) {
        if ((s[0] & rows[r].mask) != rows[r].lead) {
            continue;
        }
        uint32_t c = s[0] & (uint8_t)~rows[r].mask;

        for (size_t i = 1; i <= rows[r].more; i++) {
            if ((s[i] & 0xc0) != 0x80) {
                return false;
            }
            c = c << 6 | (s[i] & 0x3f);
        }
        if (c < rows[r].least || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff)) {
            return false;
        }
        *p += rows[r].more + 1;
        *ret = c;
        return true;
    }
    return false;
}

bool registry_char_is_hidden(uint32_t c)
{
    static const uint32_t ranges[][2] = {
        {0x00, 0x1f},     {0x7f, 0x9f},     {0xad, 0xad},      {0x61c, 0x61c},   {0x180e, 0x180e},
        {0x200b, 0x200b}, {0x200e, 0x200f}, {0x2028, 0x202e},  {0x2060, 0x206f}, {0xfeff, 0xfeff},
        {0xfff9, 0xfffb}, {0xfffe, 0xffff}, {0xe0000, 0xe007f}};

    for (size_t i = 0; i < ARRAY_LEN(ranges); i++) {
        if (c >= ranges[i][0] && c <= ranges[i][1]) {
            return true;
        }
    }
    return false;
}

static bool is_space(uint32_t c)
{
    return c == ' ' || c == 0xa0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200a) || c == 0x202f ||
           c == 0x205f || c == 0x3000;
}

struct err *registry_name_check(const char *name)
{
    uint32_t first = 0;
    uint32_t c = 0;
    size_t n = 0;

    for (const char *p = name; *p != '\0'; n++) {
        if (!registry_utf8_next(&p, &c)) {
            return err_new(ERR_INPUT, "/name: not valid UTF-8");
        }
        if (registry_char_is_hidden(c)) {
            return err_new(ERR_INPUT, "/name: character %zu (U+%04X) cannot be seen: leave it out",
                           n + 1, (unsigned)c);
        }
        first = n == 0 ? c : first;
    }
    if (n == 0) {
        return err_new(ERR_INPUT, "/name: is empty");
    }
    if (n > REGISTRY_NAME_MAX_CHARS) {
        return err_new(ERR_INPUT, "/name: has %zu characters, at most %d are allowed", n,
                       REGISTRY_NAME_MAX_CHARS);
    }
    if (is_space(first) || is_space(c)) {
        return err_new(ERR_INPUT, "/name: begins or ends with white space");
    }
    return NULL;
}

/* Latin-1 and Latin Extended-A, from U+00C0 to U+017F: what each letter is in ASCII, "" for none. */
static const char *latin(uint32_t c)
{
    static const char *const rows[] = {
        "a", "a", "a",  "a",  "a", "a", "ae", "c", "e", "e", "e", "e", "i", "i", "i",  "i",
        "d", "n", "o",  "o",  "o", "o", "o",  "",  "o", "u", "u", "u", "u", "y", "th", "ss",
        "a", "a", "a",  "a",  "a", "a", "ae", "c", "e", "e", "e", "e", "i", "i", "i",  "i",
        "d", "n", "o",  "o",  "o", "o", "o",  "",  "o", "u", "u", "u", "u", "y", "th", "y",
        "a", "a", "a",  "a",  "a", "a", "c",  "c", "c", "c", "c", "c", "c", "c", "d",  "d",
        "d", "d", "e",  "e",  "e", "e", "e",  "e", "e", "e", "e", "e", "g", "g", "g",  "g",
        "g", "g", "g",  "g",  "h", "h", "h",  "h", "i", "i", "i", "i", "i", "i", "i",  "i",
        "i", "i", "ij", "ij", "j", "j", "k",  "k", "k", "l", "l", "l", "l", "l", "l",  "l",
        "l", "l", "l",  "n",  "n", "n", "n",  "n", "n", "n", "n", "n", "o", "o", "o",  "o",
        "o", "o", "oe", "oe", "r", "r", "r",  "r", "r", "r", "s", "s", "s", "s", "s",  "s",
        "s", "s", "t",  "t",  "t", "t", "t",  "t", "u", "u", "u", "u", "u", "u", "u",  "u",
        "u", "u", "u",  "u",  "w", "w", "y",  "y", "y", "z", "z", "z", "z", "z", "z",  "s"};

    return c >= 0xc0 && c - 0xc0 < ARRAY_LEN(rows) ? rows[c - 0xc0] : "";
}

static char *made_of_hash(const char *name)
{
    uint8_t digest[EVP_MAX_MD_SIZE];

    if (EVP_Digest(name, strlen(name), digest, NULL, EVP_sha256(), NULL) != 1) {
        return NULL;
    }
    AUTO(auto_free) char *hex = text_hex(view_of(digest, 8));

    return hex != NULL ? text_fmt("n_%s", hex) : NULL;
}

/* Words that mean something where a reference or an identifier is read. */
static bool is_reserved(const char *id)
{
    static const char *const words[] = {"account", "org", "project", "all", "none", "null", "new"};

    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        if (strcmp(words[i], id) == 0) {
            return true;
        }
    }
    return false;
}

/* Appends what one character becomes; everything else is one '_' between what is kept. */
static size_t put(char *out, size_t len, uint32_t c)
{
    char ascii[2] = {(char)c, '\0'};
    const char *as = c < 0x80 ? ascii : latin(c);

    if (c < 0x80 && c >= 'A' && c <= 'Z') {
        ascii[0] = (char)(c - 'A' + 'a');
    } else if (c < 0x80 && !(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9')) {
        as = "";
    }
    if (*as == '\0' && len > 0 && out[len - 1] != '_') {
        as = "_";
    }
    for (; *as != '\0' && len < IDENTIFIER_MAX; as++) {
        out[len++] = *as;
    }
    return len;
}

char *registry_identifier_make(const char *name)
{
    char out[IDENTIFIER_MAX + 1];
    size_t len = 0;
    uint32_t c = 0;

    for (const char *p = name; *p != '\0' && registry_utf8_next(&p, &c);) {
        len = put(out, len, c);
    }
    while (len > 0 && out[len - 1] == '_') {
        len--;
    }
    out[len] = '\0';
    if (len == 0) {
        return made_of_hash(name);
    }
    return text_fmt("%s%s", out, is_reserved(out) ? "_" : "");
}

bool registry_identifier_ok(const char *id)
{
    size_t len = strspn(id, "abcdefghijklmnopqrstuvwxyz0123456789_");

    return len > 0 && len <= IDENTIFIER_MAX && id[len] == '\0';
}
