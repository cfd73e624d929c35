/*
 * The helper's side: a table of operations over pkcs11/token. A handler reads its request, enters the
 * lane, calls one function of the token and writes the answer; errors travel as they are.
 *
 * The first request is read here, before any other thread exists: it says what the module needs, so
 * the sandbox is entered with it, and vendor code never runs outside the sandbox. Landlock holds
 * for a thread and those it starts.
 *
 * Some modules see a token that was plugged in later only after C_Finalize and C_Initialize (SoftHSM
 * 2.6.1 among them). While no token is open, nobody can be disturbed by that: then listing begins
 * with loading the module anew.
 */
#include "pkcs11/remote/serve.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "ipc/ipc.h"
#include "pkcs11/remote/lane.h"

struct helper {
    struct ops_load load;
    pthread_mutex_t opening; /* one at a time lists, opens, or loads anew */
    struct token_module *module;
    bool listed; /* since the module was loaded */
    struct lanes lanes;
};

static struct err *load_again(struct helper *h)
{
    unsigned open, sessions;

    lanes_count(&h->lanes, &open, &sessions);
    if (h->module != NULL && (open > 0 || !h->listed || !h->load.profile.finalize)) {
        return NULL;
    }
    token_module_unload(&h->module);
    h->listed = false;
    return token_module_load(h->load.path, &h->load.profile, &h->module);
}

static struct err *list(struct helper *h, struct buf *reply)
{
    AUTO(auto_free) struct token_info *info = calloc(OPS_TOKENS_MAX, sizeof *info);
    size_t n = 0;

    if (info == NULL) {
        return err_nomem();
    }
    struct err *e = load_again(h);

    if (e == NULL) {
        e = token_list(h->module, info, OPS_TOKENS_MAX, &n);
    }
    if (e == NULL) {
        h->listed = true;
        ops_tokens_put(reply, info, n);
    }
    return e;
}

static struct err *serve_tokens(struct helper *h, struct ipc_request *q)
{
    struct ops_lanes close;
    struct err *e = ops_lanes_get(&q->body, &close);

    if (e != NULL) {
        return e;
    }
    pthread_mutex_lock(&h->opening);
    for (size_t i = 0; i < close.n; i++) {
        struct lane *lane = lanes_take(&h->lanes, close.lane[i]);

        lane_close(lane);
        lanes_give(&h->lanes, lane);
    }
    e = list(h, q->reply);
    pthread_mutex_unlock(&h->opening);
    return e;
}

static struct err *open_lane(struct helper *h, struct lane *lane, const struct ops_open *o)
{
    struct token *token = NULL;

    lane_close(lane);
    if (h->module == NULL) {
        return err_new(ERR_GONE, "the module is not loaded");
    }
    struct err *e = token_open(h->module, &o->info, &o->profile, &token);

    if (e == NULL) {
        lane_open(lane, token);
    }
    return e;
}

/* As many workers as all sessions together, within what the module bears. */
static struct err *grow(struct helper *h, struct ipc_server *server, unsigned *ret_workers)
{
    unsigned open, n;
    unsigned threads = h->load.profile.threads_max;

    lanes_count(&h->lanes, &open, &n);
    n = threads > 0 && n > threads ? threads : n;
    n = n < 1 ? 1 : n > IPC_WORKERS_MAX ? IPC_WORKERS_MAX : n;
    *ret_workers = n;
    return ipc_server_grow(server, n);
}

static struct err *serve_open(struct helper *h, struct ipc_request *q)
{
    struct ops_opened opened = {0};
    struct ops_open o = {0};
    struct err *e = ops_open_get(&q->body, &o);

    if (e != NULL) {
        return e;
    }
    pthread_mutex_lock(&h->opening);
    struct lane *lane = lanes_take(&h->lanes, o.lane);

    e = open_lane(h, lane, &o);
    if (e == NULL) {
        opened.needs_login = token_needs_login(lane->token);
        opened.sessions = lane->sessions;
        e = grow(h, q->server, &opened.workers);
    }
    lanes_give(&h->lanes, lane);
    pthread_mutex_unlock(&h->opening);
    if (e == NULL) {
        ops_opened_put(q->reply, &opened);
    }
    return e;
}

static struct err *refresh(struct lane *lane, struct buf *reply)
{
    struct token_info info;
    struct err *e = token_refresh(lane->token, &info);

    if (e == NULL) {
        ops_info_put(reply, &info);
    }
    return e;
}

static struct err *serve_login(struct helper *h, struct ipc_request *q)
{
    AUTO(secret_free) struct secret *pin = NULL;
    struct ops_login login;
    struct lane *lane;
    unsigned session;
    struct err *e = ops_login_get(&q->body, &login);

    if (e == NULL && login.has_pin) {
        e = secret_new(login.pin, &pin);
    }
    if (e == NULL) {
        e = lanes_enter(&h->lanes, login.lane, &session, &lane);
    }
    if (e != NULL) {
        return e;
    }
    e = token_login(lane->token, pin, login.force);
    if (e == NULL) {
        e = refresh(lane, q->reply);
    }
    lanes_leave(&h->lanes, lane, session);
    return e;
}

static struct err *serve_refresh(struct helper *h, struct ipc_request *q)
{
    struct lane *lane;
    unsigned session;
    uint32_t number;
    struct err *e = ops_lane_get(&q->body, &number);

    if (e == NULL) {
        e = lanes_enter(&h->lanes, number, &session, &lane);
    }
    if (e != NULL) {
        return e;
    }
    e = refresh(lane, q->reply);
    lanes_leave(&h->lanes, lane, session);
    return e;
}

static struct err *read_keys(struct lane *lane)
{
    struct token_key *keys = NULL;
    size_t n = 0;

    if (lane->token == NULL) {
        return err_new(ERR_GONE, "the token is not open");
    }
    struct err *e = token_keys(lane->token, 0, &keys, &n);

    return e != NULL ? e : lane_set_keys(lane, keys, n);
}

static struct err *serve_keys(struct helper *h, struct ipc_request *q)
{
    struct ops_keys k;
    struct err *e = ops_keys_get(&q->body, &k);

    if (e != NULL) {
        return e;
    }
    struct lane *lane = lanes_take(&h->lanes, k.lane);

    if (k.first == 0) {
        e = read_keys(lane);
    }
    if (e == NULL) {
        ops_page_put(q->reply, lane->keys, lane->keys_n, k.first);
    }
    lanes_give(&h->lanes, lane);
    return e;
}

static struct err *serve_sign(struct helper *h, struct ipc_request *q)
{
    AUTO(buf_deinit) struct buf raw;
    struct ops_sign sign;
    struct lane *lane;
    unsigned session;
    uint32_t number;
    struct err *e = ops_sign_get(&q->body, &sign);

    buf_init(&raw, 0);
    if (e == NULL) {
        e = lanes_enter(&h->lanes, sign.lane, &session, &lane);
    }
    if (e != NULL) {
        return e;
    }
    e = lane_find_key(lane, &sign.name, &number);
    if (e == NULL) {
        e = token_sign(lane->token, session, number, sign.scheme, sign.data, &raw);
    }
    lanes_leave(&h->lanes, lane, session);
    buf_put_string(q->reply, buf_view(&raw));
    return e;
}

static struct err *serve_generate(struct helper *h, struct ipc_request *q)
{
    struct token_key key = {0};
    struct ops_generate g;
    struct lane *lane;
    unsigned session;
    struct err *e = ops_generate_get(&q->body, &g);

    if (e == NULL) {
        e = lanes_enter(&h->lanes, g.lane, &session, &lane);
    }
    if (e != NULL) {
        return e;
    }
    e = token_generate(lane->token, session, &g.spec, &key);
    lanes_leave(&h->lanes, lane, session);
    if (e == NULL) {
        ops_key_put(q->reply, &key);
        token_key_deinit(&key);
    }
    return e;
}

static struct err *serve_delete(struct helper *h, struct ipc_request *q)
{
    AUTO(ssh_key_free) struct ssh_key *key = NULL;
    struct ops_delete d;
    struct err *e = ops_delete_get(&q->body, &d);

    if (e == NULL) {
        e = ssh_key_from_blob(d.blob, &key);
    }
    if (e != NULL) {
        return e;
    }
    struct ops_name name = ops_name_of(d.id, d.blob);
    struct lane *lane = lanes_take(&h->lanes, d.lane);

    if (lane->token == NULL) {
        e = err_new(ERR_GONE, "the token is not open");
    } else {
        lane_forget_key(lane, &name);
        e = token_delete(lane->token, 0, d.id, key);
    }
    lanes_give(&h->lanes, lane);
    return e;
}

static struct err *serve_export(struct helper *h, struct ipc_request *q)
{
    AUTO(auto_free) char *text = NULL;
    struct ops_export x;
    struct lane *lane;
    unsigned session;
    uint32_t number;
    struct err *e = ops_export_get(&q->body, &x);

    if (e == NULL) {
        e = lanes_enter(&h->lanes, x.lane, &session, &lane);
    }
    if (e != NULL) {
        return e;
    }
    e = lane_find_key(lane, &x.name, &number);
    if (e == NULL) {
        e = token_try_export(lane->token, session, number, &text);
    }
    lanes_leave(&h->lanes, lane, session);
    buf_put_cstr(q->reply, text);
    return e;
}

static struct err *serve_certs(struct helper *h, struct ipc_request *q)
{
    struct token_cert *certs = NULL;
    struct ops_certs c;
    struct lane *lane;
    unsigned session;
    size_t n = 0;
    struct err *e = ops_certs_get(&q->body, &c);

    if (e == NULL) {
        e = lanes_enter(&h->lanes, c.lane, &session, &lane);
    }
    if (e != NULL) {
        return e;
    }
    e = token_certs(lane->token, session, &certs, &n);
    lanes_leave(&h->lanes, lane, session);
    if (e == NULL) {
        ops_cert_page_put(q->reply, certs, n, c.first);
        token_certs_free(&certs, n);
    }
    return e;
}

static struct err *serve_cert_store(struct helper *h, struct ipc_request *q)
{
    struct token_key key = {0};
    struct ops_cert c;
    struct lane *lane;
    unsigned session;
    struct err *e = ops_cert_get(&q->body, &c);

    if (e == NULL) {
        e = ssh_key_from_blob(c.blob, &key.key);
    }
    if (e == NULL) {
        e = lanes_enter(&h->lanes, c.lane, &session, &lane);
    }
    if (e == NULL) {
        const struct ops_name name = ops_name_of(c.id, c.blob);

        key.label = c.text;
        key.id_len = c.id.len;
        if (c.id.len > 0) {
            memcpy(key.id, c.id.p, c.id.len);
        }
        e = lane_find_key(lane, &name, &key.number);
        if (e == NULL) {
            e = token_cert_store(lane->token, &key, c.der);
        }
        lanes_leave(&h->lanes, lane, session);
    }
    ssh_key_free(&key.key);
    return e;
}

static struct err *serve(void *helper, void *worker, struct ipc_request *q)
{
    static struct err *(*const table[])(struct helper *, struct ipc_request *) = {
        [OPS_TOKENS] = serve_tokens,
        [OPS_OPEN] = serve_open,
        [OPS_LOGIN] = serve_login,
        [OPS_KEYS] = serve_keys,
        [OPS_SIGN] = serve_sign,
        [OPS_DELETE] = serve_delete,
        [OPS_GENERATE] = serve_generate,
        [OPS_EXPORT] = serve_export,
        [OPS_REFRESH] = serve_refresh,
        [OPS_CERTS] = serve_certs,
        [OPS_CERT_STORE] = serve_cert_store,
    };

    (void)worker;
    if (q->op >= ARRAY_LEN(table) || table[q->op] == NULL) {
        return err_new(ERR_PROTOCOL, "holdfast-token has no operation %u here", q->op);
    }
    return table[q->op](helper, q);
}

/* Read the first request, which must be OPS_LOAD, confine ourselves, load. */
static struct err *load(struct helper *h, struct rd *body, struct ops_library *ret)
{
    struct err *e = ops_load_get(body, &h->load);

    if (e != NULL) {
        return e;
    }
    const struct profile_load *p = &h->load.profile;
    const struct sandbox sandbox = {.allow_exec = p->allow_exec,
                                    .allow_inet = p->allow_inet,
                                    .write_paths = (const char *const *)p->write_paths};

    e = sandbox_enter(&sandbox, ret->sandbox);
    if (e == NULL) {
        e = token_module_load(h->load.path, p, &h->module);
    }
    if (e == NULL) {
        token_module_info(h->module, &ret->info);
    }
    return e;
}

static struct err *answer(int fd, uint32_t id, const struct ops_library *library,
                          const struct err *failed)
{
    AUTO(buf_deinit) struct buf frame;
    enum ipc_result result;

    buf_init(&frame, IPC_MESSAGE_MAX_BYTES);
    ipc_frame_begin(&frame, id, failed == NULL ? IPC_REPLY_OK : IPC_REPLY_ERR);
    if (failed == NULL) {
        ops_library_put(&frame, library);
    } else {
        err_put(&frame, failed);
    }
    struct err *e = ipc_frame_end(&frame);

    return e != NULL ? e : ipc_send(fd, buf_view(&frame), true, &result);
}

/* Return: whether there is something to serve. */
static struct err *start(int fd, struct helper *h, bool *ret_serve)
{
    static_assert(sizeof((struct ops_library *)0)->sandbox >= SANDBOX_TEXT_BYTES, "sandbox text");
    AUTO(buf_deinit) struct buf in;
    AUTO(err_free) struct err *failed = NULL;
    struct ops_library library;
    struct ipc_frame frame;
    enum ipc_result result;

    memset(&library, 0, sizeof library);
    *ret_serve = false;
    buf_init(&in, IPC_MESSAGE_MAX_BYTES);
    struct err *e = ipc_recv(fd, &in, true, &result);

    if (e != NULL || result != IPC_DONE) {
        return e;
    }
    e = ipc_frame_read(buf_view(&in), &frame);
    if (e != NULL) {
        return e;
    }
    failed = frame.op == OPS_LOAD ? load(h, &frame.body, &library)
                                  : err_new(ERR_PROTOCOL, "operation %u before load", frame.op);
    *ret_serve = failed == NULL;
    return answer(fd, frame.id, &library, failed);
}

struct err *serve_run(int fd)
{
    static const struct ipc_server_ops ops = {.serve = serve};
    static struct helper h;
    int owned = fd;
    bool go;

    lanes_init(&h.lanes);
    pthread_mutex_init(&h.opening, NULL);
    struct err *e = start(owned, &h, &go);

    if (e == NULL && go) {
        e = ipc_serve(owned, &ops, &h);
    } else {
        ipc_close(&owned);
    }
    lanes_deinit(&h.lanes);
    token_module_unload(&h.module);
    ops_load_deinit(&h.load);
    pthread_mutex_destroy(&h.opening);
    return e;
}
