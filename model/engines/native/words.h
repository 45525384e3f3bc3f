// WordTokenizer of model/tokenizer.py, which describes the rules, for texts in Latin-1: a byte is a character. The caller
// owns all memory; binding.py mirrors the structures field by field.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

constexpr int32_t kUnknownId = 1, kFirstWordId = 2;  // as in model/tokenizer.py

struct Slot {
    uint32_t hash;
    int32_t id;  // 0: the slot is free
};

struct Vocabulary {
    const char *bytes;       // all words, one after another
    const int64_t *offsets;  // (words + 1): where each word begins, and the last one ends
    Slot *slots;             // (mask + 1), a power of two, more than the number of words
    int32_t count;
    uint32_t mask;
};

struct Row {
    int32_t tokens;     // number of ids
    int32_t unknown;    // of them: words that are not in the vocabulary
    int32_t marks;      // of them: "!" and "?", if the vocabulary has them
    int32_t truncated;  // 1: words were dropped
};

struct Texts {
    const char *bytes;       // all texts, one after another
    const int64_t *offsets;  // (texts + 1): where each text begins, and the last one ends
    const int64_t *seams;    // (texts): for a text that was cut, the length of its first part; for a whole one, -1
    int32_t count;
    int32_t head, tail;  // the numbers of words that are kept at the beginning and at the end
    char *scratch;       // as long as the longest text
    int32_t *ids;        // result, one row after another; there is room for min(length, head + tail) ids of each text
    Row *rows;           // result (texts)
};

namespace words {

constexpr bool is_within(unsigned char c, unsigned char first, unsigned char last) { return first <= c && c <= last; }

constexpr char lower(char c) {
    const bool is_upper = is_within(c, 'A', 'Z') || (is_within(c, 0xc0, 0xde) && c != '\xd7');  // the multiplication sign
    return is_upper ? static_cast<char>(c + 0x20) : c;
}

constexpr bool is_digit(char c) { return is_within(c, '0', '9'); }

// Whether a lower-case character matches Python's \w, except "_".
constexpr bool is_letter_or_digit(char c) {
    if (is_within(c, 'a', 'z') || is_digit(c)) return true;
    if (is_within(c, 0, 0x7f)) return false;
    return (is_within(c, 0xdf, 0xff) && c != '\xf7') || is_within(c, 0xbc, 0xbe) || is_within(c, 0xb2, 0xb3) ||
           c == '\xaa' || c == '\xb5' || c == '\xb9' || c == '\xba';
}

// "_" counts as a blank; like a blank, it is not part of a word, so it need not be replaced.
constexpr bool is_blank(char c) { return c == ' ' || c == '_'; }

inline bool is_at(std::string_view text, size_t at, std::string_view pattern) {
    return text.substr(at, pattern.size()) == pattern;
}

// Whether a word ends at `at`, if its last character is the one before.
inline bool is_boundary(std::string_view text, size_t at) { return at == text.size() || !is_letter_or_digit(text[at]); }

template <typename Kind>
size_t end_of_run(std::string_view text, size_t at, Kind kind) {
    while (at < text.size() && kind(text[at])) ++at;
    return at;
}

// The position of the blank to remove from "is n't" or "it 's", whose apostrophe is at `quote`; else `quote`.
inline size_t split_at(std::string_view text, size_t quote) {
    if (quote >= 2 && text[quote - 1] == 'n' && is_blank(text[quote - 2]))
        return is_at(text, quote + 1, "t") && is_boundary(text, quote + 2) ? quote - 2 : quote;
    if (quote >= 1 && is_blank(text[quote - 1]))
        for (const std::string_view ending : {"s", "m", "d", "re", "ve", "ll"})
            if (is_at(text, quote + 1, ending) && is_boundary(text, quote + 1 + ending.size())) return quote - 1;
    return quote;
}

// Removes parts of a text, in its own memory.
class Shortened {
  public:
    explicit Shortened(char *text) : text_(text) {}

    void leave_out(size_t from, size_t to) {
        keep(from);
        read_ = to;
    }

    std::string_view end(size_t size) {
        keep(size);
        return {text_, written_};
    }

  private:
    void keep(size_t to) {
        std::memmove(text_ + written_, text_ + read_, to - read_);
        written_ += to - read_;
        read_ = to;
    }

    char *text_;
    size_t read_ = 0, written_ = 0;
};

// `text` in lower case, with line breaks as blanks and without the blanks inside words.
inline std::string_view make_plain(std::string_view text, char *scratch) {
    constexpr std::string_view kLineBreak = "<br />";
    std::transform(text.begin(), text.end(), scratch, lower);
    const std::string_view lowered(scratch, text.size());
    Shortened lines(scratch);
    for (size_t at = lowered.find('<'); at != lowered.npos; at = lowered.find('<', at + 1)) {
        if (!is_at(lowered, at, kLineBreak)) continue;
        scratch[at] = ' ';
        lines.leave_out(at + 1, at + kLineBreak.size());
    }
    const std::string_view whole = lines.end(lowered.size());
    Shortened joined(scratch);
    for (size_t quote = whole.find('\''); quote != whole.npos; quote = whole.find('\'', quote + 1)) {
        const size_t blank = split_at(whole, quote);
        if (blank < quote) joined.leave_out(blank, blank + 1);
    }
    return joined.end(whole.size());
}

// The end of the word that begins at `at` in a plain text.
inline size_t end_of_word(std::string_view plain, size_t at) {
    const size_t end = end_of_run(plain, at, is_letter_or_digit);
    if (end == plain.size()) return end;
    if (plain[end] == '\'') {
        const size_t longer = end_of_run(plain, end + 1, is_letter_or_digit);
        return longer > end + 1 ? longer : end;
    }
    size_t slash = end;
    if (plain[end] == '.') {
        slash = end_of_run(plain, end + 1, is_digit);
        if (slash == end + 1) return end;
    }
    return plain.substr(slash, 3) == "/10" && is_boundary(plain, slash + 3) ? slash + 3 : end;
}

inline uint32_t hash_of(std::string_view word) {  // FNV-1a
    uint32_t hash = 2166136261u;
    for (const char c : word) hash = (hash ^ static_cast<unsigned char>(c)) * 16777619u;
    return hash;
}

// The slot of a word, or the free one where it belongs.
inline Slot &slot_of(const Vocabulary &vocabulary, std::string_view word, uint32_t hash) {
    for (uint32_t at = hash & vocabulary.mask;; at = (at + 1) & vocabulary.mask) {
        Slot &slot = vocabulary.slots[at];
        if (slot.id == 0) return slot;
        if (slot.hash != hash) continue;
        const int64_t *offset = vocabulary.offsets + (slot.id - kFirstWordId);
        if (word == std::string_view(vocabulary.bytes + offset[0], offset[1] - offset[0])) return slot;
    }
}

inline int32_t id_of(const Vocabulary &vocabulary, std::string_view word) {
    const int32_t id = slot_of(vocabulary, word, hash_of(word)).id;
    return id == 0 ? kUnknownId : id;
}

// Fill the slots, which are all free. If a word occurs twice, its last id counts, as in a Python dict.
inline void index(const Vocabulary &vocabulary) {
    for (int32_t i = 0; i < vocabulary.count; ++i) {
        const int64_t *offset = vocabulary.offsets + i;
        const std::string_view word(vocabulary.bytes + offset[0], offset[1] - offset[0]);
        const uint32_t hash = hash_of(word);
        slot_of(vocabulary, word, hash) = {hash, kFirstWordId + i};
    }
}

// Write the ids of the first `head` and the last `tail` words of a text. Returns its number of words; if `tail` is 0, at
// most head + 1.
inline int64_t read(
    const Vocabulary &vocabulary, std::string_view text, int32_t head, int32_t tail, char *scratch, int32_t *ids) {
    const std::string_view plain = make_plain(text, scratch);
    const int32_t room = head + tail;
    int64_t words = 0;
    int32_t next = 0;  // where the next id is written; behind `head` it wraps around
    for (size_t at = 0, end = 0; at < plain.size(); at = end) {
        const bool word = is_letter_or_digit(plain[at]);
        end = word ? end_of_word(plain, at) : at + 1;
        if (!word && plain[at] != '!' && plain[at] != '?') continue;
        ++words;
        if (next == room) next = head;
        if (next == room) break;
        ids[next++] = id_of(vocabulary, plain.substr(at, end - at));
    }
    if (words > room) std::rotate(ids + head, ids + next, ids + room);
    return words;
}

inline void tokenize(const Vocabulary &vocabulary, const Texts &texts) {
    const int32_t marks[] = {id_of(vocabulary, "!"), id_of(vocabulary, "?")};
    const int64_t room = texts.head + texts.tail;
    int32_t *ids = texts.ids;
    for (int32_t i = 0; i < texts.count; ++i) {
        const std::string_view text(texts.bytes + texts.offsets[i], texts.offsets[i + 1] - texts.offsets[i]);
        int64_t tokens = 0;
        bool truncated = true;
        if (texts.seams[i] < 0) {
            const int64_t words = read(vocabulary, text, texts.head, texts.tail, texts.scratch, ids);
            tokens = std::min(words, room);
            truncated = words > room;
        } else {
            const std::string_view first = text.substr(0, texts.seams[i]), last = text.substr(texts.seams[i]);
            tokens = std::min<int64_t>(texts.head, read(vocabulary, first, texts.head, 0, texts.scratch, ids));
            tokens += std::min<int64_t>(texts.tail, read(vocabulary, last, 0, texts.tail, texts.scratch, ids + tokens));
        }
        const auto among = [&](int32_t id) { return static_cast<int32_t>(std::count(ids, ids + tokens, id)); };
        int32_t known_marks = 0;
        for (const int32_t mark : marks)
            if (mark != kUnknownId) known_marks += among(mark);
        texts.rows[i] = {static_cast<int32_t>(tokens), among(kUnknownId), known_marks, truncated};
        ids += tokens;
    }
}

}  // namespace words
