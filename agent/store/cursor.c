/*
 * The cursor of a page: the key of the last entry shown, so that the next page starts right after it,
 * whatever was added or deleted in between. To others it is opaque text: base64 with the two
 * characters that are safe in a URL, over a version and four strings.
 */
#include <stdlib.h>

#include "store/store_impl.h"

enum { CURSOR_VERSION = 1, CURSOR_MAX_BYTES = 4 * (STORE_TEXT_MAX_BYTES + 4) + 1 };

void store_place_deinit(struct store_place *p)
{
    free(p->scope);
    free(p->name);
    free(p->id);
    free(p->kind);
    *p = (struct store_place){0};
}

static void swap_characters(char *text, const char *from, const char *to)
{
    for (; *text != '\0'; text++) {
        const char *at = strchr(from, *text);

        *text = at != NULL ? to[at - from] : *text;
    }
}

char *store_cursor_write(const struct store_place *p)
{
    AUTO(buf_deinit) struct buf b;

    buf_init(&b, CURSOR_MAX_BYTES);
    buf_put_u8(&b, CURSOR_VERSION);
    buf_put_cstr(&b, p->scope);
    buf_put_cstr(&b, p->name);
    buf_put_cstr(&b, p->id);
    buf_put_cstr(&b, p->kind);
    char *text = b.failed ? NULL : text_base64(buf_view(&b));

    if (text != NULL) {
        swap_characters(text, "+/", "-_");
    }
    return text;
}

static struct err *read_place(struct view bytes, struct store_place *p)
{
    struct rd r = rd_of(bytes);

    if (rd_u8(&r) != CURSOR_VERSION) {
        rd_fail(&r);
    }
    p->scope = rd_cstr(&r);
    p->name = rd_cstr(&r);
    p->id = rd_cstr(&r);
    p->kind = rd_cstr(&r);
    struct err *e = rd_end(&r, "cursor");

    if (e == NULL && (p->scope == NULL || p->name == NULL || p->id == NULL || p->kind == NULL)) {
        e = err_nomem();
    }
    return e;
}

static struct err *first_place(struct store_place *ret)
{
    *ret = (struct store_place){text_copy(""), text_copy(""), text_copy(""), text_copy("")};
    return ret->scope == NULL || ret->name == NULL || ret->id == NULL || ret->kind == NULL
               ? err_nomem()
               : NULL;
}

struct err *store_cursor_read(const char *text, struct store_place *ret)
{
    AUTO(store_place_deinit) struct store_place p = {0};
    AUTO(auto_free) char *plain = NULL;
    AUTO(buf_deinit) struct buf b;
    struct err *e;

    buf_init(&b, CURSOR_MAX_BYTES);
    if (text == NULL || *text == '\0') {
        e = first_place(&p);
    } else if (strpbrk(text, "+/") != NULL || (plain = text_copy(text)) == NULL) {
        e = err_new(ERR_INPUT, "a character that no cursor has");
    } else {
        swap_characters(plain, "-_", "+/");
        e = text_unbase64(view_cstr(plain), &b);
        e = e == NULL ? read_place(buf_view(&b), &p) : e;
    }
    if (e != NULL) {
        return err_is(e, ERR_NOMEM)
                   ? e
                   : err_add(err_recode(e, ERR_INPUT), "the cursor is not one of this store's");
    }
    *ret = p;
    p = (struct store_place){0};
    return NULL;
}
