/*
 * The control API's client: libcurl on a Unix socket. An answer is JSON, or JSON lines that are
 * handed on as they come. An error answer (RFC 9457) becomes a struct err with the agent's own
 * chain, so that the person reads the same words as in the agent's log.
 */
#include "cli/http.h"

#include <curl/curl.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct http {
    CURL *curl;
    char *socket_path;
};

/* One answer while it arrives. */
struct answer {
    struct http *http;
    const struct http_request *request;
    struct buf body;
};

struct err *http_new(const char *socket_path, struct http **ret)
{
    AUTO(http_free) struct http *h = calloc(1, sizeof *h);

    if (h == NULL || curl_global_init(CURL_GLOBAL_DEFAULT) != 0) {
        return err_nomem();
    }
    h->curl = curl_easy_init();
    h->socket_path = strdup(socket_path);
    if (h->curl == NULL || h->socket_path == NULL) {
        return err_nomem();
    }
    *ret = take(&h);
    return NULL;
}

void http_free(struct http **hp)
{
    struct http *h = take(hp);

    if (h != NULL) {
        curl_easy_cleanup(h->curl);
        free(h->socket_path);
        free(h);
    }
}

static long status_of(const struct answer *a)
{
    long status = 0;

    curl_easy_getinfo(a->http->curl, CURLINFO_RESPONSE_CODE, &status);
    return status;
}

static void hand_on_lines(struct answer *a)
{
    uint8_t *end;

    while ((end = memchr(a->body.data, '\n', a->body.len)) != NULL) {
        size_t len = (size_t)(end - a->body.data) + 1;
        json_t *line = json_loadb((const char *)a->body.data, len, 0, NULL);

        if (json_object_size(line) > 0) { /* an empty one is a heartbeat */
            a->request->on_line(a->request->arg, line);
        }
        json_decref(line);
        buf_drop(&a->body, len);
    }
}

static size_t on_data(char *data, size_t size, size_t n, void *arg)
{
    struct answer *a = arg;

    buf_put(&a->body, data, size * n);
    if (a->body.failed) {
        return 0;
    }
    if (a->request->on_line != NULL && status_of(a) == 200) {
        hand_on_lines(a);
    }
    return size * n;
}

/* The chain of a problem document, outermost clause first. */
static struct err *problem(const struct answer *a)
{
    json_t *root = json_loadb((const char *)a->body.data, a->body.len, 0, NULL);
    const json_t *chain = json_object_get(root, "chain");
    const json_t *native = json_object_get(root, "native");
    const char *name = json_string_value(json_object_get(native, "name"));
    const char *detail = json_string_value(json_object_get(root, "detail"));
    enum err_code code = err_code_find(json_string_value(json_object_get(root, "code")));
    struct err *e = NULL;

    for (size_t i = json_array_size(chain); i > 0; i--) {
        const char *clause = json_string_value(json_array_get(chain, i - 1));

        if (clause != NULL && e == NULL) {
            e = name != NULL ? err_native(code, ERR_DOMAIN_NONE, 0, name, "%s", clause)
                             : err_new(code, "%s", clause);
        } else if (clause != NULL) {
            e = err_add(e, "%s", clause);
        }
    }
    if (e == NULL) {
        e = err_new(ERR_PROTOCOL, "the agent answered %ld: %s", status_of(a),
                    detail != NULL ? detail : "without saying why");
    }
    json_decref(root);
    return e;
}

static struct curl_slist *headers_of(const struct http_request *q)
{
    struct curl_slist *list = curl_slist_append(NULL, "Content-Type: application/json");
    char match[64];

    snprintf(match, sizeof match, "If-Match: \"%s\"", q->etag != NULL ? q->etag : "");
    struct curl_slist *longer = q->etag != NULL ? curl_slist_append(list, match) : list;

    if (longer == NULL) {
        curl_slist_free_all(list);
    }
    return longer;
}

static void set_options(struct answer *a, const char *url, const char *body,
                        struct curl_slist *headers, char *words)
{
    CURL *curl = a->http->curl;
    bool lines = a->request->on_line != NULL;

    curl_easy_reset(curl);
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, a->request->method);
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, a->http->socket_path);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, words);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, lines ? 0L : (long)HTTP_TIMEOUT_S);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, lines ? (long)HTTP_SILENCE_S : 0L);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_data);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, a);
    if (body != NULL) {
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
    }
}

static struct err *perform(struct answer *a, const char *url, const char *body)
{
    struct curl_slist *headers = headers_of(a->request);
    char words[CURL_ERROR_SIZE] = "";
    struct err *e = NULL;

    if (headers == NULL) {
        return err_nomem();
    }
    set_options(a, url, body, headers, words);
    CURLcode code = curl_easy_perform(a->http->curl);

    curl_easy_setopt(a->http->curl, CURLOPT_ERRORBUFFER, NULL);
    if (status_of(a) == 0 && (code == CURLE_COULDNT_CONNECT || code == CURLE_GOT_NOTHING ||
                              code == CURLE_SEND_ERROR || code == CURLE_RECV_ERROR)) {
        e = err_new(
            ERR_GONE,
            "the agent on %s does not answer: it has ended, or uid %u may not use it (grants: "
            "in holdfast.yaml)",
            a->http->socket_path, (unsigned)getuid());
    } else if (code != CURLE_OK) {
        e = err_native(ERR_GONE, ERR_DOMAIN_CURL, (unsigned long)code, curl_easy_strerror(code),
                       "the agent on %s: %s", a->http->socket_path, words);
    } else if (status_of(a) >= 400) {
        e = problem(a);
    }
    curl_slist_free_all(headers);
    return e;
}

struct err *http_call(struct http *h, const struct http_request *q, json_t **ret)
{
    struct answer a = {.http = h, .request = q};
    AUTO(auto_free) char *url = text_fmt("http://localhost/v1%s", q->path);
    char *text = q->body != NULL ? json_dumps(q->body, JSON_COMPACT) : NULL;

    if (url == NULL || (q->body != NULL && text == NULL)) {
        return err_nomem();
    }
    buf_init(&a.body, HTTP_ANSWER_MAX_BYTES);
    struct err *e = perform(&a, url, text);

    if (e == NULL && ret != NULL) {
        *ret = a.body.len > 0
                   ? json_loadb((const char *)a.body.data, a.body.len, JSON_DECODE_ANY, NULL)
                   : NULL;
        if (a.body.len > 0 && *ret == NULL) {
            e = err_new(ERR_PROTOCOL, "the agent's answer is not JSON");
        }
    }
    if (text != NULL) { /* it may hold a PIN */
        OPENSSL_cleanse(text, strlen(text));
        free(text);
    }
    buf_deinit(&a.body);
    return e;
}
