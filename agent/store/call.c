/*
 * A call to a store: what was asked is checked against the limits and copied here, before any store
 * sees it, so that both stores refuse the same things in the same words, and the caller's data is
 * borrowed for no longer than the call lasts.
 */
#include <stdlib.h>

#include "store/store_impl.h"

struct store_call *store_call_new(struct store *s, enum store_op op)
{
    struct store_call *c = calloc(1, sizeof *c);

    if (c != NULL) {
        c->store = s;
        c->op = op;
        c->now = wall_now();
    }
    return c;
}

static void free_wanted(struct store_wanted *w)
{
    free(w->kind);
    free(w->tag);
    free(w->name_has);
    free(w->scope);
    text_list_free(&w->scopes);
    store_place_deinit(&w->after);
}

void store_call_free(struct store_call **cp)
{
    struct store_call *c = take(cp);

    if (c == NULL) {
        return;
    }
    for (size_t i = 0; i < c->changes_n; i++) {
        store_entry_deinit(&c->changes[i].entry);
    }
    free(c->changes);
    store_key_deinit(&c->key);
    free_wanted(&c->wanted);
    free(c->path);
    store_entries_free(&c->entries, c->entries_n);
    free(c->cursor);
    free(c->text);
    for (size_t i = 0; i < c->tallies_n; i++) {
        free(c->tallies[i].word);
    }
    free(c->tallies);
    err_free(&c->e);
    free(c);
}

static struct err *check_text(const char *text, size_t max, const char *what)
{
    if (text == NULL) {
        return err_new(ERR_INPUT, "it has no %s", what);
    }
    return strnlen(text, max + 1) > max
               ? err_new(ERR_LIMIT, "its %s has more than %zu bytes", what, max)
               : NULL;
}

static struct err *check_word(const char *text, const char *what)
{
    return text != NULL && *text == '\0' ? err_new(ERR_INPUT, "its %s is empty", what)
                                         : check_text(text, STORE_TEXT_MAX_BYTES, what);
}

static struct err *check_key(const struct store_key *k)
{
    struct err *e = check_word(k->kind, "kind");

    e = e == NULL ? check_word(k->scope, "scope") : e;
    return e == NULL ? check_word(k->id, "identifier") : e;
}

static struct err *check_content(const struct store_entry *entry)
{
    struct err *e = check_word(entry->name, "name");

    e = e == NULL ? check_text(entry->body, STORE_BODY_MAX_BYTES, "body") : e;
    if (e == NULL && entry->refs_n > STORE_REFS_MAX) {
        e = err_new(ERR_LIMIT, "it has %zu references, at most %d", entry->refs_n, STORE_REFS_MAX);
    }
    for (size_t i = 0; e == NULL && i < entry->refs_n; i++) {
        e = err_add(check_key(&entry->refs[i]), "reference %zu", i + 1);
    }
    if (e == NULL && text_list_len(entry->tags) > STORE_TAGS_MAX) {
        e = err_new(ERR_LIMIT, "it has more than %d tags", STORE_TAGS_MAX);
    }
    for (char *const *tag = entry->tags; e == NULL && tag != NULL && *tag != NULL; tag++) {
        e = check_word(*tag, "tag");
    }
    return e;
}

static struct err *copy_change(const struct store_change *from, struct store_change *to)
{
    struct err *e = check_key(&from->entry.key);

    if (e != NULL) {
        return err_add(e, "the entry's key");
    }
    to->what = from->what;
    to->expected = from->expected;
    if (from->what == STORE_DELETE) {
        return store_key_copy(&from->entry.key, &to->entry.key);
    }
    e = check_content(&from->entry);
    return e == NULL ? store_entry_copy(&from->entry, &to->entry)
                     : err_add(e, STORE_KEY_WORDS, STORE_KEY_ARGS(&from->entry.key));
}

struct err *store_call_set_changes(struct store_call *c, const struct store_change *changes,
                                   size_t n)
{
    struct err *e = NULL;

    if (n > STORE_CHANGES_MAX) {
        return err_new(ERR_LIMIT, "%zu changes at once, at most %d", n, STORE_CHANGES_MAX);
    }
    c->changes = calloc(n + 1, sizeof *c->changes);
    if (c->changes == NULL) {
        return err_nomem();
    }
    for (size_t i = 0; e == NULL && i < n; i++) {
        e = copy_change(&changes[i], &c->changes[i]);
        c->changes_n = i + 1;
    }
    return e;
}

struct err *store_call_set_key(struct store_call *c, const struct store_key *key)
{
    struct err *e = check_key(key);

    return e == NULL ? store_key_copy(key, &c->key) : err_add(e, "the entry's key");
}

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool add_once(char ***list, const char *s)
{
    return text_list_has(*list, s) || text_list_add(list, s);
}

/* The scope itself and, if asked for, each that it is below of: up to each of its slashes. */
static struct err *list_scopes(struct store_wanted *w, bool above)
{
    bool ok = add_once(&w->scopes, w->scope) && (!above || add_once(&w->scopes, "account"));

    for (size_t i = 1; ok && above && w->scope[i] != '\0'; i++) {
        if (w->scope[i] == '/') {
            AUTO(auto_free) char *part = strndup(w->scope, i);

            ok = part != NULL && add_once(&w->scopes, part);
        }
    }
    if (!ok) {
        return err_nomem();
    }
    qsort(w->scopes, text_list_len(w->scopes), sizeof *w->scopes, by_bytes);
    return NULL;
}

/* As SQLite's lower() does it: A to Z only, so that nothing depends on a locale. */
static void fold(char *s)
{
    for (; s != NULL && *s != '\0'; s++) {
        *s = *s >= 'A' && *s <= 'Z' ? (char)(*s - 'A' + 'a') : *s;
    }
}

static struct err *begin_page(struct store_wanted *w, const char *after, size_t limit)
{
    if (limit == 0) {
        return err_new(ERR_INPUT, "it asks for no entries");
    }
    if (limit > STORE_PAGE_MAX) {
        return err_new(ERR_LIMIT, "it asks for %zu entries, at most %d", limit, STORE_PAGE_MAX);
    }
    w->limit = limit;
    return store_cursor_read(after, &w->after);
}

struct err *store_call_set_query(struct store_call *c, const struct store_query *q)
{
    struct store_wanted *w = &c->wanted;
    struct err *e = check_word(q->scope, "scope");

    e = e == NULL ? begin_page(w, q->after, q->limit) : e;
    if (e != NULL) {
        return err_add(e, "the query");
    }
    w->kind = text_copy(q->kind);
    w->tag = text_copy(q->tag);
    w->name_has = text_copy(q->name_has);
    w->scope = text_copy(q->scope);
    w->below = q->below;
    fold(w->name_has);
    if (w->scope == NULL || (w->kind == NULL) != (q->kind == NULL) ||
        (w->tag == NULL) != (q->tag == NULL) || (w->name_has == NULL) != (q->name_has == NULL)) {
        return err_nomem();
    }
    return list_scopes(w, q->above);
}

static bool is_below(const char *scope, const char *top)
{
    size_t len = strlen(top);

    return text_eq(top, "account") ||
           (strncmp(scope, top, len) == 0 && (scope[len] == '\0' || scope[len] == '/'));
}

/* In order, and each scope below one of them only. */
static struct err *list_tops(struct store_wanted *w, char *const *tops)
{
    struct err *e = NULL;

    for (size_t i = 0; e == NULL && tops != NULL && tops[i] != NULL; i++) {
        bool covered = false;

        e = check_word(tops[i], "scope");
        for (size_t k = 0; e == NULL && tops[k] != NULL; k++) {
            covered = covered || (is_below(tops[i], tops[k]) && !text_eq(tops[i], tops[k]));
        }
        if (e == NULL && !covered && !add_once(&w->scopes, tops[i])) {
            e = err_nomem();
        }
    }
    if (e == NULL && w->scopes != NULL) {
        qsort(w->scopes, text_list_len(w->scopes), sizeof *w->scopes, by_bytes);
    }
    return e;
}

struct err *store_call_set_tops(struct store_call *c, const struct store_scopes_query *q)
{
    struct err *e = begin_page(&c->wanted, q->after, q->limit);

    return err_add(e == NULL ? list_tops(&c->wanted, q->tops) : e, "the query");
}

struct err *store_call_set_scope(struct store_call *c, const char *scope)
{
    struct err *e = check_word(scope, "scope");

    c->wanted.scope = text_copy(scope);
    return e == NULL && c->wanted.scope == NULL ? err_nomem() : e;
}
