/* Fields: the list, and the table of those that mean something to us. */
#include "core/http/fields.h"

#include <nrt/error.h>
#include <stdlib.h>

#include "core/base/str.h"

#define F_HOP NRT__FIELD_HOP
#define F_FRAMING NRT__FIELD_FRAMING
#define F_KEEP NRT__FIELD_KEEP
#define F_ONE NRT__FIELD_SINGLETON
#define F_NOT NRT__FIELD_NO_TRAILER
#define F_CLAIM NRT__FIELD_CLAIM

typedef struct field_entry {
    char name[30]; /* in lower case; no reader gets out of it, should it stand under the wrong
                      length */
    uint8_t id;
    uint8_t flags;
} field_entry;

/* One table for each length, so that a name is compared with two or three. */
static const field_entry of_2[] = {
    {"te", NRT__TE, F_HOP | F_NOT},
};
static const field_entry of_3[] = {
    {"via", NRT__VIA, F_KEEP | F_NOT | F_CLAIM},
    {"age", NRT__LISTED, F_NOT},
};
static const field_entry of_4[] = {
    {"host", NRT__HOST, F_KEEP | F_ONE | F_NOT},
    {"date", NRT__DATE, F_KEEP | F_NOT},
    {"vary", NRT__LISTED, F_NOT},
};
static const field_entry of_5[] = {
    {"range", NRT__LISTED, F_KEEP | F_NOT},
};
static const field_entry of_6[] = {
    {"expect", NRT__EXPECT, F_NOT},
    {"cookie", NRT__LISTED, F_KEEP | F_NOT},
    {"pragma", NRT__LISTED, F_NOT},
};
static const field_entry of_7[] = {
    {"expires", NRT__LISTED, F_NOT},
    {"trailer", NRT__TRAILER, F_HOP | F_NOT},
    {"upgrade", NRT__UPGRADE, F_HOP | F_NOT},
};
static const field_entry of_8[] = {
    {"location", NRT__LISTED, F_KEEP | F_NOT},
    {"if-match", NRT__LISTED, F_KEEP | F_NOT},
    {"if-range", NRT__LISTED, F_KEEP | F_NOT},
};
static const field_entry of_9[] = {
    {"forwarded", NRT__FORWARDED, F_KEEP | F_NOT | F_CLAIM},
};
static const field_entry of_10[] = {
    {"connection", NRT__CONNECTION, F_HOP | F_NOT},
    {"keep-alive", NRT__LISTED, F_HOP | F_NOT},
    {"nrt-accept", NRT__NRT_ACCEPT, NRT__FIELD_NRT | F_NOT},
    {"set-cookie", NRT__LISTED, F_KEEP | F_NOT},
    {"tracestate", NRT__TRACESTATE, 0},
};
static const field_entry of_11[] = {
    {"retry-after", NRT__LISTED, F_NOT},
    {"traceparent", NRT__TRACEPARENT, 0},
    {"nrt-version", NRT__NRT_VERSION, NRT__FIELD_NRT | F_NOT},
    {"client-cert", NRT__CLIENT_CERT, F_KEEP | F_NOT | F_CLAIM}, /* RFC 9440 */
};
static const field_entry of_12[] = {
    {"content-type", NRT__CONTENT_TYPE, F_KEEP | F_NOT},
    {"max-forwards", NRT__LISTED, F_KEEP | F_NOT},
};
static const field_entry of_13[] = {
    {"content-range", NRT__LISTED, F_KEEP | F_NOT},
    {"authorization", NRT__LISTED, F_KEEP | F_ONE | F_NOT},
    {"cache-control", NRT__LISTED, F_KEEP | F_NOT},
    {"if-none-match", NRT__LISTED, F_KEEP | F_NOT},
};
static const field_entry of_14[] = {
    {"http2-settings", NRT__LISTED, F_HOP | F_NOT},
    {"content-length", NRT__CONTENT_LENGTH, F_FRAMING | F_KEEP | F_NOT},
};
static const field_entry of_15[] = {
    {"idempotency-key", NRT__IDEMPOTENCY_KEY, F_KEEP | F_NOT},
    {"x-forwarded-for", NRT__X_FORWARDED_FOR, F_KEEP | F_NOT | F_CLAIM},
};
static const field_entry of_16[] = {
    {"x-forwarded-host", NRT__X_FORWARDED_HOST, F_KEEP | F_NOT | F_CLAIM},
    {"content-encoding", NRT__LISTED, F_KEEP | F_NOT},
    {"proxy-connection", NRT__LISTED, F_HOP | F_NOT},
    {"www-authenticate", NRT__LISTED, F_KEEP | F_NOT},
};
static const field_entry of_17[] = {
    {"if-modified-since", NRT__LISTED, F_KEEP | F_NOT},
    {"x-forwarded-proto", NRT__X_FORWARDED_PROTO, F_KEEP | F_NOT | F_CLAIM},
    {"transfer-encoding", NRT__TRANSFER_ENCODING, F_HOP | F_FRAMING | F_KEEP | F_NOT},
};
static const field_entry of_18[] = {
    {"proxy-authenticate", NRT__LISTED, F_HOP | F_NOT},
};
static const field_entry of_19[] = {
    {"if-unmodified-since", NRT__LISTED, F_KEEP | F_NOT},
    {"proxy-authorization", NRT__LISTED, F_HOP | F_NOT},
};
static const field_entry of_25[] = {
    {"proxy-authentication-info", NRT__LISTED, F_HOP | F_NOT},
};

#define TABLE(len) [len] = {of_##len, sizeof(of_##len) / sizeof(of_##len[0])}

static const struct {
    const field_entry *entries;
    size_t count;
} of_length[] = {
    TABLE(2),  TABLE(3),  TABLE(4),  TABLE(5),  TABLE(6),  TABLE(7),  TABLE(8),
    TABLE(9),  TABLE(10), TABLE(11), TABLE(12), TABLE(13), TABLE(14), TABLE(15),
    TABLE(16), TABLE(17), TABLE(18), TABLE(19), TABLE(25),
};

/* Whoever turns names into variables, as CGI does, cannot tell NRT_ID from NRT-ID: '_' counts as
 * '-'. */
static bool begins_as(nrt_str name, nrt_str prefix) {
    size_t i = 0;
    while (i < prefix.len && i < name.len &&
           (nrt__lower(name.ptr[i]) == prefix.ptr[i] ||
            (name.ptr[i] == '_' && prefix.ptr[i] == '-'))) {
        i++;
    }
    return i == prefix.len;
}

static const field_entry *find_entry(nrt_str name) {
    if (name.len >= sizeof(of_length) / sizeof(of_length[0])) {
        return NULL;
    }
    const field_entry *entry = of_length[name.len].entries;
    for (size_t left = of_length[name.len].count; left > 0; left--, entry++) {
        if (nrt__str_same(name, (nrt_str){entry->name, name.len})) {
            return entry;
        }
    }
    return NULL;
}

void nrt__field_look_up(nrt_str name, uint8_t *id, uint8_t *flags) {
    const field_entry *entry = find_entry(name);
    *id = entry ? entry->id : NRT__OTHER;
    *flags = entry ? entry->flags : 0;
    if (entry || name.len < 4) {
        return;
    }
    if (begins_as(name, NRT__STR("nrt-"))) {
        *flags = NRT__FIELD_NRT | NRT__FIELD_NO_TRAILER;
    } else if (begins_as(name, NRT__STR("x-forwarded-")) ||
               begins_as(name, NRT__STR("client-cert"))) { /* RFC 9440 */
        *flags = NRT__FIELD_CLAIM | NRT__FIELD_NO_TRAILER;
    }
}

void nrt__fields_expect(nrt_fields *fields, size_t count) {
    if (fields->size == 0 && count > 0) {
        nrt__arena_expect(fields->arena, count * sizeof(nrt__field));
        fields->list = nrt__arena_get(fields->arena, count * sizeof(nrt__field));
        fields->size = fields->list ? count : 0;
    }
}

nrt__field *nrt__fields_append(nrt_fields *fields, nrt_str name, nrt_str value) {
    if (fields->count == fields->size) {
        size_t size = fields->size ? fields->size * 2 : 16;
        nrt__field *list = nrt__arena_get(fields->arena, size * sizeof(*list));
        if (!list) {
            return NULL;
        }
        if (fields->count > 0) {
            memcpy(list, fields->list, fields->count * sizeof(*list));
        }
        fields->list = list;
        fields->size = size;
    }
    nrt__field *field = &fields->list[fields->count++];
    field->name = name;
    field->value = value;
    nrt__field_look_up(name, &field->id, &field->flags);
    return field;
}

bool nrt__fields_copy(nrt_fields *to, const nrt_fields *from) {
    for (size_t i = 0; i < from->count; i++) {
        nrt_str name = nrt__arena_copy(to->arena, from->list[i].name);
        nrt_str value = nrt__arena_copy(to->arena, from->list[i].value);
        if (!name.ptr || !value.ptr || !nrt__fields_append(to, name, value)) {
            return false;
        }
    }
    return true;
}

nrt__field *nrt__fields_find(const nrt_fields *fields, nrt__field_id id, const nrt__field *from) {
    size_t i = from ? (size_t)(from - fields->list) + 1 : 0;
    for (; i < fields->count; i++) {
        if (fields->list[i].id == id) {
            return &fields->list[i];
        }
    }
    return NULL;
}

nrt_str nrt__fields_value(const nrt_fields *fields, nrt__field_id id) {
    const nrt__field *field = nrt__fields_find(fields, id, NULL);
    return field ? field->value : (nrt_str){NULL, 0};
}

bool nrt__fields_list_has(const nrt_fields *fields, nrt__field_id id, nrt_str element) {
    const nrt__field *field = NULL;
    while ((field = nrt__fields_find(fields, id, field))) {
        nrt_str list = field->value;
        nrt_str one;
        while (nrt__str_next(&list, &one)) {
            if (nrt__str_same(one, element)) {
                return true;
            }
        }
    }
    return false;
}

void nrt__fields_drop(nrt_fields *fields, unsigned flags) {
    size_t kept = 0;
    for (size_t i = 0; i < fields->count; i++) {
        if (!(fields->list[i].flags & flags)) {
            if (kept != i) {
                fields->list[kept] = fields->list[i];
            }
            kept++;
        }
    }
    fields->count = kept;
}

void nrt__fields_drop_id(nrt_fields *fields, nrt__field_id id) {
    size_t kept = 0;
    for (size_t i = 0; i < fields->count; i++) {
        if (fields->list[i].id != id) {
            fields->list[kept++] = fields->list[i];
        }
    }
    fields->count = kept;
}

void nrt__fields_strip_hop(nrt_fields *fields) {
    const nrt__field *connection = NULL;
    while ((connection = nrt__fields_find(fields, NRT__CONNECTION, connection))) {
        nrt_str list = connection->value;
        nrt_str name;
        while (nrt__str_next(&list, &name)) {
            for (size_t i = 0; i < fields->count; i++) {
                nrt__field *field = &fields->list[i];
                if (!(field->flags & NRT__FIELD_KEEP) && nrt__str_same(field->name, name)) {
                    field->flags |= NRT__FIELD_HOP;
                }
            }
        }
    }
    nrt__fields_drop(fields, NRT__FIELD_HOP);
}

/* ---- public ---- */

size_t nrt_fields_count(const nrt_fields *fields) {
    return fields ? fields->count : 0;
}

int nrt_fields_at(const nrt_fields *fields, size_t index, nrt_str *name, nrt_str *value) {
    if (!fields || index >= fields->count) {
        return NRT_ERR_USAGE;
    }
    if (name) {
        *name = fields->list[index].name;
    }
    if (value) {
        *value = fields->list[index].value;
    }
    return 0;
}

nrt_str nrt_fields_get(const nrt_fields *fields, const char *name) {
    nrt_str wanted = nrt_str_from(name);
    for (size_t i = 0; fields && i < fields->count; i++) {
        if (nrt__str_same(fields->list[i].name, wanted)) {
            return fields->list[i].value;
        }
    }
    return (nrt_str){NULL, 0};
}

int nrt_fields_add(nrt_fields *fields, nrt_str name, nrt_str value) {
    if (!fields) {
        return NRT_ERR_USAGE;
    }
    if (!nrt__is_token(name) || !nrt__is_field_value(value)) {
        return NRT_ERR_FIELD;
    }
    nrt_str own_name = nrt__arena_copy(fields->arena, name);
    nrt_str own_value = nrt__arena_copy(fields->arena, value);
    if (!own_name.ptr || !own_value.ptr || !nrt__fields_append(fields, own_name, own_value)) {
        return NRT_ERR_MEMORY;
    }
    return 0;
}

int nrt_fields_set(nrt_fields *fields, nrt_str name, nrt_str value) {
    if (!fields) {
        return NRT_ERR_USAGE;
    }
    size_t before = fields->count;
    int error = nrt_fields_add(fields, name, value);
    if (error < 0) {
        return error;
    }
    /* The new one is last; the older ones of that name go, and it takes the place of the first. */
    nrt__field added = fields->list[before];
    size_t kept = 0;
    bool placed = false;
    for (size_t i = 0; i < before; i++) {
        if (!nrt__str_same(fields->list[i].name, added.name)) {
            fields->list[kept++] = fields->list[i];
        } else if (!placed) {
            fields->list[kept++] = added;
            placed = true;
        }
    }
    if (!placed) {
        fields->list[kept++] = added;
    }
    fields->count = kept;
    return 0;
}

typedef struct own_fields {
    nrt_fields fields; /* the first: what callers have is this */
    nrt__arena arena;
} own_fields;

nrt_fields *nrt_fields_create(void) {
    own_fields *own = calloc(1, sizeof(*own));
    if (!own) {
        return NULL;
    }
    nrt__fields_init(&own->fields, &own->arena);
    return &own->fields;
}

void nrt_fields_destroy(nrt_fields *fields) {
    own_fields *own = (own_fields *)fields;
    if (own) {
        nrt__arena_free(&own->arena);
        free(own);
    }
}

size_t nrt_fields_remove(nrt_fields *fields, const char *name) {
    nrt_str wanted = nrt_str_from(name);
    size_t kept = 0;
    if (!fields) {
        return 0;
    }
    for (size_t i = 0; i < fields->count; i++) {
        if (!nrt__str_same(fields->list[i].name, wanted)) {
            fields->list[kept++] = fields->list[i];
        }
    }
    size_t removed = fields->count - kept;
    fields->count = kept;
    return removed;
}
