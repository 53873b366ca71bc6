// The C face of the JSON reader: simdjson's first stage (UTF-8 and the index of tokens), and one walk over that index
// that checks the whole text against RFC 8259 and picks out what was asked for.
//
// Nothing here may be used by two threads at once. Running out of memory ends the process, as it does in Swift.
#pragma once

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum {
    CSJ_OK = 0,
    CSJ_EMPTY,
    CSJ_INVALID_SYNTAX,
    CSJ_INVALID_UTF8,
    CSJ_TOO_DEEP,
    CSJ_WRONG_KIND,  // valid JSON, but not the object or array that was asked for
} CSJStatus;

// In the order, and with the layout, of Records' Field.
typedef enum {
    CSJ_ABSENT = 0,
    CSJ_NULL,
    CSJ_FALSE,
    CSJ_TRUE,
    CSJ_NUMBER,
    CSJ_STRING,
    CSJ_ARRAY,
    CSJ_OBJECT,
} CSJKind;

typedef struct {
    uint8_t kind;
    const void *bytes;
    size_t count;
} CSJField;

enum {
    CSJ_PADDING = 64,      // readable bytes that must follow every text
    CSJ_MAX_DEPTH = 1024,  // nested arrays and objects, the outermost included
};

// Decodes objects against a plan.
typedef struct CSJDecoder CSJDecoder;

CSJDecoder *csj_decoder_create(void);
void csj_decoder_destroy(CSJDecoder *decoder);

// Which names the last component of a path takes beside its own, where the object has none of its own. Of several the last
// one counts.
typedef enum {
    CSJ_EXACT = 0,
    CSJ_CUT,         // names longer than 63 bytes that PostgreSQL would cut to it
    CSJ_SNAKE_CASE,  // names that are the same in snake case, cut likewise
} CSJNames;

// Adds the next field of the plan: `utf8` holds the path's components one behind the other.
void csj_decoder_add_path(CSJDecoder *decoder, const uint8_t *utf8, const size_t *lengths, size_t component_count,
                          CSJNames names);

// The plan's fields, in the order they were added; no path can be added behind this. Decoding does not move them.
const CSJField *csj_decoder_fields(CSJDecoder *decoder);

// Whether a path of the one component `wanted` takes a field of this name.
int csj_takes(CSJNames names, const uint8_t *wanted, size_t wanted_count, const uint8_t *name, size_t name_count);

// Whether the bytes are UTF-8, without surrogates and overlong forms. Needs no padding.
int csj_is_utf8(const uint8_t *text, size_t count);

// Fills the fields from `text`, which must be followed by CSJ_PADDING readable bytes. They point into it, or into
// memory of the decoder that stays until the next call. `offset` says where it failed,
// or is negative if that is unknown.
CSJStatus csj_decoder_decode(CSJDecoder *decoder, const uint8_t *text, size_t count, ptrdiff_t *offset);

// The same for a text that may also be an array: the names of its elements are their indexes.
CSJStatus csj_decoder_decode_part(CSJDecoder *decoder, const uint8_t *text, size_t count, ptrdiff_t *offset);

// Opens arrays and objects one level at a time.
typedef struct CSJContainer CSJContainer;

CSJContainer *csj_container_create(void);
void csj_container_destroy(CSJContainer *container);

// Ends the life of every string handed out so far.
void csj_container_reset(CSJContainer *container);

// Reads the array (`kind` CSJ_ARRAY) or object (CSJ_OBJECT) in `text`, padded as above. An object's names and values
// alternate. `*items` stays until the next call, the strings in it until the next reset.
CSJStatus csj_container_open(CSJContainer *container, CSJKind kind, const uint8_t *text, size_t count,
                             const CSJField **items, size_t *item_count, ptrdiff_t *offset);

// Reads the elements of an array, or objects that stand behind one another, which are items each.
CSJStatus csj_container_open_documents(CSJContainer *container, const uint8_t *text, size_t count,
                                       const CSJField **items, size_t *item_count, ptrdiff_t *offset);

#ifdef __cplusplus
}
#endif
