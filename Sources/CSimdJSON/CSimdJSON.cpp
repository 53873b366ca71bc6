#define SIMDJSON_EXCEPTIONS 0
#include "CSimdJSON.h"

#include <simdjson.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

// simdjson's On-Demand checks only what is read, and its DOM writes down everything. A loader needs neither: all of a
// message must be valid, and few of its fields are used. So only the first stage is simdjson's, and the walk is here.

namespace {

static_assert(CSJ_PADDING >= simdjson::SIMDJSON_PADDING, "the padding that simdjson asks for");

// What a decoder keeps between messages; what a greater message needed beyond it is given back.
constexpr size_t kept_text_capacity = 256 * 1024;  // four bytes of token index each
constexpr size_t kept_string_capacity = 1024 * 1024;
constexpr size_t kept_item_count = 32 * 1024;

template <typename T>
T *allocated(T *memory) noexcept {
    if (memory == nullptr) std::abort();
    return memory;
}

size_t round_up_to_power_of_two(size_t least, size_t value) noexcept {
    while (least < value) least *= 2;
    return least;
}

/// Where the first character starts that is not UTF-8 (Unicode, table 3-7), or -1.
[[gnu::cold]] ptrdiff_t first_invalid_utf8(const uint8_t *text, size_t count) noexcept {
    size_t at = 0;
    while (at < count) {
        uint8_t lead = text[at];
        size_t length = lead < 0x80 ? 1 : lead < 0xC2 ? 0 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : lead < 0xF5 ? 4 : 0;
        if (length == 0 || length > count - at) break;
        uint8_t least = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
        uint8_t most = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
        if (length > 1 && (text[at + 1] < least || text[at + 1] > most)) break;
        if (length > 2 && (text[at + 2] & 0xC0) != 0x80) break;
        if (length > 3 && (text[at + 3] & 0xC0) != 0x80) break;
        at += length;
    }
    return at < count ? static_cast<ptrdiff_t>(at) : -1;
}

/// simdjson's first stage: checks UTF-8 and quotes, and finds where each token starts.
class TokenIndex {
    std::unique_ptr<simdjson::internal::dom_parser_implementation> stage_;
    size_t capacity_ = 0;

    void allocate(size_t capacity) noexcept {
        stage_.reset();
        // Depth is for simdjson's second stage, which is not used.
        auto error = simdjson::get_active_implementation()->create_dom_parser_implementation(capacity, 1, stage_);
        if (error != simdjson::SUCCESS) std::abort();
        capacity_ = capacity;
    }

public:
    CSJStatus read(const uint8_t *text, size_t count, ptrdiff_t *offset) noexcept {
        if (count > capacity_) [[unlikely]] {
            // simdjson's limit is 4 GiB - 1, and a Kafka record ends at 2 GiB.
            if (count > simdjson::SIMDJSON_MAXSIZE_BYTES) return CSJ_INVALID_SYNTAX;
            allocate(std::min(round_up_to_power_of_two(16 * 1024, count), simdjson::SIMDJSON_MAXSIZE_BYTES));
        }
        switch (stage_->stage1(text, count, simdjson::stage1_mode::regular)) {
        case simdjson::SUCCESS: return CSJ_OK;
        case simdjson::EMPTY: return CSJ_EMPTY;
        case simdjson::UTF8_ERROR:
            // simdjson's version for old processors also says so of some characters that may not stand where they do.
            *offset = first_invalid_utf8(text, count);
            return *offset < 0 ? CSJ_INVALID_SYNTAX : CSJ_INVALID_UTF8;
        case simdjson::UNCLOSED_STRING: *offset = static_cast<ptrdiff_t>(count); return CSJ_INVALID_SYNTAX;
        default: return CSJ_INVALID_SYNTAX;
        }
    }

    const uint32_t *begin() const noexcept { return stage_->structural_indexes.get(); }
    const uint32_t *end() const noexcept { return begin() + stage_->n_structural_indexes; }

    void release_excess() noexcept {
        if (capacity_ > kept_text_capacity) [[unlikely]] {
            stage_.reset();
            capacity_ = 0;
        }
    }
};

/// Where strings go that do not stand in the text as they are. Nothing moves before a reset.
class StringArena {
    struct Free {
        void operator()(uint8_t *memory) const noexcept { std::free(memory); }
    };
    struct Block {
        std::unique_ptr<uint8_t, Free> memory;
        size_t capacity;
    };
    std::vector<Block> blocks_;
    uint8_t *cursor_ = nullptr;
    size_t left_ = 0;

    void start(const Block &block) noexcept {
        cursor_ = block.memory.get();
        left_ = block.capacity;
    }

public:
    uint8_t *reserve(size_t count) noexcept {
        if (count > left_) {
            size_t capacity = round_up_to_power_of_two(4096, count);
            auto memory = allocated(static_cast<uint8_t *>(std::malloc(capacity)));
            blocks_.push_back(Block{std::unique_ptr<uint8_t, Free>(memory), capacity});
            start(blocks_.back());
        }
        return cursor_;
    }

    /// Keeps what was written from the reserved place up to `end`.
    void commit(uint8_t *end) noexcept {
        left_ -= static_cast<size_t>(end - cursor_);
        cursor_ = end;
    }

    void reset() noexcept {
        if (blocks_.empty()) return;
        if (blocks_.size() > 1) blocks_.erase(blocks_.begin(), blocks_.end() - 1);
        if (blocks_.back().capacity > kept_string_capacity) {
            blocks_.clear();
            cursor_ = nullptr;
            left_ = 0;
        } else {
            start(blocks_.back());
        }
    }
};

bool is_space(uint8_t c) noexcept { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }
bool is_digit(uint8_t c) noexcept { return static_cast<uint8_t>(c - '0') < 10; }

/// The value of four hexadecimal digits, or -1.
int32_t hex4(const uint8_t *p) noexcept {
    int32_t value = 0;
    for (int i = 0; i < 4; i++) {
        uint8_t c = p[i];
        uint8_t lower = c | 0x20;
        if (is_digit(c)) {
            value = value << 4 | (c - '0');
        } else if (lower >= 'a' && lower <= 'f') {
            value = value << 4 | (lower - 'a' + 10);
        } else {
            return -1;
        }
    }
    return value;
}

uint8_t *put_utf8(uint8_t *out, uint32_t scalar) noexcept {
    if (scalar < 0x80) {
        *out++ = static_cast<uint8_t>(scalar);
    } else if (scalar < 0x800) {
        *out++ = static_cast<uint8_t>(0xC0 | scalar >> 6);
        *out++ = static_cast<uint8_t>(0x80 | (scalar & 0x3F));
    } else if (scalar < 0x10000) {
        *out++ = static_cast<uint8_t>(0xE0 | scalar >> 12);
        *out++ = static_cast<uint8_t>(0x80 | (scalar >> 6 & 0x3F));
        *out++ = static_cast<uint8_t>(0x80 | (scalar & 0x3F));
    } else {
        *out++ = static_cast<uint8_t>(0xF0 | scalar >> 18);
        *out++ = static_cast<uint8_t>(0x80 | (scalar >> 12 & 0x3F));
        *out++ = static_cast<uint8_t>(0x80 | (scalar >> 6 & 0x3F));
        *out++ = static_cast<uint8_t>(0x80 | (scalar & 0x3F));
    }
    return out;
}

using Token = const uint32_t *;

/// Reads the tokens of one text in order, checking each.
///
/// The first stage vouches for this much: the text is UTF-8; every string is closed and has no control characters; the
/// tokens are each bracket, comma and colon, each string's opening quote, and the start of each other run of characters,
/// but a run that goes on into a quote (`1"a"`) is one token. `*end` is the length of the text. Where the first token
/// opens a container and the last one closes it, any token but a closing bracket has another one behind it; so only
/// closing brackets have to look for the end.
///
/// Whoever reads holds the place in the index in a local variable, so that it stays in a register. The functions take
/// the token at `p` and `limit`, where the next one starts.
class Walk {
public:
    const uint8_t *const text;
    const uint8_t *const text_end;
    const Token begin;
    const Token end;
    CSJStatus status = CSJ_OK;
    const uint8_t *failed_at = nullptr;

    Walk(const uint8_t *text, size_t count, const TokenIndex &tokens, StringArena &strings) noexcept
        : text(text), text_end(text + count), begin(tokens.begin()), end(tokens.end()), strings_(strings) {
        find_escape(text);
    }

    ~Walk() {
        if (out_ != nullptr) strings_.commit(out_);
    }

    Walk(const Walk &) = delete;
    Walk &operator=(const Walk &) = delete;

    [[gnu::cold, gnu::noinline]] bool fail(const uint8_t *at, CSJStatus reason = CSJ_INVALID_SYNTAX) noexcept {
        status = reason;
        failed_at = at;
        return false;
    }

    [[gnu::cold, gnu::noinline]] Token fail_container(const uint8_t *at, CSJStatus reason = CSJ_INVALID_SYNTAX) noexcept {
        fail(at, reason);
        return nullptr;
    }

    /// Whether the first token opens a container that the last one closes; see above.
    bool is_enclosed(uint8_t opening, uint8_t closing) const noexcept {
        return text[*begin] == opening && text[end[-1]] == closing;
    }

    /// The end of a text whose outermost value lies before `next`.
    bool ends(Token next) noexcept { return next == end || fail(text + *next); }

    [[gnu::always_inline]] bool skip_string(const uint8_t *p, const uint8_t *limit) noexcept {
        if (escape_ >= limit) [[likely]] return true;
        return read_escapes<false>(p + 1, closing_quote(p, limit));
    }

    /// The string's characters lie in [first, last).
    [[gnu::always_inline]] bool read_string(const uint8_t *p, const uint8_t *limit, const uint8_t *&first, const uint8_t *&last) noexcept {
        const uint8_t *close = closing_quote(p, limit);
        if (escape_ >= close) [[likely]] {
            first = p + 1;
            last = close;
            return true;
        }
        return read_escaped_string(p, close, first, last);
    }

    /// Forgets the last string, if it was not taken from the text.
    void drop_string(const uint8_t *first) noexcept {
        if (first < text || first >= text_end) out_ = const_cast<uint8_t *>(first);
    }

    /// `AtEnd`: nothing follows in the text that would stop the number.
    template <bool AtEnd = false>
    [[gnu::always_inline]] bool read_number(const uint8_t *p, const uint8_t *limit, const uint8_t *&last) noexcept {
        auto peek = [limit](const uint8_t *p) -> uint8_t { return AtEnd && p >= limit ? 0 : *p; };
        if (peek(p) == '-') p++;
        if (peek(p) == '0') {
            p++;
        } else {
            if (!is_digit(peek(p))) return fail(p);
            do { p++; } while (is_digit(peek(p)));
        }
        if (peek(p) == '.') {
            p++;
            if (!is_digit(peek(p))) return fail(p);
            do { p++; } while (is_digit(peek(p)));
        }
        if ((peek(p) | 0x20) == 'e') {
            p++;
            if (peek(p) == '+' || peek(p) == '-') p++;
            if (!is_digit(peek(p))) return fail(p);
            do { p++; } while (is_digit(peek(p)));
        }
        last = p;
        return p == limit || is_space(*p) ? true : fail(p);
    }

    /// `true`, `false` or `null`.
    template <size_t Size>
    [[gnu::always_inline]] bool read_literal(const uint8_t *p, const uint8_t *limit, const char (&word)[Size]) noexcept {
        constexpr size_t length = Size - 1;
        if (static_cast<size_t>(limit - p) < length || std::memcmp(p, word, length) != 0) return fail(p);
        p += length;
        return p == limit || is_space(*p) ? true : fail(p);
    }

    /// Any value but an object or array.
    template <bool AtEnd = false>
    [[gnu::always_inline]] bool read_scalar(const uint8_t *p, const uint8_t *limit, CSJField &field) noexcept {
        const uint8_t *first, *last;
        switch (*p) {
        case '"':
            if (!read_string(p, limit, first, last)) return false;
            field = {CSJ_STRING, first, static_cast<size_t>(last - first)};
            return true;
        case 't': field = {CSJ_TRUE, nullptr, 0}; return read_literal(p, limit, "true");
        case 'f': field = {CSJ_FALSE, nullptr, 0}; return read_literal(p, limit, "false");
        case 'n': field = {CSJ_NULL, nullptr, 0}; return read_literal(p, limit, "null");
        default:
            if (!read_number<AtEnd>(p, limit, last)) return false;
            field = {CSJ_NUMBER, p, static_cast<size_t>(last - p)};
            return true;
        }
    }

    [[gnu::always_inline]] bool skip_scalar(const uint8_t *p, const uint8_t *limit) noexcept {
        switch (*p) {
        case '"': return skip_string(p, limit);
        case 't': return read_literal(p, limit, "true");
        case 'f': return read_literal(p, limit, "false");
        case 'n': return read_literal(p, limit, "null");
        default: return read_number(p, limit, p);
        }
    }

    /// Passes over the object or array at `p`, the `depth`th one inside another. `next` is behind its opening bracket.
    ///
    /// - Returns: the token behind its closing bracket, or null if it is not valid.
    Token skip_container(const uint8_t *p, Token next, unsigned depth) noexcept {
        uint64_t objects[CSJ_MAX_DEPTH / 64 + 1];  // by depth: is it an object?
        const uint8_t *const text = this->text;
        const unsigned outermost = depth;
        bool in_object;

    open:
        if (depth > CSJ_MAX_DEPTH) return fail_container(p, CSJ_TOO_DEEP);
        in_object = *p == '{';
        if (in_object) {
            objects[depth / 64] |= uint64_t{1} << depth % 64;
        } else {
            objects[depth / 64] &= ~(uint64_t{1} << depth % 64);
        }
        if (text[*next] == (in_object ? '}' : ']')) {
            next++;
            goto close;
        }
        if (!in_object) goto value;

    member:
        p = text + *next++;
        if (*p != '"') return fail_container(p);
        if (!skip_string(p, text + *next)) return nullptr;
        p = text + *next++;
        if (*p != ':') return fail_container(p);

    value:
        p = text + *next++;
        if (*p == '{' || *p == '[') {
            depth++;
            goto open;
        }
        if (!skip_scalar(p, text + *next)) return nullptr;

    behind_value:
        p = text + *next++;
        if (in_object) {
            if (*p == ',') goto member;
            if (*p != '}') return fail_container(p);
        } else {
            if (*p == ',') goto value;
            if (*p != ']') return fail_container(p);
        }

    close:
        if (depth == outermost) return next;
        if (next == end) return fail_container(text_end);
        depth--;
        in_object = objects[depth / 64] >> depth % 64 & 1;
        goto behind_value;
    }

    /// The same for a container inside another one, which therefore has a token behind it.
    Token skip_inner_container(const uint8_t *p, Token next, unsigned depth) noexcept {
        next = skip_container(p, next, depth);
        return next == end ? fail_container(text_end) : next;
    }

private:
    StringArena &strings_;
    const uint8_t *escape_;   // the first backslash not yet read, or the text's end
    uint8_t *out_ = nullptr;  // where the next unescaped string goes

    void find_escape(const uint8_t *from) noexcept {
        auto found = std::memchr(from, '\\', static_cast<size_t>(text_end - from));
        escape_ = found != nullptr ? static_cast<const uint8_t *>(found) : text_end;
    }

    /// Between a string and the next token there is only space.
    static const uint8_t *closing_quote(const uint8_t *p, const uint8_t *limit) noexcept {
        const uint8_t *close = limit - 1;
        while (*close != '"') close--;
        return close > p ? close : p + 1;
    }

    [[gnu::noinline]] bool read_escaped_string(
        const uint8_t *p, const uint8_t *close, const uint8_t *&first, const uint8_t *&last) noexcept {
        // Escapes are longer than what they stand for, so all strings of a text together fit its length.
        if (out_ == nullptr) out_ = strings_.reserve(static_cast<size_t>(text_end - text));
        first = out_;
        if (!read_escapes<true>(p + 1, close)) return false;
        last = out_;
        return true;
    }

    /// Reads the string in [p, close), which has a backslash at `escape_`.
    template <bool Keep>
    [[gnu::noinline]] bool read_escapes(const uint8_t *p, const uint8_t *close) noexcept {
        uint8_t *out = out_;
        const uint8_t *escape = escape_;
        while (escape < close) {
            if constexpr (Keep) {
                std::memcpy(out, p, static_cast<size_t>(escape - p));
                out += escape - p;
            }
            uint32_t scalar;
            p = escape + 2;
            switch (escape[1]) {
            case '"': case '\\': case '/': scalar = escape[1]; break;
            case 'b': scalar = '\b'; break;
            case 'f': scalar = '\f'; break;
            case 'n': scalar = '\n'; break;
            case 'r': scalar = '\r'; break;
            case 't': scalar = '\t'; break;
            case 'u': {
                int32_t unit = close - p < 4 ? -1 : hex4(p);
                if (unit < 0) return fail(escape);
                p += 4;
                scalar = static_cast<uint32_t>(unit);
                if ((scalar & 0xF800) == 0xD800) {
                    // Half of a pair is no character: PostgreSQL refuses it too.
                    bool leads = scalar < 0xDC00 && close - p >= 6 && p[0] == '\\' && p[1] == 'u';
                    int32_t trailing = leads ? hex4(p + 2) : -1;
                    if (trailing < 0xDC00 || trailing > 0xDFFF) return fail(escape);
                    p += 6;
                    scalar = 0x10000 + ((scalar & 0x3FF) << 10 | (static_cast<uint32_t>(trailing) & 0x3FF));
                }
                break;
            }
            default: return fail(escape);
            }
            if constexpr (Keep) out = put_utf8(out, scalar);
            escape = p;
            if (*p != '\\') {
                find_escape(p);
                escape = escape_;
            }
        }
        if constexpr (Keep) {
            std::memcpy(out, p, static_cast<size_t>(close - p));
            out_ = out + (close - p);
        }
        return true;
    }
};

/// Checks a text that is not the container that was asked for: is it JSON at all?
CSJStatus check_other(Walk &walk) noexcept {
    Token next = walk.begin;
    const uint8_t *p = walk.text + *next++;
    bool valid;
    if (*p == '{' || *p == '[') {
        if (walk.is_enclosed(*p, *p == '{' ? '}' : ']')) {
            next = walk.skip_container(p, next, 1);
            valid = next != nullptr;
        } else {
            valid = walk.fail(walk.text_end);
        }
    } else {
        CSJField ignored;
        valid = walk.read_scalar<true>(p, walk.text + *next, ignored);
    }
    return valid && walk.ends(next) ? CSJ_WRONG_KIND : walk.status;
}

bool same_bytes(const uint8_t *a, const uint8_t *b, size_t count) noexcept {
    auto differ = [a, b](size_t at, auto word) {
        decltype(word) x, y;
        std::memcpy(&x, a + at, sizeof word);
        std::memcpy(&y, b + at, sizeof word);
        return x != y;
    };
    if (count >= 8) {
        for (size_t at = 0; at + 8 < count; at += 8) {
            if (differ(at, uint64_t{})) return false;
        }
        return !differ(count - 8, uint64_t{});
    }
    if (count >= 4) return !differ(0, uint32_t{}) && !differ(count - 4, uint32_t{});
    if (count >= 2) return !differ(0, uint16_t{}) && !differ(count - 2, uint16_t{});
    return count == 0 || *a == *b;
}

constexpr uint32_t none = UINT32_MAX;

struct Node;

/// One step of the paths: a name in an object, or an index in an array.
struct Child {
    std::string name;
    uint64_t index;  // UINT64_MAX: the name is no index
    Node *node;
    Child *follower;  // the child that came behind this one last time, and probably will again
};

/// A path's one component that takes other names as well.
struct Loose {
    std::string name;  // folded, for snake case
    CSJNames names;
    Node *node;
};

/// A place in the message that a path leads to or through.
struct Node {
    uint32_t field = none;
    std::vector<Child> children;
    std::vector<uint32_t> fields_below;
    uint64_t lengths = 0;  // bit (length % 64) for each child's name
    std::vector<Loose> loose;
};

/// A node whose object or array is being read.
struct Frame {
    Node *node = nullptr;
    const uint8_t *begin = nullptr;
    uint64_t index = 0;         // the array's next element
    Child *expected = nullptr;  // the object's child that probably comes next
    Child *previous = nullptr;  // the child that came last
    bool is_object = false;
};

uint64_t array_index(const std::string &name) noexcept {
    if (name.empty() || name.size() > 18 || (name.size() > 1 && name[0] == '0')) return UINT64_MAX;
    uint64_t index = 0;
    for (char c : name) {
        if (!is_digit(static_cast<uint8_t>(c))) return UINT64_MAX;
        index = index * 10 + static_cast<uint64_t>(c - '0');
    }
    return index;
}

constexpr size_t longest_identifier = 63;  // NAMEDATALEN - 1
constexpr size_t longest_folded = 512;     // bytes of a field's name beyond which it is nobody's

/// How much of a name PostgreSQL keeps: without half a character.
size_t clipped(const uint8_t *name, size_t length) noexcept {
    if (length <= longest_identifier) return length;
    length = longest_identifier;
    while (length > 0 && (name[length] & 0xC0) == 0x80) length--;
    return length;
}

bool is_lower(uint8_t c) noexcept { return c >= 'a' && c <= 'z'; }
bool is_upper(uint8_t c) noexcept { return c >= 'A' && c <= 'Z'; }

/// Writes `customerID` and `Customer-Id` as `customer_id`, at most twice as long, and returns the length. Letters beyond
/// ASCII stay as they are.
size_t fold(const uint8_t *name, size_t length, uint8_t *folded) noexcept {
    size_t count = 0;
    for (size_t i = 0; i < length; i++) {
        uint8_t c = name[i];
        if (!is_lower(c) && !is_upper(c) && !is_digit(c) && c < 0x80) {
            if (count > 0 && folded[count - 1] != '_') folded[count++] = '_';
            continue;
        }
        if (is_upper(c) && i > 0) {
            uint8_t before = name[i - 1];
            bool is_new_word = is_lower(before) || is_digit(before) || before >= 0x80;
            bool ends_capitals = is_upper(before) && i + 1 < length && is_lower(name[i + 1]);
            if ((is_new_word || ends_capitals) && count > 0 && folded[count - 1] != '_') folded[count++] = '_';
        }
        folded[count++] = is_upper(c) ? static_cast<uint8_t>(c | 0x20) : c;
    }
    while (count > 0 && folded[count - 1] == '_') count--;
    return clipped(folded, count);
}

std::string folded(const std::string &name) {
    std::string result(name.size() * 2, '\0');
    auto bytes = reinterpret_cast<uint8_t *>(result.data());
    result.resize(fold(reinterpret_cast<const uint8_t *>(name.data()), name.size(), bytes));
    return result;
}

/// The node of the one that takes this name, which is no path's own.
[[gnu::noinline]] Node *search_loose(const std::vector<Loose> &all, const uint8_t *name, size_t length) noexcept {
    uint8_t buffer[2 * longest_folded];
    size_t folded_length = 0;
    bool is_folded = false;
    for (auto &loose : all) {
        const uint8_t *compared = name;
        size_t compared_length = length;
        if (loose.names == CSJ_SNAKE_CASE) {
            if (length > longest_folded) continue;
            if (!is_folded) folded_length = fold(name, length, buffer);
            is_folded = true;
            compared = buffer;
            compared_length = folded_length;
        } else {
            if (length <= longest_identifier) continue;
            compared_length = clipped(name, length);
        }
        if (compared_length == loose.name.size() && std::memcmp(compared, loose.name.data(), compared_length) == 0) {
            return loose.node;
        }
    }
    return nullptr;
}

}  // namespace

struct CSJDecoder {
    TokenIndex tokens;
    StringArena strings;
    std::vector<CSJField> fields;
    std::vector<std::pair<uint32_t, uint32_t>> copies;  // paths named twice: (first, again)
    struct Asked {
        uint32_t field;
        Loose wanted;
        std::vector<Node *> parents;  // of the field, the outermost first
    };
    std::vector<Asked> asked;  // fields that take other names as well, until they are sealed
    std::vector<std::pair<uint32_t, uint32_t>> stand_ins;  // (field, what has come under another name)
    std::deque<Node> nodes = std::deque<Node>(1);
    std::vector<Frame> frames = std::vector<Frame>(1);  // those around the one being read

    void add_path(const uint8_t *utf8, const size_t *lengths, size_t component_count, CSJNames names) {
        auto field = static_cast<uint32_t>(fields.size());
        fields.push_back({CSJ_ABSENT, nullptr, 0});
        Node *node = &nodes[0];
        std::vector<Node *> parents;
        for (size_t i = 0; i < component_count; i++) {
            node->fields_below.push_back(field);
            parents.push_back(node);
            if (names != CSJ_EXACT && i + 1 == component_count) {
                std::string name(reinterpret_cast<const char *>(utf8), lengths[i]);
                asked.push_back({field, {names == CSJ_SNAKE_CASE ? folded(name) : name, names, nullptr}, parents});
            }
            node = child_of(*node, std::string(reinterpret_cast<const char *>(utf8), lengths[i]));
            utf8 += lengths[i];
        }
        if (node->field == none) {
            node->field = field;
        } else {
            copies.emplace_back(node->field, field);
        }
        if (frames.size() < component_count + 1) frames.resize(component_count + 1);
    }

    /// Gives what comes under another name a field of its own behind the paths', so that a field's own name goes over it.
    void seal() {
        for (auto &[field, wanted, parents] : asked) {
            auto &known = parents.back()->loose;
            auto same = std::find_if(known.begin(), known.end(), [&wanted = wanted](const Loose &loose) {
                return loose.names == wanted.names && loose.name == wanted.name;
            });
            if (same == known.end()) {
                wanted.node = &nodes.emplace_back();
                wanted.node->field = static_cast<uint32_t>(fields.size());
                // What replaces the object that it is in replaces it, too.
                for (Node *parent : parents) parent->fields_below.push_back(wanted.node->field);
                fields.push_back({CSJ_ABSENT, nullptr, 0});
                same = known.insert(known.end(), wanted);
            }
            stand_ins.emplace_back(field, same->node->field);
        }
        asked.clear();
    }

    /// `takes_arrays`: the text may also be an array, whose elements' names are their indexes.
    CSJStatus decode(const uint8_t *text, size_t count, ptrdiff_t *offset, bool takes_arrays = false) noexcept {
        strings.reset();
        for (auto &field : fields) field = {CSJ_ABSENT, nullptr, 0};
        CSJStatus status = tokens.read(text, count, offset);
        if (status == CSJ_OK) {
            Walk walk(text, count, tokens, strings);
            if (walk.is_enclosed('{', '}') || (takes_arrays && walk.is_enclosed('[', ']'))) [[likely]] {
                if (!read_object(walk)) status = walk.status;
            } else {
                status = check_other(walk);
            }
            if (status != CSJ_OK && walk.failed_at != nullptr) *offset = walk.failed_at - text;
        }
        tokens.release_excess();
        for (auto [first, again] : copies) fields[again] = fields[first];
        for (auto [field, other] : stand_ins) {
            if (fields[field].kind == CSJ_ABSENT) fields[field] = fields[other];
        }
        return status;
    }

private:
    Node *child_of(Node &parent, std::string name) {
        auto &children = parent.children;
        for (auto &child : children) {
            if (child.name == name) return child.node;
        }
        parent.lengths |= uint64_t{1} << name.size() % 64;
        Node *node = &nodes.emplace_back();
        uint64_t index = array_index(name);
        children.push_back({std::move(name), index, node, nullptr});
        for (size_t i = 0; i < children.size(); i++) children[i].follower = &children[(i + 1) % children.size()];
        return node;
    }

    [[gnu::always_inline]] static bool is_named(const Child &child, const uint8_t *name, size_t length) noexcept {
        return child.name.size() == length
            && same_bytes(reinterpret_cast<const uint8_t *>(child.name.data()), name, length);
    }

    [[gnu::always_inline]] static Node *find_member(Frame &frame, const uint8_t *name, size_t length) noexcept {
        Child *child = frame.expected;
        if (!is_named(*child, name, length)) {
            child = search_member(*frame.node, name, length);
            if (child == nullptr) [[unlikely]] return search_loose(frame.node->loose, name, length);
            if (frame.previous != nullptr) frame.previous->follower = child;
        }
        frame.previous = child;
        frame.expected = child->follower;
        return child->node;
    }

    [[gnu::noinline]] static Child *search_member(Node &node, const uint8_t *name, size_t length) noexcept {
        if ((node.lengths >> length % 64 & 1) == 0) return nullptr;
        for (auto &child : node.children) {
            if (is_named(child, name, length)) return &child;
        }
        return nullptr;
    }

    static Node *find_element(Frame &frame) noexcept {
        uint64_t index = frame.index++;
        for (auto &child : frame.node->children) {
            if (child.index == index) return child.node;
        }
        return nullptr;
    }

    void forget(const Node &node) noexcept {
        for (uint32_t field : node.fields_below) fields[field] = {CSJ_ABSENT, nullptr, 0};
    }

    void set(const Node &node, const uint8_t *first, const uint8_t *last) noexcept {
        if (node.field == none) return;
        auto kind = static_cast<uint8_t>(*first == '{' ? CSJ_OBJECT : CSJ_ARRAY);
        fields[node.field] = {kind, first, static_cast<size_t>(last - first)};
    }

    /// Reads the object, or array, that is the whole text.
    bool read_object(Walk &walk) noexcept {
        const uint8_t *const text = walk.text;
        Token next = walk.begin;
        const uint8_t *p = text + *next++;
        unsigned depth = 0;  // frames in use
        Node *node = &nodes[0];
        Frame frame;

        if (node->children.empty()) {
            next = walk.skip_container(p, next, 1);
            if (next == nullptr || !walk.ends(next)) return false;
            set(*node, p, text + next[-1] + 1);
            return true;
        }

    open:
        if (depth == CSJ_MAX_DEPTH) return walk.fail(p, CSJ_TOO_DEEP);
        frames[depth++] = frame;
        frame = {node, p, 0, node->children.data(), nullptr, *p == '{'};
        if (text[*next] == (frame.is_object ? '}' : ']')) {
            p = text + *next++;
            goto close;
        }

    item:
        if (frame.is_object) {
            p = text + *next++;
            if (*p != '"') return walk.fail(p);
            const uint8_t *name, *name_end;
            if (!walk.read_string(p, text + *next, name, name_end)) return false;
            p = text + *next++;
            if (*p != ':') return walk.fail(p);
            node = find_member(frame, name, static_cast<size_t>(name_end - name));
            walk.drop_string(name);
        } else {
            node = find_element(frame);
        }
        p = text + *next++;
        // A name that comes again replaces all that it brought before, as in PostgreSQL's jsonb.
        if (node != nullptr) forget(*node);
        if (*p == '{' || *p == '[') {
            if (node != nullptr && !node->children.empty()) goto open;
            next = walk.skip_inner_container(p, next, depth + 1);
            if (next == nullptr) return false;
            if (node != nullptr) set(*node, p, text + next[-1] + 1);
        } else if (node != nullptr && node->field != none) {
            if (!walk.read_scalar(p, text + *next, fields[node->field])) return false;
        } else {
            if (!walk.skip_scalar(p, text + *next)) return false;
        }

    behind_value:
        p = text + *next++;
        if (*p == ',') goto item;
        if (*p != (frame.is_object ? '}' : ']')) return walk.fail(p);

    close:
        set(*frame.node, frame.begin, p + 1);
        frame = frames[--depth];
        if (depth == 0) return walk.ends(next);
        if (next == walk.end) return walk.fail(walk.text_end);
        goto behind_value;
    }
};

struct CSJContainer {
    TokenIndex tokens;
    StringArena strings;
    std::vector<CSJField> items;

    void reset() noexcept {
        strings.reset();
        if (items.capacity() > kept_item_count) std::vector<CSJField>().swap(items);
    }

    CSJStatus open(CSJKind kind, const uint8_t *text, size_t count, ptrdiff_t *offset) noexcept {
        items.clear();
        CSJStatus status = tokens.read(text, count, offset);
        if (status == CSJ_OK) {
            Walk walk(text, count, tokens, strings);
            if (kind == CSJ_OBJECT ? walk.is_enclosed('{', '}') : walk.is_enclosed('[', ']')) {
                if (!read(walk, kind == CSJ_OBJECT)) status = walk.status;
            } else {
                status = check_other(walk);
            }
            if (status != CSJ_OK && walk.failed_at != nullptr) *offset = walk.failed_at - text;
        }
        tokens.release_excess();
        return status;
    }

    CSJStatus open_documents(const uint8_t *text, size_t count, ptrdiff_t *offset) noexcept {
        items.clear();
        CSJStatus status = tokens.read(text, count, offset);
        if (status == CSJ_OK) {
            Walk walk(text, count, tokens, strings);
            if (walk.is_enclosed('[', ']')) {
                if (!read(walk, false)) status = walk.status;
            } else if (walk.is_enclosed('{', '}')) {
                if (!read_documents(walk)) status = walk.status;
            } else {
                status = check_other(walk);
            }
            if (status != CSJ_OK && walk.failed_at != nullptr) *offset = walk.failed_at - text;
        }
        tokens.release_excess();
        return status;
    }

private:
    /// Objects that stand behind one another.
    bool read_documents(Walk &walk) noexcept {
        Token next = walk.begin;
        do {
            const uint8_t *p = walk.text + *next++;
            if (*p != '{') return walk.fail(p);
            next = walk.skip_container(p, next, 1);
            if (next == nullptr) return false;
            items.push_back({CSJ_OBJECT, p, static_cast<size_t>(walk.text + next[-1] + 1 - p)});
        } while (next != walk.end);
        return true;
    }

    bool read(Walk &walk, bool is_object) noexcept {
        const uint8_t *const text = walk.text;
        const uint8_t closing = is_object ? '}' : ']';
        Token next = walk.begin + 1;
        const uint8_t *p = text + *next;
        if (*p == closing) return walk.ends(next + 1);
        do {
            p = text + *next++;
            if (is_object) {
                if (*p != '"') return walk.fail(p);
                if (!walk.read_scalar(p, text + *next, items.emplace_back())) return false;
                p = text + *next++;
                if (*p != ':') return walk.fail(p);
                p = text + *next++;
            }
            auto &item = items.emplace_back();
            if (*p == '{' || *p == '[') {
                next = walk.skip_inner_container(p, next, 2);
                if (next == nullptr) return false;
                auto kind = static_cast<uint8_t>(*p == '{' ? CSJ_OBJECT : CSJ_ARRAY);
                item = {kind, p, static_cast<size_t>(text + next[-1] + 1 - p)};
            } else if (!walk.read_scalar(p, text + *next, item)) {
                return false;
            }
            p = text + *next++;
        } while (*p == ',');
        return *p == closing ? walk.ends(next) : walk.fail(p);
    }
};

CSJDecoder *csj_decoder_create(void) { return new CSJDecoder; }
void csj_decoder_destroy(CSJDecoder *decoder) { delete decoder; }

void csj_decoder_add_path(CSJDecoder *decoder, const uint8_t *utf8, const size_t *lengths, size_t component_count,
                          CSJNames names) {
    decoder->add_path(utf8, lengths, component_count, names);
}

const CSJField *csj_decoder_fields(CSJDecoder *decoder) {
    decoder->seal();
    return decoder->fields.data();
}

int csj_takes(CSJNames names, const uint8_t *wanted, size_t wanted_count, const uint8_t *name, size_t name_count) {
    if (wanted_count == name_count && std::memcmp(wanted, name, name_count) == 0) return 1;
    if (names == CSJ_EXACT) return 0;
    std::string own(reinterpret_cast<const char *>(wanted), wanted_count);
    Node node;
    return search_loose({{names == CSJ_SNAKE_CASE ? folded(own) : own, names, &node}}, name, name_count) != nullptr;
}

int csj_is_utf8(const uint8_t *text, size_t count) {
    return simdjson::validate_utf8(reinterpret_cast<const char *>(text), count);
}

CSJStatus csj_decoder_decode(CSJDecoder *decoder, const uint8_t *text, size_t count, ptrdiff_t *offset) {
    *offset = -1;
    return count == 0 ? CSJ_EMPTY : decoder->decode(text, count, offset);
}

CSJStatus csj_decoder_decode_part(CSJDecoder *decoder, const uint8_t *text, size_t count, ptrdiff_t *offset) {
    *offset = -1;
    return count == 0 ? CSJ_EMPTY : decoder->decode(text, count, offset, true);
}

CSJContainer *csj_container_create(void) { return new CSJContainer; }
void csj_container_destroy(CSJContainer *container) { delete container; }
void csj_container_reset(CSJContainer *container) { container->reset(); }

CSJStatus csj_container_open(CSJContainer *container, CSJKind kind, const uint8_t *text, size_t count,
                             const CSJField **items, size_t *item_count, ptrdiff_t *offset) {
    *offset = -1;
    CSJStatus status = count == 0 ? CSJ_EMPTY : container->open(kind, text, count, offset);
    *items = container->items.data();
    *item_count = container->items.size();
    return status;
}

CSJStatus csj_container_open_documents(CSJContainer *container, const uint8_t *text, size_t count,
                                       const CSJField **items, size_t *item_count, ptrdiff_t *offset) {
    *offset = -1;
    CSJStatus status = count == 0 ? CSJ_EMPTY : container->open_documents(text, count, offset);
    *items = container->items.data();
    *item_count = container->items.size();
    return status;
}
