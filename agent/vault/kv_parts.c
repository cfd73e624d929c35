/*
 * Texts that are larger than an entry may be. A frame to the helper holds 256 KiB, and Raft storage
 * refuses an entry above 1 MiB, which JSON within JSON reaches sooner than its text does. So a long text
 * is cut into pieces, entries of their own below "_parts/ID/", and the entry itself says only
 * "holdfast-parts ID N".
 *
 *   write   the pieces, which nobody knows of yet; then the entry under check-and-set: that one write
 *           decides. Then the pieces of the text before go; or the new ones, when somebody was faster
 *   read    the entry, then its pieces. One that is missing was replaced meanwhile: all over again
 *
 * Pieces are written once, under an ID that is drawn by lot, and never changed, so that what an entry
 * says is whole in whatever order others read and write. What a crash leaves behind is never read.
 */
#include "vault/kv_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

enum { PART_BYTES = 128 * 1024, ID_BYTES = 12, READS_MAX = 5 };
enum { PARTS_MAX = VAULT_KV_TEXT_MAX_BYTES / (PART_BYTES - 4) + 1 };
static const char mark[] = "holdfast-parts ";

struct vault_kv_op {
    LIST_ENTRY(vault_kv_op) link;
    struct vault_kv *kv;
    char *path;
    struct vault_kv_parts parts; /* of this text; path is not used */
    size_t at;                   /* which piece is on its way */
    unsigned reads;
    uint64_t version;
    char *text; /* that is written; NULL: delete */
    size_t cut; /* bytes of it that went out */
    struct buf read;
    struct err *e; /* how a write ended whose pieces are being removed */
    vault_kv_got_fn *on_got;
    vault_kv_written_fn *on_written;
    void *arg;
};

static void op_free(struct vault_kv_op **opp)
{
    struct vault_kv_op *op = take(opp);

    if (op != NULL) {
        LIST_REMOVE(op, link);
        buf_deinit(&op->read);
        err_free(&op->e);
        free(op->path);
        free(op->text);
        free(op);
    }
}

static struct vault_kv_op *op_new(struct vault_kv *kv, const char *path, void *arg)
{
    struct vault_kv_op *op = calloc(1, sizeof *op);

    if (op != NULL) {
        op->kv = kv;
        op->arg = arg;
        buf_init(&op->read, VAULT_KV_TEXT_MAX_BYTES + PART_BYTES);
        LIST_INSERT_HEAD(&kv->ops, op, link);
        op->path = text_copy(path);
    }
    if (op != NULL && op->path == NULL) {
        op_free(&op);
    }
    return op;
}

static void parts_free(struct vault_kv_parts *p)
{
    LIST_REMOVE(p, link);
    free(p->path);
    free(p);
}

void vault_kv_parts_end(struct vault_kv *kv)
{
    struct vault_kv_op *op;

    while ((op = LIST_FIRST(&kv->ops)) != NULL) {
        op_free(&op);
    }
    while (!LIST_EMPTY(&kv->parts)) {
        parts_free(LIST_FIRST(&kv->parts));
    }
}

/* --- which entries have pieces -------------------------------------------------------------------- */

static struct vault_kv_parts *find(struct vault_kv *kv, const char *path)
{
    struct vault_kv_parts *p;

    LIST_FOREACH(p, &kv->parts, link)
    {
        if (text_eq(p->path, path)) {
            return p;
        }
    }
    return NULL;
}

/* @now NULL: none any more. Without memory it is forgotten, and its pieces stay when it changes. */
static void remember(struct vault_kv *kv, const char *path, const struct vault_kv_parts *now)
{
    struct vault_kv_parts *p = find(kv, path);

    if (p != NULL) {
        parts_free(p);
    }
    p = now != NULL ? calloc(1, sizeof *p) : NULL;
    if (p == NULL) {
        return;
    }
    *p = (struct vault_kv_parts){.path = text_copy(path), .n = now->n};
    memcpy(p->id, now->id, sizeof p->id);
    LIST_INSERT_HEAD(&kv->parts, p, link);
    if (p->path == NULL) {
        parts_free(p);
    }
}

static bool is_marked(const char *text)
{
    return strncmp(text, mark, sizeof mark - 1) == 0;
}

static struct err *read_mark(const char *text, struct vault_kv_parts *ret)
{
    struct vault_kv_parts p = {0};
    char end = '\0';
    int n = sscanf(text + sizeof mark - 1, "%31[0-9a-f] %zu%c", p.id, &p.n, &end);

    if (n != 2 || p.n == 0 || p.n > PARTS_MAX) {
        return err_new(ERR_PROTOCOL, "it says that it is in pieces, but not in which");
    }
    *ret = p;
    return NULL;
}

static char *part_path(const struct vault_kv_parts *p, size_t at)
{
    return text_fmt(VAULT_KV_PARTS "%s/%zu", p->id, at);
}

/* --- removing pieces ------------------------------------------------------------------------------ */

static void remove_next(struct vault_kv_op *op);

/* One that cannot be removed stays: nobody reads it. */
static void on_removed(void *arg, struct err *e, uint64_t version)
{
    (void)version;
    err_free(&e);
    remove_next(arg);
}

static void remove_next(struct vault_kv_op *op)
{
    AUTO(auto_free) char *path = op->at < op->parts.n ? part_path(&op->parts, op->at) : NULL;

    op->at++;
    if (path == NULL) {
        op_free(&op);
    } else {
        vault_kv_one_cas(op->kv, path, NULL, 1, on_removed, op);
    }
}

/* Nobody waits for it. */
static void remove_parts(struct vault_kv *kv, const struct vault_kv_parts *p)
{
    struct vault_kv_op *op = op_new(kv, "", NULL);

    if (op != NULL) {
        op->parts.n = p->n;
        memcpy(op->parts.id, p->id, sizeof op->parts.id);
        remove_next(op);
    }
}

/* --- reading -------------------------------------------------------------------------------------- */

static void on_entry(void *arg, struct err *e, const char *text, uint64_t version);

static void read_entry(struct vault_kv_op *op)
{
    op->reads++;
    op->at = 0;
    buf_clear(&op->read);
    vault_kv_one_get(op->kv, op->path, on_entry, op);
}

/* The callback may free the whole: nothing of the op is used after it. */
static void end_read(struct vault_kv_op *op, struct err *e, const char *text)
{
    vault_kv_got_fn *on_got = op->on_got;
    void *arg = op->arg;
    uint64_t version = e == NULL && text != NULL ? op->version : 0;
    struct buf read = op->read;

    buf_init(&op->read, 0);
    op_free(&op);
    on_got(arg, e, text, version);
    buf_deinit(&read);
}

static void read_next(struct vault_kv_op *op);

static void on_part(void *arg, struct err *e, const char *text, uint64_t version)
{
    struct vault_kv_op *op = arg;

    (void)version;
    if (e == NULL && text == NULL && op->reads < READS_MAX) {
        read_entry(op);
        return;
    }
    if (e == NULL && text == NULL) {
        e = err_new(ERR_PROTOCOL, "piece %zu of %zu is missing", op->at + 1, op->parts.n);
    }
    if (e == NULL) {
        buf_put(&op->read, text, strlen(text));
        op->at++;
        read_next(op);
        return;
    }
    end_read(op, err_add(e, "%s", op->path), NULL);
}

static void read_next(struct vault_kv_op *op)
{
    AUTO(auto_free) char *path = op->at < op->parts.n ? part_path(&op->parts, op->at) : NULL;

    if (path != NULL) {
        vault_kv_one_get(op->kv, path, on_part, op);
        return;
    }
    struct err *e = op->at < op->parts.n ? err_nomem() : NULL;

    buf_put_u8(&op->read, '\0');
    e = e == NULL ? buf_check(&op->read, "the text") : e;
    end_read(op, e, e == NULL ? (const char *)op->read.data : NULL);
}

static void on_entry(void *arg, struct err *e, const char *text, uint64_t version)
{
    struct vault_kv_op *op = arg;
    bool in_parts = e == NULL && text != NULL && is_marked(text);

    op->version = version;
    if (in_parts) {
        e = read_mark(text, &op->parts);
        in_parts = e == NULL;
    }
    if (e == NULL) {
        remember(op->kv, op->path, in_parts ? &op->parts : NULL);
    }
    if (in_parts) {
        read_next(op);
        return;
    }
    end_read(op, e, e == NULL ? text : NULL);
}

void vault_kv_get(void *kv, const char *path, vault_kv_got_fn *on_done, void *arg)
{
    struct vault_kv_op *op = op_new(kv, path, arg);

    if (op == NULL) {
        on_done(arg, err_nomem(), NULL, 0);
        return;
    }
    op->on_got = on_done;
    read_entry(op);
}

/* --- writing -------------------------------------------------------------------------------------- */

/* Whose pieces go: nobody's, where the entry may be either. */
static void tidy(struct vault_kv_op *op, const struct err *e)
{
    const struct vault_kv_parts *before = find(op->kv, op->path);

    if (e == NULL) {
        if (before != NULL) {
            remove_parts(op->kv, before);
        }
        remember(op->kv, op->path, op->parts.n > 0 ? &op->parts : NULL);
    } else if (op->parts.n > 0 && (err_is(e, ERR_BUSY) || op->at < op->parts.n)) {
        remove_parts(op->kv, &op->parts);
    }
}

static void on_written(void *arg, struct err *e, uint64_t version)
{
    struct vault_kv_op *op = arg;
    vault_kv_written_fn *on_done = op->on_written;
    void *user = op->arg;

    tidy(op, e);
    op_free(&op);
    on_done(user, e, version);
}

static void write_next(struct vault_kv_op *op);

static void on_part_written(void *arg, struct err *e, uint64_t version)
{
    struct vault_kv_op *op = arg;

    (void)version;
    if (e != NULL) {
        on_written(op, err_add(e, "%s", op->path), 0);
        return;
    }
    op->at++;
    write_next(op);
}

/* Up to here goes the piece that begins at @from; characters stay whole. */
static size_t end_of_part(const char *text, size_t from, size_t len)
{
    size_t end = from + PART_BYTES;

    if (end >= len) {
        return len;
    }
    for (size_t back = 0; back < 3 && ((uint8_t)text[end] & 0xc0) == 0x80; back++) {
        end--;
    }
    return end;
}

static size_t count_parts(const char *text)
{
    size_t len = strlen(text), n = 0;

    for (size_t at = 0; at < len; n++) {
        at = end_of_part(text, at, len);
    }
    return n;
}

static void write_entry(struct vault_kv_op *op)
{
    AUTO(auto_free) char *text =
        op->parts.n > 0 ? text_fmt("%s%s %zu", mark, op->parts.id, op->parts.n) : NULL;

    if (op->parts.n > 0 && text == NULL) {
        on_written(op, err_nomem(), 0);
        return;
    }
    vault_kv_one_cas(op->kv, op->path, text != NULL ? text : op->text, op->version, on_written, op);
}

static void write_next(struct vault_kv_op *op)
{
    if (op->at >= op->parts.n) {
        write_entry(op);
        return;
    }
    size_t end = end_of_part(op->text, op->cut, strlen(op->text));
    AUTO(auto_free) char *path = part_path(&op->parts, op->at);
    AUTO(auto_free) char *piece = view_dup(view_of(op->text + op->cut, end - op->cut));

    if (path == NULL || piece == NULL) {
        on_written(op, err_nomem(), 0);
        return;
    }
    op->cut = end;
    vault_kv_one_cas(op->kv, path, piece, 0, on_part_written, op);
}

static struct err *draw_id(struct vault_kv_parts *p)
{
    uint8_t lot[ID_BYTES];

    if (getrandom(lot, sizeof lot, 0) != (ssize_t)sizeof lot) {
        return err_new(ERR_BUG, "the kernel gives no random bytes");
    }
    AUTO(auto_free) char *hex = text_hex(view_of(lot, sizeof lot));

    snprintf(p->id, sizeof p->id, "%s", hex != NULL ? hex : "");
    return hex != NULL ? NULL : err_nomem();
}

static struct err *check_text(const char *path, const char *text)
{
    if (text != NULL && strlen(text) > VAULT_KV_TEXT_MAX_BYTES) {
        return err_new(ERR_LIMIT, "%s: %zu bytes, at most %d are possible", path, strlen(text),
                       VAULT_KV_TEXT_MAX_BYTES);
    }
    if (text != NULL && is_marked(text)) {
        return err_new(ERR_INPUT, "%s: a text cannot begin with \"%s\"", path, mark);
    }
    return NULL;
}

void vault_kv_cas(void *kv, const char *path, const char *text, uint64_t version,
                  vault_kv_written_fn *on_done, void *arg)
{
    struct err *e = check_text(path, text);
    struct vault_kv_op *op = e == NULL ? op_new(kv, path, arg) : NULL;

    if (op == NULL) {
        on_done(arg, e != NULL ? e : err_nomem(), 0);
        return;
    }
    op->on_written = on_done;
    op->version = version;
    op->text = text_copy(text);
    if (text != NULL && op->text == NULL) {
        e = err_nomem();
    } else if (text != NULL && strlen(text) > PART_BYTES) {
        op->parts.n = count_parts(text);
        e = draw_id(&op->parts);
    }
    if (e != NULL) {
        op_free(&op);
        on_done(arg, e, 0);
        return;
    }
    write_next(op);
}
