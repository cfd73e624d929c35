/*
 * One HTTPS request. This is the only file of the agent's side that knows libcurl, and it knows
 * nothing of Vault but three header names.
 *
 * What it must never do: follow a redirect (the token would go with it), trust the system's CAs
 * where a bundle is configured, take in an answer without an end, or wait beyond its time. libcurl
 * keeps copies of headers and bodies for as long as it works on them; ours are wiped here.
 *
 * A handle is reset between requests, which forgets all settings and keeps the open connections; a
 * pool has the handles (pool.c). A run of requests is one TLS handshake, and with a client certificate
 * one signature. What is to prove that the key signs, a login, gets a connection of its own first, which
 * the requests after it use too.
 *
 * The signature is asked for in the middle of the handshake, with libcurl waiting: so its deadline is
 * the request's. Why it was refused is told by the asker, as libcurl has no words for it.
 */
#include "vault/http.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdlib.h>
#include <strings.h>

#include "vault/peer.h"
#include "vault/pool.h"

enum { DAY_S = 24 * 60 * 60, IDLE_S = 4 * 60 }; /* Vault closes what is idle for 5 minutes */

struct vault_http {
    char why[CURL_ERROR_SIZE];
    /* while a request runs */
    struct vault_handle *handle;
    CURL *curl; /* the handle's */
    const struct vault_http_request *request;
};

/* What the callbacks fill while a request runs. */
struct intake {
    CURL *curl;
    struct vault_http_answer *answer;
    size_t max;
    bool too_long;
};

struct err *vault_http_init(void)
{
    return curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK
               ? vault_provider_init()
               : err_new(ERR_BUG, "libcurl does not start");
}

struct err *vault_http_new(struct vault_http **ret)
{
    *ret = calloc(1, sizeof **ret);
    return *ret != NULL ? NULL : err_nomem();
}

void vault_http_free(struct vault_http **hp)
{
    free(take(hp));
}

void vault_http_answer_deinit(struct vault_http_answer *a)
{
    buf_deinit(&a->body);
}

/* --- what comes in ----------------------------------------------------------------------------- */

static size_t on_body(char *p, size_t size, size_t n, void *arg)
{
    struct intake *in = arg;

    if (n > in->max - in->answer->body.len) {
        in->too_long = true;
        return 0;
    }
    buf_put(&in->answer->body, p, size * n);
    return in->answer->body.failed ? 0 : size * n;
}

/* The value of a header line without white space around it; false when it is another header. */
static bool header_is(const char *line, size_t len, const char *name, struct view *ret)
{
    size_t at = strlen(name);

    if (len <= at || strncasecmp(line, name, at) != 0 || line[at] != ':') {
        return false;
    }
    at++;
    while (at < len && (line[at] == ' ' || line[at] == '\t')) {
        at++;
    }
    while (len > at && (line[len - 1] == '\r' || line[len - 1] == '\n' || line[len - 1] == ' ')) {
        len--;
    }
    *ret = view_of(line + at, len - at);
    return true;
}

/* libcurl tells of a connection's TLS only while it is in use. */
static bool is_key_signed(CURL *curl)
{
    const struct curl_tlssessioninfo *tls = NULL;

    return curl_easy_getinfo(curl, CURLINFO_TLS_SSL_PTR, &tls) == CURLE_OK && tls != NULL &&
           tls->backend == CURLSSLBACKEND_OPENSSL && vault_client_cert_counted(tls->internals);
}

static size_t on_header(char *p, size_t size, size_t n, void *arg)
{
    const struct intake *in = arg;
    struct vault_http_answer *answer = in->answer;
    struct view value;

    answer->key_signed = answer->key_signed || is_key_signed(in->curl);
    if (header_is(p, n, "Date", &value)) {
        AUTO(auto_free) char *text = view_dup(value);
        time_t date = text != NULL ? curl_getdate(text, NULL) : -1;

        answer->has_date = date > 0;
        answer->date.s = date;
    } else if (header_is(p, n, "Location", &value) && value.len < sizeof answer->location) {
        memcpy(answer->location, value.p, value.len);
        answer->location[value.len] = '\0';
    }
    return size * n;
}

/* --- what goes out ----------------------------------------------------------------------------- */

static void free_headers(struct curl_slist **list)
{
    for (struct curl_slist *l = *list; l != NULL; l = l->next) {
        explicit_bzero(l->data, strlen(l->data)); /* one of them is the token */
    }
    curl_slist_free_all(*list);
    *list = NULL;
}

/* What libcurl borrows while a request runs. */
struct lists {
    struct curl_slist *headers, *connect_to;
};

static void free_lists(struct lists *l)
{
    free_headers(&l->headers);
    free_headers(&l->connect_to);
}

static bool add_header(struct curl_slist **list, const char *name, const char *value)
{
    char *line = text_fmt("%s: %s", name, value);
    struct curl_slist *grown = line != NULL ? curl_slist_append(*list, line) : NULL;

    if (line != NULL) {
        explicit_bzero(line, strlen(line));
        free(line);
    }
    if (grown != NULL) {
        *list = grown;
    }
    return grown != NULL;
}

static struct err *make_lists(const struct vault_http_request *r, struct lists *ret)
{
    if (r->namespace_ != NULL && strpbrk(r->namespace_, "\r\n") != NULL) {
        return err_new(ERR_INPUT, "the namespace holds a line break");
    }
    struct curl_slist **list = &ret->headers;
    bool whole = add_header(list, "X-Vault-Request", "true") &&
                 add_header(list, "Content-Type", "application/json") &&
                 (r->namespace_ == NULL || add_header(list, "X-Vault-Namespace", r->namespace_)) &&
                 (r->token == NULL || add_header(list, "X-Vault-Token", secret_text(r->token)));

    if (r->connect_to != NULL) {
        ret->connect_to = curl_slist_append(NULL, r->connect_to);
        whole = whole && ret->connect_to != NULL;
    }
    return whole ? NULL : err_nomem();
}

/* libcurl itself does not look at the variables that say where a system keeps its CAs. */
static void set_trust(CURL *curl, const struct vault_http_request *r)
{
    bool own = r->ca_bundle != NULL || r->ca_pem != NULL;
    const char *file = own ? r->ca_bundle : getenv("SSL_CERT_FILE");
    const char *folder = own ? NULL : getenv("SSL_CERT_DIR");

    if (own || file != NULL) {
        curl_easy_setopt(curl, CURLOPT_CAINFO, file); /* NULL: not the one libcurl is built with */
    }
    if (own || folder != NULL) {
        curl_easy_setopt(curl, CURLOPT_CAPATH, folder); /* NULL: the bundle and nothing else */
    }
    if (r->ca_pem != NULL) {
        struct curl_blob pem = {
            .data = (char *)r->ca_pem, .len = strlen(r->ca_pem), .flags = CURL_BLOB_COPY};

        curl_easy_setopt(curl, CURLOPT_CAINFO_BLOB, &pem);
    }
}

/* Called between TCP and TLS of a new connection. */
static CURLcode on_tls(CURL *curl, void *ssl_ctx, void *arg)
{
    const struct vault_http *h = arg;
    struct vault_asker *asker = &h->handle->asker;

    (void)curl;
    if (h->request->peer != NULL) {
        vault_peer_on_tls(h->request->peer, ssl_ctx);
    }
    if (h->request->cert.key != NULL && asker->refusal == NULL) {
        asker->refusal = vault_client_cert_install(&h->request->cert, asker, ssl_ctx);
    }
    return asker->refusal == NULL ? CURLE_OK : CURLE_SSL_CERTPROBLEM;
}

static void set_connection(struct vault_http *h, const struct vault_http_request *r)
{
    curl_easy_setopt(h->curl, CURLOPT_SSL_CTX_FUNCTION, on_tls);
    curl_easy_setopt(h->curl, CURLOPT_SSL_CTX_DATA, h);
    curl_easy_setopt(h->curl, CURLOPT_PROXY, r->proxy);
    curl_easy_setopt(h->curl, CURLOPT_NOPROXY, r->no_proxy);
    curl_easy_setopt(h->curl, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L); /* a proxy's clock and key */
    curl_easy_setopt(h->curl, CURLOPT_FRESH_CONNECT, (long)(r->proves_key || r->peer != NULL));
    curl_easy_setopt(h->curl, CURLOPT_FORBID_REUSE, (long)(r->peer != NULL)); /* shows nothing */
    if (r->cert.key != NULL || r->peer != NULL) {
        curl_easy_setopt(h->curl, CURLOPT_SSL_SESSIONID_CACHE, 0L);
    }
}

/* Where the bytes go, and where they come from. */
static void set_transfer(struct vault_http *h, const struct vault_http_request *r,
                         const struct lists *lists, struct intake *in)
{
    curl_easy_setopt(h->curl, CURLOPT_URL, r->url);
    curl_easy_setopt(h->curl, CURLOPT_HTTPHEADER, lists->headers);
    curl_easy_setopt(h->curl, CURLOPT_CONNECT_TO, lists->connect_to);
    curl_easy_setopt(h->curl, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(h->curl, CURLOPT_WRITEDATA, in);
    curl_easy_setopt(h->curl, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(h->curl, CURLOPT_HEADERDATA, in);
    if (strcmp(r->method, "POST") == 0) {
        curl_easy_setopt(h->curl, CURLOPT_POSTFIELDS, r->body.len > 0 ? (char *)r->body.p : "");
        curl_easy_setopt(h->curl, CURLOPT_POSTFIELDSIZE, (long)r->body.len);
    } else if (strcmp(r->method, "GET") != 0) {
        curl_easy_setopt(h->curl, CURLOPT_CUSTOMREQUEST, r->method);
    }
}

static void set_options(struct vault_http *h, const struct vault_http_request *r,
                        const struct lists *lists, struct intake *in)
{
    int64_t connect_ms = r->connect_timeout_ms > 0 && r->connect_timeout_ms < r->timeout_ms
                             ? r->connect_timeout_ms
                             : r->timeout_ms;
    const struct {
        CURLoption option;
        long value;
    } numbers[] = {
        {CURLOPT_NOSIGNAL, 1},
        {CURLOPT_FOLLOWLOCATION, 0},
        {CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2},
        {CURLOPT_SSL_VERIFYPEER, 1},
        {CURLOPT_SSL_VERIFYHOST, 2},
        {CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1},
        {CURLOPT_TIMEOUT_MS, (long)r->timeout_ms},
        {CURLOPT_CONNECTTIMEOUT_MS, (long)connect_ms},
        {CURLOPT_MAXAGE_CONN, IDLE_S},
    };

    curl_easy_reset(h->curl);
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        curl_easy_setopt(h->curl, numbers[i].option, numbers[i].value);
    }
    curl_easy_setopt(h->curl, CURLOPT_USERAGENT, "holdfast/" HOLDFAST_VERSION);
    curl_easy_setopt(h->curl, CURLOPT_ERRORBUFFER, h->why);
    set_trust(h->curl, r);
    set_connection(h, r);
    set_transfer(h, r, lists, in);
    if (r->peer != NULL) {
        vault_peer_watch(r->peer);
    }
}

/* --- what became of it -------------------------------------------------------------------------- */

static enum err_code code_of(CURLcode rc)
{
    switch (rc) {
    case CURLE_OPERATION_TIMEDOUT:
        return ERR_TIMEOUT;
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT:
    case CURLE_PARTIAL_FILE:
    case CURLE_GOT_NOTHING:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
        return ERR_GONE;
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_URL_MALFORMAT:
        return ERR_INPUT;
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_BAD_CONTENT_ENCODING:
        return ERR_PROTOCOL;
    case CURLE_OUT_OF_MEMORY:
        return ERR_NOMEM;
    default:
        return ERR_REMOTE; /* TLS in its many forms */
    }
}

/* A server that ends during the handshake: libcurl calls that an error of TLS. */
static bool was_lost(const struct vault_http *h, CURLcode rc)
{
    long error = 0;

    curl_easy_getinfo(h->curl, CURLINFO_OS_ERRNO, &error);
    return rc == CURLE_SSL_CONNECT_ERROR && (error == ECONNRESET || error == EPIPE);
}

static struct err *failure(struct vault_http *h, CURLcode rc, const struct vault_http_request *r,
                           const struct intake *in)
{
    const char *why = h->why[0] != '\0' ? h->why : curl_easy_strerror(rc);
    const char *bundle = r->ca_bundle != NULL ? r->ca_bundle
                         : r->ca_pem != NULL  ? "the configured CA certificate"
                                              : "the system's CA certificates";
    const char *name = curl_easy_strerror(rc);

    if (h->handle->asker.refusal != NULL) {
        return err_add(take(&h->handle->asker.refusal),
                       "TLS handshake with the client certificate");
    }
    if (in->too_long) {
        return err_native(ERR_PROTOCOL, ERR_DOMAIN_CURL, (unsigned long)rc, NULL,
                          "the answer is longer than %zu bytes", in->max);
    }
    if (rc == CURLE_PEER_FAILED_VERIFICATION) {
        return err_native(ERR_REMOTE, ERR_DOMAIN_CURL, (unsigned long)rc, name,
                          "%s; %s must hold the CA that signed the server's certificate, and the "
                          "address must name a host that the certificate is for",
                          why, bundle);
    }
    if (rc == CURLE_SSL_CACERT_BADFILE || (rc == CURLE_SSL_CERTPROBLEM && r->ca_pem != NULL)) {
        return err_native(ERR_INPUT, ERR_DOMAIN_CURL, (unsigned long)rc, name,
                          "%s cannot be read, or holds no PEM certificate", bundle);
    }
    return err_native(was_lost(h, rc) ? ERR_GONE : code_of(rc), ERR_DOMAIN_CURL, (unsigned long)rc,
                      name, "%s", why);
}

static void note_answer(CURL *curl, struct vault_http_answer *ret)
{
    curl_off_t retry_after_s = 0;
    long status = 0, sent_bytes = 0;

    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(curl, CURLINFO_RETRY_AFTER, &retry_after_s);
    curl_easy_getinfo(curl, CURLINFO_REQUEST_SIZE, &sent_bytes);
    ret->status = (unsigned)status;
    ret->unsent = sent_bytes == 0;
    if (retry_after_s > 0) {
        ret->retry_after_ms = (retry_after_s < DAY_S ? retry_after_s : DAY_S) * 1000;
    }
}

/* A handle, and what its callbacks look at. */
static struct err *begin(struct vault_http *h, const struct vault_http_request *request)
{
    struct err *e = vault_pool_take(request->pool, &h->handle);

    if (e != NULL) {
        return e;
    }
    h->curl = h->handle->curl;
    h->request = request;
    h->handle->ask_fd = request->ask_fd;
    h->handle->asker.deadline = mono_in(request->timeout_ms);
    err_free(&h->handle->asker.refusal);
    h->why[0] = '\0';
    return NULL;
}

/* The lists, the buffers and the request are about to go. */
static void end(struct vault_http *h)
{
    curl_easy_reset(h->curl);
    vault_pool_give(h->request->pool, &h->handle);
    h->curl = NULL;
    h->request = NULL;
}

struct err *vault_http_do(struct vault_http *h, const struct vault_http_request *request,
                          struct vault_http_answer *ret)
{
    AUTO(free_lists) struct lists lists = {0};
    struct intake in = {
        .answer = ret,
        .max = request->is_long ? VAULT_HTTP_LONG_MAX_BYTES : VAULT_HTTP_ANSWER_MAX_BYTES,
    };

    *ret = (struct vault_http_answer){.retry_after_ms = -1, .unsent = true};
    buf_init(&ret->body, in.max);
    ret->body.secret = true;
    struct err *e = make_lists(request, &lists);

    if (e == NULL) {
        e = begin(h, request);
    }
    if (e != NULL) {
        return e;
    }
    in.curl = h->curl;
    set_options(h, request, &lists, &in);
    CURLcode rc = curl_easy_perform(h->curl);

    note_answer(h->curl, ret);
    if (request->peer != NULL) {
        vault_peer_note(request->peer, h->curl, (int)rc);
    }
    e = rc == CURLE_OK ? NULL : failure(h, rc, request, &in);
    end(h);
    return e;
}
