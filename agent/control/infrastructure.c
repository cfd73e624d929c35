/*
 * Hosts for an infrastructure, out of text that somebody has already: an Ansible inventory, which the
 * registry reads, or a plain list with a host a line. What comes out is what a spec takes; nothing is
 * stored, and no file is opened.
 */
#include "control/resources.h"
#include "control/run_hosts.h"

const struct control_member control_hosts_parse_body[] = {
    {"format", CONTROL_TEXT, true, 1, 16},
    {"text", CONTROL_TEXT, true, 1, CONTROL_BODY_MAX_BYTES},
    {"name", CONTROL_TEXT, false, 1, 255},
    {NULL, CONTROL_TEXT, false, 0, 0},
};

static json_t *host_json(const struct control_host *h)
{
    json_t *v = json_pack("{s:o}", "name", control_json_text(h->address));

    return h->port != 0 ? control_json_join(v, json_pack("{s:i}", "port", (int)h->port)) : v;
}

/* A line as an element; what follows '#' is a remark. */
static struct err *lines_of(const char *text, json_t **ret)
{
    json_t *lines = json_array();

    for (const char *p = text; lines != NULL && *p != '\0';) {
        size_t all = strcspn(p, "\n");
        const char *from = p + strspn(p, " \t\r");
        size_t len = from < p + all ? strcspn(from, " \t\r\n#") : 0;
        const char *rest = from + len + strspn(from + len, " \t\r");

        if (len > 0 && *rest != '\n' && *rest != '#' && *rest != '\0') {
            size_t n = json_array_size(lines) + 1;

            json_decref(lines);
            return err_new(ERR_INPUT, "/text: host %zu is followed by something: give one a line",
                           n);
        }
        if (len > 0 && !control_json_add(lines, json_stringn(from, len))) {
            json_decref(take(&lines));
        }
        p += all + (p[all] == '\n');
    }
    *ret = lines;
    return lines != NULL ? NULL : err_nomem();
}

static struct err *read_list(const char *text, json_t **ret)
{
    AUTO(control_hosts_deinit) struct control_hosts hosts = {0};
    json_t *lines = NULL;
    struct err *e = lines_of(text, &lines);

    if (e == NULL) {
        e = control_hosts_of_list(lines, &hosts);
    }
    json_decref(lines);
    if (e != NULL) {
        return e;
    }
    json_t *list = json_array();

    for (size_t i = 0; i < hosts.n; i++) {
        control_json_add(list, host_json(&hosts.all[i]));
    }
    *ret = json_pack("{s:o, s:[], s:[]}", "hosts", list, "left_out", "notes");
    return *ret != NULL ? NULL : err_nomem();
}

struct err *control_hosts_parse(struct control_request *r)
{
    const char *format = control_text(r, "format");
    const char *text = control_text(r, "text");
    const char *name = control_text(r, "name");
    json_t *result = NULL;
    struct err *e;

    if (text_eq(format, "ansible")) {
        e = registry_inventory_read(name != NULL ? name : "inventory", view_cstr(text), &result);
    } else if (text_eq(format, "list")) {
        e = read_list(text, &result);
    } else {
        e = err_new(ERR_INPUT, "/format has to be ansible or list");
    }
    if (e == NULL) {
        control_answer(r, 200, result);
    }
    return e;
}
