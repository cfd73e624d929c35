/*
 * Values for answers, over jansson. Texts come from tokens and servers: a label that is not UTF-8
 * must neither break an answer nor vanish from it.
 *
 * A PIN comes in as JSON, so all of jansson's memory is wiped when it is freed: its parser's
 * buffers, its strings, and its growing tables. A block is still one of malloc()'s: what
 * json_dumps() gives is freed with free() all over the registry.
 */
#include "control/json.h"

#include <event2/buffer.h>
#include <malloc.h>
#include <openssl/crypto.h>
#include <stdlib.h>

static void wiping_free(void *p)
{
    if (p != NULL) {
        OPENSSL_cleanse(p, malloc_usable_size(p));
        free(p);
    }
}

void control_json_wipe(void)
{
    json_set_alloc_funcs(malloc, wiping_free);
}

json_t *control_json_text(const char *s)
{
    if (s == NULL) {
        return json_null();
    }
    json_t *v = json_string(s);

    if (v == NULL) {
        AUTO(auto_free) char *safe = text_safe(view_cstr(s));

        v = safe != NULL ? json_string(safe) : NULL;
    }
    return v;
}

json_t *control_json_texts(char *const *list)
{
    json_t *array = json_array();

    for (size_t i = 0; i < text_list_len(list); i++) {
        control_json_add(array, control_json_text(list[i]));
    }
    return array;
}

json_t *control_json_base64(struct view v)
{
    AUTO(auto_free) char *text = text_base64(v);

    return text != NULL ? json_string(text) : NULL;
}

json_t *control_json_time(struct wall t)
{
    char text[WALL_TEXT_BYTES];

    return t.s != 0 ? json_string(wall_text(t, text)) : json_null();
}

json_t *control_json_int_or_null(bool has, int64_t v)
{
    return has ? json_integer(v) : json_null();
}

bool control_json_add(json_t *array, json_t *v)
{
    return json_array_append_new(array, v) == 0;
}

json_t *control_json_join(json_t *a, json_t *b)
{
    if (a == NULL || b == NULL || json_object_update(a, b) < 0) {
        json_decref(a);
        a = NULL;
    }
    json_decref(b);
    return a;
}

static int put_text(const char *text, size_t len, void *arg)
{
    return evbuffer_add(arg, text, len);
}

bool control_json_put(struct evbuffer *out, const json_t *v)
{
    return v != NULL && json_dump_callback(v, put_text, out, JSON_COMPACT) == 0 &&
           evbuffer_add(out, "\n", 1) == 0;
}
