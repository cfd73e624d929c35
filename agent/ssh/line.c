/*
 * Public keys and certificates as one line of text, the form of .pub files and of Vault's answers.
 * Options in front, as in authorized_keys, are no part of it. A comment may hold anything on the way
 * in and is dropped; on the way out it can never become a second line.
 */
#include "ssh/line.h"

#include <stdlib.h>

#include "ssh/key.h"

static struct view next_word(struct view *rest)
{
    while (rest->len > 0 && (rest->p[0] == ' ' || rest->p[0] == '\t')) {
        *rest = view_of(rest->p + 1, rest->len - 1);
    }
    struct view word = view_of(rest->p, 0);

    while (word.len < rest->len && rest->p[word.len] != ' ' && rest->p[word.len] != '\t') {
        word.len++;
    }
    *rest = view_of(rest->p + word.len, rest->len - word.len);
    return word;
}

struct err *ssh_line_read(const char *line, struct buf *blob)
{
    size_t len = strcspn(line, "\r\n");
    const char *end = line + len;

    end += *end == '\r' ? 1 : 0;
    end += *end == '\n' ? 1 : 0;
    if (*end != '\0') {
        return err_new(ERR_INPUT, "more than one line where one public key was expected");
    }
    struct view rest = view_of(line, len);
    struct view type = next_word(&rest);
    struct view base64 = next_word(&rest);

    if (type.len == 0 || base64.len == 0) {
        return err_new(ERR_INPUT, "not a public key line: 'type base64 [comment]' was expected");
    }
    struct err *e = text_unbase64(base64, blob);

    if (e != NULL) {
        return err_add(e, "public key line");
    }
    struct rd r = rd_of(buf_view(blob));

    if (!view_eq(rd_string(&r), type)) {
        return err_new(ERR_INPUT, "the type in front of a public key line is not the key's");
    }
    return NULL;
}

char *ssh_line_write(const char *type, struct view blob, const char *comment)
{
    AUTO(auto_free) char *base64 = text_base64(blob);
    AUTO(auto_free) char *safe = text_safe(view_cstr(comment));

    if (base64 == NULL || safe == NULL) {
        return NULL;
    }
    return text_fmt("%s %s%s%s", type, base64, safe[0] != '\0' ? " " : "", safe);
}
